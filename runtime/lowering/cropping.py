"""`crop_resize`: boxes of images, resized by gathering the pixels around every sampled point."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..graph import FLOAT, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import product, size, sizes, vector
from .grids import Grid, Numbers, counted, mirrored


@attrs.frozen(eq=False)
class Places:
    """Where boxes are sampled along one axis.

    Attributes:
        points: floats, a row for each box.
        last: the coordinate of the image's last pixel, a float.
    """

    points: Numbers
    last: Numbers

    def pixels(self) -> tuple[Numbers, Numbers]:
        """The pixels before and behind the points, of which those outside are replaced by the nearest inside."""
        last = self.last.cast(INT64)
        before, behind = (each.cast(INT64) for each in (self.points.floor(), self.points.ceiling()))
        return before.at_least(0).at_most(last), behind.at_least(0).at_most(last)

    def weight(self) -> Numbers:
        """How far the points are from the pixels before them."""
        return self.points - self.points.floor()

    def are_inside(self) -> Numbers:
        """Whether the points are within the image."""
        return (self.points >= 0) & (self.points <= self.last)


@lowers("crop_resize")
def crop_resize(g: Graph, op: Op) -> Tensor:
    """Samples a box as an image of its size would be; one that ends before it starts is read backwards."""
    coordinates, images = _boxes(g, op)
    height_first = op.text("box_coordinate_mode", "CORNERS_HEIGHT_FIRST").endswith("HEIGHT_FIRST")
    first, second = coordinates[0::2], coordinates[1::2]
    rows, columns = (first, second) if height_first else (second, first)
    result = _read(g, op, images, _places(g, op, rows, axis=2), _places(g, op, columns, axis=3))
    return g.op("Squeeze", result, [1]) if op.has("boxes") else result


def _boxes(g: Graph, op: Op) -> tuple[list[Numbers], Numbers]:
    """The boxes' four coordinates, each a column, and the image or images that each box is for, as rows."""
    if op.has("boxes"):
        return _columns(g, op["boxes"], 4), Numbers.of(g, g.cast(op["box_indices"], INT64)).spread(1)
    entries = op.shape("roi")[2]
    if entries not in {4, 5}:
        raise op.refusal("`roi` has to have 4 entries for each box, or 5 with its image")
    columns = _columns(g, op["roi"], entries)
    if entries == 5:
        return columns[1:], columns[0].cast(INT64)
    return columns, counted(Numbers.of(g, size(g, op["x"], op.shape("x"), 0))).spread(0)


def _columns(g: Graph, boxes: Tensor, count: int) -> list[Numbers]:
    boxes = g.cast(boxes, FLOAT)
    known = Numbers.of(g, boxes).known
    if known is not None:
        return [Numbers(g, known.reshape(-1, count)[:, [column]]) for column in range(count)]
    split = g.ops("Split", g.op("Reshape", boxes, [-1, count]), outputs=count, axis=1, num_outputs=count)
    return [Numbers(g, column) for column in split]


def _places(g: Graph, op: Op, coordinates: Sequence[Numbers], *, axis: int) -> Places:
    """The points of the boxes along one axis of the image."""
    count = int(op.number("target_height" if axis == 2 else "target_width", 1))
    last = Numbers.of(g, size(g, op["x"], op.shape("x"), axis)).cast(FLOAT) - 1
    mode = op.text("sampling_mode", "DEFAULT")
    start, end = _ends(op, coordinates, last)
    length = end - start
    along = Grid.of(mode, abs(length), Numbers.of(g, count)).coordinates()
    # Rounding must not carry a point past the end, where the image may be over.
    points = (start + length.sign() * along).at_least(start.at_most(end)).at_most(start.at_least(end))
    if mode == "UNALIGN_CORNERS":  # in other modes there is padding around the image; in this one, its mirror image
        points = mirrored(points, (last * 2).at_least(1))
    return Places(points, last)


def _ends(op: Op, coordinates: Sequence[Numbers], last: Numbers) -> tuple[Numbers, Numbers]:
    """The pixels at which the boxes start and end, from either these or centre and size."""
    first, second = coordinates
    if op.text("box_coordinate_mode").startswith("CENTER_SIZE"):
        half = second / 2
        first, second = first - half, first + half
    scale = op.number("spatial_scale", 1)
    factor = last * scale if op.flag("normalized_coordinates") else scale
    return first * factor, second * factor


def _read(g: Graph, op: Op, images: Numbers, rows: Places, columns: Places) -> Tensor:
    """The sampled pixels: boxes, the images of each, channels, rows, columns."""
    _, channels, height, width = sizes(g, op["x"], op.shape("x"))
    table = g.op("Reshape", g.op("Transpose", op["x"], perm=[0, 2, 3, 1]), vector(g, [-1, channels]))
    start = (images * Numbers.of(g, product(g, [height, width]))).spread(2, 3)

    def pixels(row: Numbers, column: Numbers) -> Numbers:
        offset = row.spread(1, 3) * Numbers.of(g, width) + column.spread(1, 2)
        return Numbers(g, g.op("Gather", table, (start + offset).tensor))

    top, bottom = rows.pixels()
    left, right = columns.pixels()
    down, across = rows.weight().spread(1, 3, 4), columns.weight().spread(1, 2, 4)
    before = 1 - across
    above = pixels(top, left) * before + pixels(top, right) * across
    below = pixels(bottom, left) * before + pixels(bottom, right) * across
    values = (above * (1 - down) + below * down).tensor
    inside = rows.are_inside().spread(1, 3, 4) & columns.are_inside().spread(1, 2, 4)
    if inside.known is None or not inside.known.all():
        values = g.op("Where", inside.tensor, values, op.number("pad_value"))
    return g.op("Transpose", values, perm=[0, 1, 4, 2, 3])

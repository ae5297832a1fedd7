"""Resizing of images, the last axes of a value, by nearest or interpolated pixels.

ONNX's Resize is used where it samples the very points that MIL does; otherwise pixels are gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from ..graph import BOOL, FLOAT, INT64, Graph, Tensor
from ..op import Op, Shape
from ..registry import lowers
from ..shapes import Size, product, size, sizes, vector
from .grids import Grid, Numbers

# The mode in which Resize interpolates at the same points.
_ONNX_MODES = {
    "ALIGN_CORNERS": "align_corners",  # but for a single point, which Resize takes from the start
    "DEFAULT": "asymmetric",
    "STRICT_ALIGN_CORNERS": "align_corners",
    "UNALIGN_CORNERS": "half_pixel",
}
# Of nearest pixels, the default is as if pixels had their centres where UNALIGN_CORNERS has them.
_NEAREST_MODES = {"DEFAULT": "UNALIGN_CORNERS"}


@attrs.frozen(eq=False)
class Target:
    """What an axis should become.

    Attributes:
        size: the new size; None where only the factor is known.
        factor: how often the old size goes into it, if that is a whole number and known.
    """

    size: Size | None
    factor: int | None = None

    @classmethod
    def of(cls, old: int | None, new: Size) -> Target:
        """A new size for an axis of which the old one may be known."""
        return cls(new, new // old if old and isinstance(new, int) and new % old == 0 else None)


@attrs.frozen(eq=False)
class Image:
    """A value that is to be resized.

    Attributes:
        tensor: the value.
        shape: what is known of its shape.
        targets: what is to change, by axis counted from the front.
    """

    tensor: Tensor
    shape: Shape
    targets: Mapping[int, Target]

    def new_size(self, g: Graph, axis: int) -> Size:
        """The size that an axis should get; the one that it has, where it should not change."""
        target = self.targets.get(axis, Target(None, 1))
        if target.size is not None:
            return target.size
        return product(g, [size(g, self.tensor, self.shape, axis), target.factor or 1])

    @property
    def factors(self) -> list[int] | None:
        """By how much each axis that is to change grows, if all are known."""
        known = [target.factor for target in self.targets.values() if target.factor is not None]
        return known if len(known) == len(self.targets) else None

    @property
    def is_flat(self) -> bool:
        """Whether only the last two axes are to change."""
        return all(axis in _last(self.shape, 2) for axis in self.targets)

    def without_idle_axes(self) -> Image:
        """The same, but for axes that keep their size."""
        return attrs.evolve(self, targets={axis: each for axis, each in self.targets.items() if each.factor != 1})


@lowers("resize_bilinear")
def resize_bilinear(g: Graph, op: Op) -> Tensor:
    """Interpolates at the points of a sampling mode."""
    return _interpolated(g, _to_target(op), op.text("sampling_mode", "DEFAULT"))


@lowers("resize_nearest_neighbor", moves=True)
def resize_nearest_neighbor(g: Graph, op: Op) -> Tensor:
    """The pixel in which the centre of each new pixel lies."""
    return _nearest(g, _to_target(op), "DEFAULT")


@lowers("upsample_bilinear")
def upsample_bilinear(g: Graph, op: Op) -> Tensor:
    """Interpolates; the scale counts only for the new size, which decides the points."""
    align = op.flag("align_corners", default=True)
    centred = op.flag("half_pixel_centers", default=not align)
    if align and centred:
        raise op.refusal("it can not have both aligned corners and centred pixels")
    mode = "STRICT_ALIGN_CORNERS" if align else "UNALIGN_CORNERS" if centred else "DEFAULT"
    return _interpolated(g, _to_scale(g, op), mode)


@lowers("upsample_nearest_neighbor", moves=True)
def upsample_nearest_neighbor(g: Graph, op: Op) -> Tensor:
    """The pixel in which the upper left corner of each new pixel lies."""
    image = _to_scale(g, op)
    if image.factors is not None:
        return _repeated(g, image)
    return _gathered(g, image, lambda last, count: Grid.of("DEFAULT", last, count).below())


@lowers("resize")
def resize(g: Graph, op: Op) -> Tensor:
    """Resizes as many of the last axes as it says, to sizes that may be known only when it runs."""
    image = Image(op["x"], op.shape("x"), _targets(g, op))
    mode = op.text("sampling_mode", "DEFAULT")
    if op.text("interpolation_mode", "LINEAR") == "NEAREST_NEIGHBOR":
        return _nearest(g, image, mode)
    if op.dtype("x").kind == "f":
        return _interpolated(g, image, mode)
    # Doubles hold every integer, so that only the result is rounded.
    wide = attrs.evolve(image, tensor=g.cast(image.tensor, "float64"))
    return g.op("Round", _blended(g, wide, mode))


# --- the sizes to resize to


def _to_target(op: Op) -> Image:
    shape = op.shape("x")
    targets = [int(op.number(f"target_size_{name}", 1)) for name in ("height", "width")]
    axes = _last(shape, 2)
    return Image(op["x"], shape, {axis: Target.of(shape[axis], new) for axis, new in zip(axes, targets, strict=True)})


def _to_scale(g: Graph, op: Op) -> Image:
    x, shape = op["x"], op.shape("x")
    targets: dict[int, Target] = {}
    for axis, name in zip(_last(shape, 2), ("height", "width"), strict=True):
        scale, new = op.number(f"scale_factor_{name}", 1), op.output_shape[axis]
        if new is None:
            targets[axis] = Target(None, int(scale)) if scale.is_integer() else Target(_scaled(g, x, axis, scale))
        else:
            targets[axis] = Target.of(shape[axis], new)
    return Image(x, shape, targets)


def _scaled(g: Graph, x: Tensor, axis: int, scale: float) -> Tensor:
    """The size of an axis times a scale, rounded down; in single precision, as type inference does it."""
    extent = g.cast(g.op("Shape", x, start=axis, end=axis + 1), FLOAT)
    return g.cast(g.op("Floor", g.op("Mul", extent, scale)), INT64)


def _targets(g: Graph, op: Op) -> dict[int, Target]:
    """What the `resize` op makes of each axis; zero stands for the size that it has."""
    x, shape, count = op["x"], op.shape("x"), int(op.number("resized_dims"))
    axes, wanted = _last(shape, count), op.ints("shape")
    if wanted is None:
        return {axis: Target(_given(g, op["shape"], axis - len(shape), size(g, x, shape, axis))) for axis in axes}
    wanted = wanted[len(wanted) - count :]
    return {
        axis: Target.of(shape[axis], new) if new else Target(None, 1) for axis, new in zip(axes, wanted, strict=True)
    }


def _given(g: Graph, shape: Tensor, position: int, default: Size) -> Size:
    given = g.cast(g.op("Gather", shape, [position]), INT64)
    return g.op("Where", g.cast(given, BOOL), given, vector(g, [default]))


def _last(shape: Shape, count: int) -> range:
    """The last axes."""
    return range(len(shape) - count, len(shape))


# --- ways to resize


def _interpolated(g: Graph, image: Image, mode: str) -> Tensor:
    if mode != "OFFSET_CORNERS":  # it is the only mode that moves the pixels of an axis that keeps its size
        image = image.without_idle_axes()
    sizes_known = all(isinstance(target.size, int) and target.size != 1 for target in image.targets.values())
    if mode not in _ONNX_MODES or (mode == "ALIGN_CORNERS" and not sizes_known) or not image.is_flat:
        return _blended(g, image, mode)
    return _resized(g, image, mode="linear", coordinate_transformation_mode=_ONNX_MODES[mode])


def _nearest(g: Graph, image: Image, mode: str) -> Tensor:
    mode = _NEAREST_MODES.get(mode, mode)
    if mode == "UNALIGN_CORNERS" and image.factors is not None and image.is_flat:
        return _repeated(g, image)
    return _gathered(g, image, lambda last, count: Grid.of(mode, last, count).nearest())


def _repeated(g: Graph, image: Image) -> Tensor:
    """Each pixel as often as the factors say."""
    return _resized(
        g,
        image.without_idle_axes(),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _gathered(g: Graph, image: Image, pixels: Callable[[Numbers, Numbers], Numbers]) -> Tensor:
    """The pixels that a function gives from the last pixel's coordinate and the count of new ones, along each axis."""
    result = image.tensor
    for axis in image.targets:
        last, count = _extent(g, image, axis)
        result = g.op("Gather", result, pixels(last, count).tensor, axis=axis)
    return result


def _blended(g: Graph, image: Image, mode: str) -> Tensor:
    """Along each axis, the pixels on both sides of the points, weighted by their nearness."""
    result = image.tensor
    for axis in image.targets:
        grid = Grid.of(mode, *_extent(g, image, axis))
        below, above = (g.op("Gather", result, pixels.tensor, axis=axis) for pixels in (grid.below(), grid.above()))
        weight = grid.weight(result.dtype).spread(*range(1, len(image.shape) - axis))
        rest = 1 - weight
        result = g.op("Add", g.op("Mul", below, rest.tensor), g.op("Mul", above, weight.tensor))
    return result


def _extent(g: Graph, image: Image, axis: int) -> tuple[Numbers, Numbers]:
    """The coordinate of an axis' last pixel, and the count of its new ones."""
    old = Numbers.of(g, size(g, image.tensor, image.shape, axis))
    return old - 1, Numbers.of(g, image.new_size(g, axis))


def _resized(g: Graph, image: Image, **attributes: str) -> Tensor:
    """The image through Resize, whose kernels are fastest for four axes, of which the last two change."""
    if not image.targets:
        return image.tensor
    rank, factors = len(image.shape), image.factors
    if factors is None:
        new = [None, vector(g, [image.new_size(g, axis) for axis in image.targets])]
    else:
        new = [g.constant(factors, FLOAT)]
    axes = [axis - rank + 4 for axis in image.targets]
    result = g.op("Resize", _with_four_axes(g, image), None, *new, axes=axes, **attributes)
    if rank <= 4:
        return g.op("Squeeze", result, list(range(4 - rank))) if rank < 4 else result
    return g.op("Reshape", result, vector(g, [image.new_size(g, axis) for axis in range(rank)]))


def _with_four_axes(g: Graph, image: Image) -> Tensor:
    rank = len(image.shape)
    if rank <= 4:
        return g.op("Unsqueeze", image.tensor, list(range(4 - rank))) if rank < 4 else image.tensor
    *leading, height, width = sizes(g, image.tensor, image.shape)
    return g.op("Reshape", image.tensor, vector(g, [1, product(g, leading), height, width]))

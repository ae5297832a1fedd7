"""Pixels at computed places, through GridSample: `resample` and `affine`.

Coordinates come as (x, y), so that the width stands before the height.
"""

from __future__ import annotations

import numpy as np

from ..graph import FLOAT, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import size, vector
from .grids import Numbers, mirrored

_SAMPLING = {"bilinear": "linear", "nearest": "nearest"}
_UNITS = {"unnormalized", "normalized_minus_one_to_one", "normalized_zero_to_one"}
_PADDING = {"constant": "zeros", "border": "border", "reflection": "reflection", "symmetric": "reflection"}


@lowers("resample")
def resample(g: Graph, op: Op) -> Tensor:
    """One GridSample where ONNX has such a padding; else the coordinates, or the image, are changed to do without."""
    x, mode, padding = op["x"], op.text("sampling_mode").lower(), op.text("padding_mode").lower()
    if mode not in _SAMPLING or padding not in _PADDING or _units(op) not in _UNITS:
        raise op.refusal(f"unknown mode among {mode!r}, {padding!r} and {_units(op)!r}")
    coordinates = Numbers.of(g, g.cast(op["coordinates"], FLOAT))
    if _is_direct(op, mode, padding):
        grid, align = _centred(op, coordinates), int(op.flag("align_corners"))
        return g.op(
            "GridSample", x, grid.tensor, mode=_SAMPLING[mode], padding_mode=_PADDING[padding], align_corners=align
        )
    extent = _extent(g, x, op)
    pixels = _folded(_pixels(op, coordinates, extent), extent, padding)
    if mode == "nearest":
        pixels = pixels.rounded()
    fill = op.number("padding_value") if padding == "constant" else 0.0
    if fill:
        # A rim of the value, which stands for all that is outside.
        x = g.op("Pad", x, [1, 1, 1, 1], fill, [2, 3])
        pixels, extent = pixels + 1, extent + 2
    outside = "zeros" if padding == "constant" and not fill else "border"
    grid = pixels * (2 / extent) + (1 / extent - 1)
    return g.op("GridSample", x, grid.tensor, mode=_SAMPLING[mode], padding_mode=outside, align_corners=0)


@lowers("affine")
def affine(g: Graph, op: Op) -> Tensor:
    """Reads bilinearly where a matrix puts each pixel, zero outside of the image."""
    height, width = (int(op.number(name)) for name in ("output_height", "output_width"))
    align = op.flag("align_corners")
    across, down = np.meshgrid(_between_ends(width, align=align), _between_ends(height, align=align))
    places = np.stack([across, down, np.ones_like(down)], axis=-1).reshape(-1, 3).astype(np.float32)
    matrices = g.op("Reshape", op["transform_matrix"], [-1, 2, 3])
    grid = g.op("MatMul", places, g.op("Transpose", matrices, perm=[0, 2, 1]))
    batch, images = size(g, op["x"], op.shape("x"), 0), op.shape("transform_matrix")[0]
    grid = g.op("Reshape", grid, [-1, height, width, 2])
    if images is None or images != batch:
        grid = g.op("Expand", grid, vector(g, [batch, height, width, 2]))
    return g.op("GridSample", op["x"], grid, mode="linear", padding_mode="zeros", align_corners=int(align))


def _units(op: Op) -> str:
    return op.text("coordinates_mode").lower()


def _is_direct(op: Op, mode: str, padding: str) -> bool:
    """Whether GridSample computes the very same, for coordinates in [-1, 1]."""
    if _units(op) == "unnormalized":
        return False
    align = op.flag("align_corners")
    is_direct = {
        "constant": op.number("padding_value") == 0,
        "border": True,
        # GridSample turns round at the ends that `align_corners` says; it can not do so within a single pixel,
        # and takes the nearest pixel before that.
        "reflection": mode != "nearest" and align and all(extent and extent > 1 for extent in op.shape("x")[2:]),
        "symmetric": mode != "nearest" and not align,
    }
    return is_direct[padding]


def _extent(g: Graph, x: Tensor, op: Op) -> Numbers:
    """Width and height of an image, as floats."""
    extents = [size(g, x, op.shape("x"), axis) for axis in (3, 2)]
    return Numbers.of(g, vector(g, extents)).cast(FLOAT)


def _centred(op: Op, coordinates: Numbers) -> Numbers:
    """Normalized coordinates, in [-1, 1]."""
    return coordinates * 2 - 1 if _units(op) == "normalized_zero_to_one" else coordinates


def _pixels(op: Op, coordinates: Numbers, extent: Numbers) -> Numbers:
    """The coordinates in pixels, of which the first has its centre at 0."""
    if _units(op) == "unnormalized":
        return coordinates
    centred = _centred(op, coordinates)
    if op.flag("align_corners"):
        reach = (extent - 1) / 2
        return centred * reach + reach
    return centred * (extent / 2) + (extent - 1) / 2


def _folded(pixels: Numbers, extent: Numbers, padding: str) -> Numbers:
    """Places within the image, or at most half a pixel outside, that have the values of a mirrored image."""
    if padding == "reflection":
        return mirrored(pixels, ((extent - 1) * 2).at_least(1))
    if padding == "symmetric":
        return mirrored(pixels + 0.5, extent * 2) - 0.5
    return pixels


def _between_ends(count: int, *, align: bool) -> np.ndarray:
    """Places from -1 to 1, which are the centres of the first and the last pixel, or else their outer edges."""
    if align:
        return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    return (2 * np.arange(count) + 1) / count - 1

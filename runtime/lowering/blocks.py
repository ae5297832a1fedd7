"""Blocks of pixels that move between the spatial axes and the channels or the batch; images are NCHW."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import product
from .shaping import Part, parts, reshaped

# Core ML's depth holds all channels of a block's first pixel, then those of its second; PyTorch's pixel shuffle holds
# all pixels of a block's first channel, then those of its second.
_TO_SPACE = {"depth_to_space": ("block_size", "DCR"), "pixel_shuffle": ("upscale_factor", "CRD")}


@lowers(*_TO_SPACE, moves=True)
def depth_to_space(g: Graph, op: Op) -> Tensor:
    """The two take the channels in another order."""
    parameter, order = _TO_SPACE[op.type]
    block = int(op.number(parameter))
    _check_whole(op, op.shape("x"), {1: block * block})
    return g.op("DepthToSpace", op["x"], blocksize=block, mode=order)


@lowers("space_to_depth", moves=True)
def space_to_depth(g: Graph, op: Op) -> Tensor:
    """The inverse of `depth_to_space`."""
    block = int(op.number("block_size"))
    _check_whole(op, op.shape("x"), {2: block, 3: block})
    return g.op("SpaceToDepth", op["x"], blocksize=block)


@lowers("pixel_unshuffle", moves=True)
def pixel_unshuffle(g: Graph, op: Op) -> Tensor:
    """The inverse of `pixel_shuffle`, for which ONNX has no op."""
    block = int(op.number("downscale_factor"))
    known = op.shape("x")
    _check_whole(op, known, {2: block, 3: block})
    batch, channels, height, width = parts(g, op["x"], known)
    small = [_divided(g, height, block), _divided(g, width, block)]
    split = reshaped(g, op["x"], [batch, channels, small[0], block, small[1], block])
    moved = g.op("Transpose", split, perm=[0, 1, 3, 5, 2, 4])
    return reshaped(g, moved, [batch, _times(g, channels, block * block), *small])


@lowers("space_to_batch", moves=True)
def space_to_batch(g: Graph, op: Op) -> Tensor:
    """Pads with zeros; the batch then holds all images' first pixels of each block, then all second ones."""
    rows, columns = op.ints("block_shape") or [1, 1]
    (top, bottom), (left, right) = _pairs(op, "paddings")
    x, known = op["x"], list(op.shape("x"))
    if any((top, bottom, left, right)):
        x = g.op("Pad", x, [0, 0, top, left, 0, 0, bottom, right])
    for axis, amount in ((2, top + bottom), (3, left + right)):
        length = known[axis]
        known[axis] = None if length is None else length + amount
    _check_whole(op, known, {2: rows, 3: columns})
    batch, channels, height, width = parts(g, x, known)
    small = [_divided(g, height, rows), _divided(g, width, columns)]
    split = reshaped(g, x, [batch, channels, small[0], rows, small[1], columns])
    moved = g.op("Transpose", split, perm=[3, 5, 0, 1, 2, 4])
    return reshaped(g, moved, [_times(g, batch, rows * columns), channels, *small])


@lowers("batch_to_space", moves=True)
def batch_to_space(g: Graph, op: Op) -> Tensor:
    """The inverse of `space_to_batch`, its padding cropped."""
    rows, columns = op.ints("block_shape") or [1, 1]
    batch, channels, height, width = parts(g, op["x"], op.shape("x"))
    batch = _divided(g, batch, rows * columns)
    split = reshaped(g, op["x"], [rows, columns, batch, channels, height, width])
    moved = g.op("Transpose", split, perm=[2, 3, 4, 0, 5, 1])
    image = reshaped(g, moved, [batch, channels, _times(g, height, rows), _times(g, width, columns)])
    (top, bottom), (left, right) = _pairs(op, "crops")
    if not any((top, bottom, left, right)):
        return image
    end = int(np.iinfo(np.int64).max)
    return g.op("Slice", image, [top, left], [-bottom or end, -right or end], [2, 3])


def _pairs(op: Op, parameter: str) -> list[tuple[int, int]]:
    """What to pad or crop before and after the rows, and before and after the columns."""
    values = op.ints(parameter) or [0, 0, 0, 0]
    return list(zip(values[::2], values[1::2], strict=True))


def _check_whole(op: Op, shape: Sequence[int | None], blocks: dict[int, int]) -> None:
    """Refuses sizes that are known to hold no whole number of blocks."""
    for axis, block in blocks.items():
        length = shape[axis]
        if length is not None and length % block:
            raise op.refusal(f"{length} elements along axis {axis} do not make whole blocks of {block}")


def _divided(g: Graph, part: Part, by: int) -> Part:
    return part // by if isinstance(part, int) else lambda: g.op("Div", part(), [by])


def _times(g: Graph, part: Part, by: int) -> Part:
    return part * by if isinstance(part, int) else lambda: product(g, [part(), by])

"""Sorting, counting, filling: ops that make indices, patterns and constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, size, sizes, vector


@lowers("argsort")
def argsort(g: Graph, op: Op) -> Tensor:
    """The indices of as many largest (smallest) elements as there are; of equal ones the first comes first."""
    axis = op.axis(default=-1)
    count = size(g, op["x"], op.shape("x"), axis)
    return _largest(g, op, count, axis)[1]


@lowers("topk", moves=True)
def topk(g: Graph, op: Op) -> Sequence[Tensor]:
    """The largest (smallest) elements and their indices, sorted whether asked for or not; k = -1 stands for all."""
    axis = op.axis(default=-1)
    (count,) = op.ints("k") or [1]
    every = size(g, op["x"], op.shape("x"), axis)
    found = _largest(g, op, every if count == -1 else count, axis)
    return found if op.flag("return_indices", default=True) else found[:1]


def _largest(g: Graph, op: Op, count: Size, axis: int) -> tuple[Tensor, ...]:
    return g.ops("TopK", op["x"], vector(g, [count]), outputs=2, axis=axis, largest=int(not op.flag("ascending")))


@lowers("one_hot", moves=True)
def one_hot(g: Graph, op: Op) -> Tensor:
    """Compares each index with all positions, so that one out of range, negative ones included, is nowhere on."""
    rank, indices = op.rank("indices"), op["indices"]
    (axis,) = op.ints("axis") or [-1]
    axis %= rank + 1
    depth = op.ints("one_hot_vector_size")
    if depth is None:
        zero, one = g.constant(0, indices.dtype), g.constant(1, indices.dtype)
        positions = g.op("Range", zero, op["one_hot_vector_size"], one)
    else:
        positions = g.constant(np.arange(depth[0]), indices.dtype)
    if axis < rank:
        positions = g.op("Unsqueeze", positions, list(range(1, rank - axis + 1)))
    on = g.op("Equal", g.op("Unsqueeze", indices, [axis]), positions)
    values = [np.asarray(op.const(name), op.output_dtype) for name in ("on_value", "off_value")]
    return g.cast(on, op.output_dtype) if [*map(float, values)] == [1, 0] else g.op("Where", on, *values)


@lowers("non_zero")
def non_zero(g: Graph, op: Op) -> Tensor:
    """A row of coordinates for each element that is not zero, in the order of the elements."""
    if op.rank("x") == 0:
        raise op.refusal("x is a scalar")
    return g.op("Transpose", g.op("NonZero", op["x"]), perm=[1, 0])


@lowers("band_part", moves=True)
def band_part(g: Graph, op: Op) -> Tensor:
    """Zeros below so many diagonals and above so many; a negative number keeps that whole triangle."""
    lower, upper = (int(op.number(name, -1)) for name in ("lower", "upper"))
    band = op["x"]
    if lower >= 0:
        band = g.op("Trilu", band, -lower, upper=1)
    return band if upper < 0 else g.op("Trilu", band, upper, upper=0)


@lowers("range_1d")
def range_1d(g: Graph, op: Op) -> Tensor:
    """The number of steps is computed first: adding the step over and over would add up its rounding errors."""
    start, end, step = op["start"], op["end"], op["step"]
    if start.dtype.kind != "f":
        return g.op("Range", start, end, step)
    (known,) = op.output_shape
    count = (
        g.op("Ceil", g.op("Div", g.op("Sub", end, start), step)) if known is None else g.constant(known, start.dtype)
    )
    steps = g.op("Range", g.constant(0, start.dtype), count, g.constant(1, start.dtype))
    return g.op("Add", g.op("Mul", steps, step), start)


@lowers("fill", moves=True)
def fill(g: Graph, op: Op) -> Tensor:
    """One value everywhere, in a shape that may be computed."""
    shape = op.ints("shape")
    return _filled(g, op, g.cast(op["shape"], INT64) if shape is None else vector(g, shape))


@lowers("fill_like", moves=True)
def fill_like(g: Graph, op: Op) -> Tensor:
    """One value everywhere, in the shape of another value."""
    known = op.shape("ref_tensor")
    return _filled(g, op, vector(g, sizes(g, op["ref_tensor"], known)))


def _filled(g: Graph, op: Op, shape: Tensor) -> Tensor:
    value = np.asarray(op.const("value"), op.output_dtype).reshape(1)
    return g.op("ConstantOfShape", shape, value=value, dtype=value.dtype)

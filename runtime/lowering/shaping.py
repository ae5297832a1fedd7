"""The same values in another shape or order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from ...ir.pymil import is_symbolic
from ...ir.targets import IOS17
from ..graph import INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, size, vector

# A known size, or what adds the ops that compute it as an int64 vector of one element.
Part: TypeAlias = "int | Callable[[], Size]"


def parts(g: Graph, tensor: Tensor, shape: Sequence[int | None]) -> list[Part]:
    """The sizes of a value along each axis, those that are not known yet to be asked for."""
    return [_part(g, tensor, shape, axis) for axis in range(len(shape))]


def _part(g: Graph, tensor: Tensor, shape: Sequence[int | None], axis: int) -> Part:
    known = shape[axis]
    return (lambda: size(g, tensor, shape, axis)) if known is None else known


def reshaped(g: Graph, tensor: Tensor, wanted: Sequence[Part]) -> Tensor:
    """A value in another shape, in which 0 means 0; a single unknown size is what the others leave over."""
    known = [part if isinstance(part, int) else -1 for part in wanted]
    if 0 not in known and known.count(-1) <= 1:
        return g.op("Reshape", tensor, known)
    every = [part if isinstance(part, int) else part() for part in wanted]
    return g.op("Reshape", tensor, vector(g, every), allowzero=1)


@lowers("shape")
def shape(g: Graph, op: Op) -> Tensor:
    """A constant where all sizes are known."""
    known = op.shape("x")
    return g.op("Shape", op["x"]) if None in known else g.constant(np.asarray(known, INT64))


@lowers("reshape", moves=True)
def reshape(g: Graph, op: Op) -> Tensor:
    """Into the inferred shape if at most one size is open, else into what `shape` holds when the program runs."""
    if op.shape("shape") == (None,):
        raise op.refusal("the length of its shape is not known")
    inferred = op.output_shape
    # Where PyMIL knows not all of x's shape, a 0 that it infers is one that it should have replaced by x's size.
    if None not in (*inferred, *op.shape("x")) or (0 not in inferred and inferred.count(None) <= 1):
        return reshaped(g, op["x"], [-1 if known is None else known for known in inferred])
    zeros = _zeros(op)
    if not any(zeros):
        return g.op("Reshape", op["x"], g.cast(op["shape"], INT64), allowzero=1)
    if len(inferred) == op.rank("x"):
        return g.op("Reshape", op["x"], g.cast(op["shape"], INT64))
    return g.op("Reshape", op["x"], _zeros_replaced(g, op, zeros), allowzero=1)


def _zeros(op: Op) -> list[bool]:
    """Where the shape has, or may turn out to have, a 0 that stands for a size of x.

    A size that the program took from some other shape is what it is: when it turns out to be 0, something is empty.
    """
    values = op.var("shape").sym_val
    if values is None:
        return [True] * len(op.output_shape)
    return [not is_symbolic(value) and value == 0 for value in values]


def _zeros_replaced(g: Graph, op: Op, zeros: list[bool]) -> Tensor:
    """The shape with x's sizes, counted from the last, for its zeros, and 1 beyond the first: the rule of iOS17."""
    wanted = g.cast(op["shape"], INT64)
    if op.operation.opset_version < IOS17.specification_version:
        if op.var("shape").sym_val is None:
            return wanted  # what runs before iOS17 has no 0 in a shape of another rank
        raise op.refusal("before iOS17 a 0 in the shape needs a shape of x's rank")
    known, beyond = op.shape("x"), len(zeros) - op.rank("x")
    sizes = [size(g, op["x"], known, axis - beyond) if axis >= beyond else 1 for axis in range(len(zeros))]
    is_zero = g.op("Equal", wanted, [0]) if op.var("shape").sym_val is None else np.asarray(zeros)
    return g.op("Where", is_zero, vector(g, sizes), wanted)


@lowers("reshape_like", moves=True)
def reshape_like(g: Graph, op: Op) -> Tensor:
    """PyMIL infers the shape from the references; it has no unknown size."""
    return reshaped(g, op["x"], [size or 0 for size in op.output_shape])


@lowers("expand_dims", moves=True)
def expand_dims(g: Graph, op: Op) -> Tensor:
    """A new axis of size 1 at each place in the result's shape."""
    axes = op.ints("axes")
    return g.op("Unsqueeze", op["x"], axes) if axes else op["x"]


@lowers("squeeze", moves=True)
def squeeze(g: Graph, op: Op) -> Tensor:
    """Drops what is known to have size 1; of the axes asked for, others stay."""
    known = op.shape("x")
    asked = op.ints("axes")
    axes = range(len(known)) if asked is None else sorted(axis % len(known) for axis in asked)
    ones = [axis for axis in axes if known[axis] == 1]
    return g.op("Squeeze", op["x"], ones) if ones else op["x"]


@lowers("flatten2d", moves=True)
def flatten2d(g: Graph, op: Op) -> Tensor:
    """The axis counts and is clipped as in a Python slice of the shape."""
    (axis,) = op.ints("axis") or [1]
    return g.op("Flatten", op["x"], axis=slice(axis).indices(op.rank("x"))[1])


@lowers("transpose", moves=True)
def transpose(g: Graph, op: Op) -> Tensor:
    """Axes in another order, which may be counted from the last."""
    rank = op.rank("x")
    order = [axis % rank for axis in op.ints("perm") or []]
    return op["x"] if order == list(range(rank)) else g.op("Transpose", op["x"], perm=order)


@lowers("reverse", moves=True)
def reverse(g: Graph, op: Op) -> Tensor:
    """Slices backwards from beyond the end to beyond the start."""
    asked = op.ints("axes")
    axes = list(range(op.rank("x"))) if asked is None else asked
    end = np.iinfo(np.int64).max
    count = len(axes)
    return g.op("Slice", op["x"], [end] * count, [-end] * count, axes, [-1] * count) if axes else op["x"]


@lowers("reverse_sequence", moves=True)
def reverse_sequence(g: Graph, op: Op) -> Tensor:
    """ONNX has it for the first two axes; others are brought there and back."""
    batch, time = op.axis("batch_axis"), op.axis("seq_axis")
    if batch == time:
        raise op.refusal("its seq_axis is its batch_axis")
    x, lengths = op["x"], g.cast(op["lengths"], INT64)
    if {batch, time} == {0, 1}:
        return g.op("ReverseSequence", x, lengths, batch_axis=batch, time_axis=time)
    order = [batch, time, *(axis for axis in range(op.rank("x")) if axis not in (batch, time))]
    result = g.op("ReverseSequence", g.op("Transpose", x, perm=order), lengths, batch_axis=0, time_axis=1)
    return g.op("Transpose", result, perm=np.argsort(order).tolist())

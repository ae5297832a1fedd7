"""Ops that move elements without computing: what each does to the axis that scales lie along."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import prod

import numpy as np

from ...ir.pymil import Operation
from .matching import static_shape


def axis_after(operation: Operation, axis: int | None) -> int | None:
    """Where an axis of the input lies in the output of a moving op; the whole tensor (None) stays the whole tensor.

    Raises:
        LookupError: it is cut, merged with others or removed, or that is not known.
    """
    return None if axis is None else MOVES[operation.op_type](operation, axis)


def axis_before(operation: Operation, axis: int | None) -> int | None:
    """Where an axis of the output of a moving op lies in its input.

    Raises:
        LookupError: nowhere, or that is not known.
    """
    if axis is None:
        return None
    for each in range(operation.x.rank):
        with suppress(LookupError):
            if axis_after(operation, each) == axis:
                return each
    raise LookupError


def _transpose(operation: Operation, axis: int) -> int:
    perm = [int(each) % operation.x.rank for each in _values(operation, "perm")]
    return perm.index(axis)


def _expand_dims(operation: Operation, axis: int) -> int:
    rank = operation.outputs[0].rank
    added = {each % rank for each in _values(operation, "axes")}
    return [each for each in range(rank) if each not in added][axis]


def _squeeze(operation: Operation, axis: int) -> int:
    rank = operation.x.rank
    if operation.inputs.get("axes") is None:
        removed = {each for each, size in enumerate(_static(operation.x)) if size == 1}
    else:
        removed = {each % rank for each in _values(operation, "axes")}
    return _position(axis, removed)


def _reshape(operation: Operation, axis: int) -> int:
    """The axis survives where as many elements lie in front of it, and in it, as before."""
    before, after = _static(operation.x), _static(operation.outputs[0])
    in_front = prod(before[:axis])
    for each, size in enumerate(after):
        if size == before[axis] and prod(after[:each]) == in_front:
            return each
    raise LookupError


def _slice_by_size(operation: Operation, axis: int) -> int:
    return _uncut(operation, axis, axis)


def _slice_by_index(operation: Operation, axis: int) -> int:
    removed = {each for each, gone in enumerate(_values(operation, "squeeze_mask")) if gone}
    strides = _values(operation, "stride")
    if strides and strides[axis] < 0:
        raise LookupError
    return _uncut(operation, axis, _position(axis, removed))


def _uncut(operation: Operation, axis: int, position: int) -> int:
    """The position of an axis in the output, of which a slice takes everything."""
    if _static(operation.x)[axis] != _static(operation.outputs[0])[position]:
        raise LookupError
    return position


def _position(axis: int, removed: set[int]) -> int:
    """Where an axis lies when others are removed."""
    if axis in removed:
        raise LookupError
    return axis - sum(each < axis for each in removed)


def _static(value: object) -> tuple[int, ...]:
    shape = static_shape(value)
    if shape is None:
        raise LookupError
    return shape


def _values(operation: Operation, parameter: str) -> list[int]:
    """A constant input as a list; empty where the op has none."""
    value = operation.inputs.get(parameter)
    if value is None:
        return []
    if value.val is None:
        raise LookupError
    return [int(each) for each in np.ravel(value.val)]


# What takes 8-bit integers as well as floats from iOS 17 on; sources: the ops' type domains in coremltools 9.0,
# `mil/ops/defs/iOS17/tensor_transformation.py`.
MOVES: dict[str, Callable[[Operation, int], int]] = {
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "reshape": _reshape,
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
}
# Those that leave elements out: quantizing in front of them would quantize more than is needed.
SLICES = frozenset({"slice_by_index", "slice_by_size"})

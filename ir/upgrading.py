"""Raising a program to a later opset, with the ops whose signature changed on the way.

Found by comparing the input specifications of every op's versions in coremltools 9.0: of 168 ops only four lost
an input between iOS 15 and iOS 18. Two are compressed weights, re-encoded here without loss; the others changed
their meaning, so that a program that uses them can not be raised past them.
"""

from __future__ import annotations

from math import prod
from typing import Any

import attrs
import numpy as np

from .copying import copy_function
from .dtypes import dtype_named, unpack_bits
from .errors import TargetError
from .pymil import builtin_type, opset_of, types
from .targets import IOS17, IOS18, Opset


@attrs.frozen
class SignatureChange:
    """An op that can not be raised past an opset, and why."""

    op_type: str
    since: Opset
    reason: str


NOT_RAISABLE = (
    SignatureChange("crop_resize", IOS17, "its regions became a tensor of boxes with a result of another rank"),
    SignatureChange("non_maximum_suppression", IOS17, "it lost its score threshold, which changes what it keeps"),
)


def raise_opset(program: Any, opset: Opset) -> bool:
    """Raises every function of a program to `opset`, in place.

    Returns:
        Whether anything changed.

    Raises:
        TargetError: the program needs a later opset than `opset`.
        ProgramError: an op's signature changed on the way and it has no equal there.
    """
    now = opset_of(program)
    if now > opset:
        raise TargetError(
            f"the model needs {now}; it can not be lowered to {opset}",
            hint=f"choose {now} or a later target, or convert the model anew for {opset}",
        )
    if now == opset:
        return False
    raised = {
        name: copy_function(function, opset, lambda op, inputs: _convert(op, inputs, now, opset))
        for name, function in program.functions.items()
    }
    program.functions.update(raised)
    return True


def _convert(operation: Any, inputs: dict[str, Any], now: Opset, opset: Opset) -> dict[str, Any]:
    for change in NOT_RAISABLE:
        if operation.op_type == change.op_type and now < change.since <= opset:
            raise TargetError(
                f"{change.op_type} can not be raised to {change.since} or later: {change.reason}",
                where=f"op {operation.name!r}",
                hint=f"choose a target before {change.since}",
            )
    if operation.op_type in _REENCODED and now < IOS18 <= opset:
        return _REENCODED[operation.op_type](operation)
    return inputs


def _unpack(packed: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    dtype = dtype_named(name)
    values = unpack_bits(packed, dtype, prod(shape)) if dtype.is_sub_byte else packed[: prod(shape)]
    return values.reshape(shape).view(types.nptype_from_builtin(builtin_type(dtype)))


def _lut_to_dense(operation: Any) -> dict[str, Any]:
    """From iOS 16: packed bytes, a table of rank 1, a shape; to iOS 18: indices of their width, a table per block."""
    shape = tuple(int(size) for size in operation.shape.val)
    table = operation.lut.val
    indices = _unpack(operation.indices.val, f"uint{(table.size - 1).bit_length()}", shape)
    return {"indices": indices, "lut": table.reshape((1,) * len(shape) + (table.size, 1))}


def _sparse_to_dense(operation: Any) -> dict[str, Any]:
    """From iOS 16: a mask of packed bytes and a shape; to iOS 18: a mask of single bits that has the shape."""
    shape = tuple(int(size) for size in operation.shape.val)
    return {"nonzero_data": operation.nonzero_data.val, "mask": _unpack(operation.mask.val, "uint1", shape)}


_REENCODED = {"constexpr_lut_to_dense": _lut_to_dense, "constexpr_sparse_to_dense": _sparse_to_dense}

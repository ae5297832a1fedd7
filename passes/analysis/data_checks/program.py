"""What a program says about the values that its inputs should have."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ....runtime.random_samples import indexed_sizes

# Ops that hand values on as they are, in another shape or type.
_CARRIERS = frozenset({"cast", "expand_dims", "identity", "reshape", "squeeze", "transpose"})
# Bytes become numbers near 1 by factors like these: 1/255, 1/127.5, and 1/255 over a deviation of 0.2 to 0.3.
_BYTES = (1 / 300, 1 / 50)


@attrs.frozen
class Expectation:
    """What is known of an input.

    Attributes:
        table: it is an index of tables of at least this size; None for no index, or of unknown tables.
        is_bytes: the program divides it by about 255 before anything else.
    """

    table: int | None = None
    is_bytes: bool = False


def expectation(function: Any, name: str) -> Expectation:
    """What a PyMIL function does with an input; nothing is known of an input that it has not."""
    var = None if function is None else function.inputs.get(name)
    return Expectation() if var is None else Expectation(min(indexed_sizes(var), default=None), _is_divided(var))


def _is_divided(var: Any) -> bool:
    """Whether every use of a value divides it by about 255, directly or behind a change of shape or type."""
    return bool(var.child_ops) and all(_divides(op, var) for op in var.child_ops)


def _divides(op: Any, var: Any) -> bool:
    if op.op_type in _CARRIERS:
        return _is_divided(op.outputs[0])
    if op.op_type not in ("mul", "real_div"):
        return False
    other = op.y if op.x is var else op.x
    if other.val is None or (op.op_type == "real_div" and op.y is var):
        return False
    numbers = np.abs(np.asarray(other.val, np.float64))
    low, high = _BYTES if op.op_type == "mul" else (1 / _BYTES[1], 1 / _BYTES[0])
    return bool(numbers.size and numbers.min() >= low and numbers.max() <= high)

"""Kinds of values: computed ones, parameters and weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import constants
from ..pymil import mil_list


def is_constant_op(operation: Any) -> bool:
    """A `const`, or a `constexpr_*` op, which stands for a constant."""
    return constants.is_constant(operation.op_type)


def is_constant(var: Any) -> bool:
    """Whether a value is a constant, compressed or not."""
    return var.op is not None and is_constant_op(var.op)


def is_weight(var: Any) -> bool:
    """Whether a constant is more than a parameter: compressed, or of as many elements as go to weight files."""
    if var.op.op_type != "const":
        return True
    return isinstance(var.val, np.ndarray) and var.val.size >= constants.SMALLEST_WEIGHT


def is_weight_pair(old: Any, new: Any) -> bool:
    """Whether two values are constants that are compared as weights, not as parameters of an op."""
    if old is None or new is None or not (is_constant(old) and is_constant(new)):
        return False
    return (is_weight(old) or is_weight(new)) and all(as_list(var.val) is None for var in (old, new))


def as_list(value: Any) -> list[Any] | None:
    """The elements of a list, which PyMIL holds in one of two ways; None for what is none."""
    return list(value.ls if isinstance(value, mil_list) else value) if isinstance(value, list | mil_list) else None

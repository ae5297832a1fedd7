"""Defaults that PyMIL's builder gave an op in a type that the op does not take.

The builder checks what a caller gives, and adds defaults unchecked: `layer_norm` of fp16 values gets an `epsilon` in
fp32, `pad` a `constant_val`. Such a program runs, but no op can be built from the same values again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .pymil import Var, types


def in_types_of_op(operation: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of an op, its defaults in the types of what was given.

    Args:
        operation: a PyMIL op, maybe with misfit defaults.
        inputs: values by parameter: its own, or copies of them.

    Returns:
        The same inputs, but for constants that became numpy scalars of another float type; the same object if there
        are none.
    """
    changed = dict(_changed(operation, inputs))
    return inputs | changed if changed else inputs


def _changed(operation: Any, inputs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    defaults = {parameter for parameter, _ in operation.default_inputs().items()}
    given = {
        _domain(operation, parameter): value.dtype
        for parameter, value in inputs.items()
        if isinstance(value, Var) and parameter not in defaults
    }
    for parameter in sorted(defaults & inputs.keys()):
        expected, value = given.get(_domain(operation, parameter)), inputs[parameter]
        if expected is not None and _is_number(value) and value.dtype != expected and types.is_float(expected):
            yield parameter, types.nptype_from_builtin(expected)(value.val)


def _is_number(value: Any) -> bool:
    """Whether an input is one constant float."""
    return isinstance(value, Var) and value.val is not None and not np.ndim(value.val) and types.is_float(value.dtype)


def _domain(operation: Any, parameter: str) -> Any:
    kind = operation.input_spec.input_types.get(parameter)
    return getattr(kind, "type_domain_id", None) or parameter

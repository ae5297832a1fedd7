"""Values as the protobuf declares them: inputs of functions and blocks, and what ops give."""

from __future__ import annotations

from typing import Any

from ..errors import ProgramError, quoted
from ..pymil import ListVar, Placeholder, StateTensorPlaceholder, Var, types, value_type_from_proto
from ..quiet import without_warnings
from ..type_words import type_words


def placeholder(value: Any) -> Any:
    """The PyMIL placeholder of a function's input, a protobuf `NamedValueType`.

    Raises:
        ProgramError: functions take no values of this type.
    """
    kind = value_type_from_proto(value.type)
    if types.is_state(kind):
        tensor = kind.wrapped_type()
        return StateTensorPlaceholder(tensor.get_shape(), tensor.get_primitive(), value.name)
    if types.is_tensor(kind):
        return Placeholder(kind.get_shape(), kind.get_primitive(), value.name)
    if types.is_scalar(kind):
        with without_warnings():
            return Placeholder((), kind, value.name, allow_rank0_input=True)
    raise ProgramError("functions take tensors and states only")


def declared_value(value: Any) -> Any:
    """A PyMIL value that no op gives: the input of a block, or a stand-in."""
    kind = value_type_from_proto(value.type)
    if types.is_list(kind):
        return ListVar(value.name, elem_type=kind.T[0], init_length=kind.T[1], dynamic_length=kind.T[2])
    return Var(value.name, kind, None, op=None, op_output_idx=None)


def type_fault(declared: Any, var: Any) -> ProgramError | None:
    """The fault of a value that has not the type which the protobuf declares for it; None if it has."""
    expected = value_type_from_proto(declared.type)
    if _fits(var.sym_type, expected):
        return None
    words = f"is declared as {type_words(expected)} but inferred as {type_words(var.sym_type)}"
    return ProgramError(f"output {quoted(declared.name)} {words}", hint="mend the declared type, or the op's inputs")


def _fits(kind: Any, expected: Any) -> bool:
    """PyMIL sometimes says tensor of rank 0 where the protobuf says scalar, also of a list's elements."""
    if types.is_list(kind) and types.is_list(expected):
        return _fits(kind.T[0], expected.T[0])
    if types.is_tensor(kind) and types.is_scalar(expected):
        return bool(kind.get_primitive() == expected) and kind.get_shape() == ()
    return bool(types.is_compatible_type(kind, expected))

"""What is wrong with the inputs that an op is given, by the op's own input specification."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs

from ..errors import ProgramError, did_you_mean, quoted
from ..pymil import Var, opset_with_input, types
from ..targets import Opset
from ..type_words import type_words
from .faults import Part

# What inputs must be that are no tensors, by PyMIL's class for them.
_KINDS = {
    "ListInputType": "a list",
    "ListOrTensorOrDictInputType": "a list, a tensor or a dictionary",
    "StateInputType": "a state",
    "TupleInputType": "several values: (a, b)",
}
InputFault: TypeAlias = tuple[Part, ProgramError]


@attrs.frozen
class _Requirement:
    """What an op demands of one input.

    Attributes:
        parameter: its name.
        kind: PyMIL's own input type.
        is_tensor: whether it takes tensors and scalars.
        allowed: their element types; empty for any.
        domain: inputs of one domain must have one element type.
    """

    parameter: str
    kind: Any
    is_tensor: bool
    allowed: tuple[Any, ...]
    domain: str | None


@functools.cache
def _requirements(cls: Any) -> tuple[_Requirement, ...]:
    """What an op's class demands; not PyMIL's own inputs, such as the blocks of control flow."""
    found = []
    for parameter, kind in cls.input_spec.input_types.items():
        domain = getattr(kind, "type_domain_id", None)
        is_tensor = type(kind).__name__ == "TensorInputType"
        allowed = (kind.type_domain or cls.type_domains.get(domain, ())) if is_tensor else ()
        found.append(_Requirement(parameter, kind, is_tensor, tuple(allowed), domain))
    return tuple(each for each in found if not each.parameter.startswith("_"))


def input_faults(cls: Any, inputs: Mapping[str, Any], spelled: Mapping[str, str]) -> Iterator[InputFault]:
    """Required inputs that are missing, inputs that must be constant and are not, and inputs of wrong types.

    Args:
        cls: the op's PyMIL class.
        inputs: values by parameter, of parameters that the op has.
        spelled: what the program calls a parameter, where PyMIL has another name.
    """
    found = False
    first: dict[str, tuple[_Requirement, Any]] = {}
    for required in _requirements(cls):
        value = inputs.get(required.parameter)
        each = attrs.evolve(required, parameter=spelled[required.parameter]) if spelled else required
        if value is None and not each.kind.optional:
            yield Part("op"), _missing(each.parameter, "attribute" if cls.__name__ == "const" else "input")
        elif isinstance(value, Var):
            fault = _input_fault(each, value)
            if fault is None and not found and each.domain:
                other, theirs = first.setdefault(each.domain, (each, value))
                fault = _unequal(each, value, other, theirs)
            if fault is not None:
                found = True
                yield Part("input", each.parameter), fault


def attribute_faults(cls: Any, names: Iterable[str]) -> Iterator[InputFault]:
    """Attributes of an op whose values are inputs that are to stand in the parentheses, or that mean its name.

    Args:
        cls: the op's PyMIL class; of no constant.
        names: its attributes other than `name`.
    """
    for name in names:
        if name in cls.input_spec.input_types:
            message = f"{quoted(name)} is an input of {cls.__name__}, no attribute"
            yield Part("attribute", name), ProgramError(message, hint=f"write it in the parentheses: ({name} = ...)")
        elif did_you_mean(name, ["name"]):
            yield (
                Part("attribute", name),
                ProgramError(f"unknown attribute {quoted(name)}", hint="did you mean 'name'?"),
            )


def unknown_input(op_type: str, parameter: str, known: Iterable[str], opset: Opset) -> ProgramError:
    """The error about an input that an op does not have in an opset."""
    since = opset_with_input(op_type, parameter)
    listed = ", ".join(each for each in known if not each.startswith("_"))
    near = did_you_mean(parameter, known) or f"it has {listed}"
    message = f"{op_type} has no input {quoted(parameter)} in the opset {opset}"
    return ProgramError(message, hint=f"it came with {since}" if since and since > opset else near)


def _missing(parameter: str, what: str) -> ProgramError:
    return ProgramError(f"its required {what} {parameter!r} is missing", hint=f"give it: {parameter} = ...")


def _input_fault(wanted: _Requirement, var: Any) -> ProgramError | None:
    if wanted.is_tensor:
        is_tensor = types.is_tensor(var.sym_type) or types.is_scalar(var.sym_type)
        fits = is_tensor and (not wanted.allowed or var.dtype in wanted.allowed)
    else:
        fits = wanted.kind.is_compatible(var)
    if not fits:
        words = (
            _listed(wanted.allowed) if wanted.is_tensor else _KINDS.get(type(wanted.kind).__name__, "of another kind")
        )
        message = f"its input {wanted.parameter!r} is {type_words(var.sym_type)}, it must be {words}"
        return ProgramError(message, hint="give it another value, or cast this one")
    if wanted.kind.const and not var.is_descendant_of_const:
        return ProgramError(f"its input {wanted.parameter!r} must be constant", hint="let a const op give it")
    return None


def _unequal(mine: _Requirement, var: Any, theirs: _Requirement, other: Any) -> ProgramError | None:
    if var.dtype == other.dtype:
        return None
    types_ = f"its input {mine.parameter!r} is {type_words(var.dtype)}, its input {theirs.parameter!r}"
    return ProgramError(f"{types_} {type_words(other.dtype)}: they must have one type", hint="add a cast")


def _listed(allowed: tuple[Any, ...]) -> str:
    words = [type_words(each) for each in allowed]
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words) or "a tensor"

"""Matching: does an op have the form of a rule's left side, and which values do its names stand for?"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from .algebra import Call, Expression, Literal, Name, Scalar

Operation: TypeAlias = Any
Value: TypeAlias = Any  # a PyMIL value, a tuple of values (of a variadic input), or None (of an absent one)
Bindings: TypeAlias = dict[str, Value]

# Ops that give the same whichever of the inputs `x` and `y` comes first.
_COMMUTATIVE = frozenset(
    {
        "add",
        "equal",
        "logical_and",
        "logical_or",
        "logical_xor",
        "maximum",
        "minimum",
        "mul",
        "not_equal",
    }
)


def matches(call: Call, operation: Operation, bound: Bindings) -> Iterator[Bindings]:
    """Every way in which an op has the form of a call, given what names stand for already.

    Inputs that the call does not mention must be absent or have the op's own default.

    Raises:
        ValueError: ops of this type have no such input.
    """
    if operation.op_type != call.op_type or len(operation.outputs) != 1:
        return
    op_class: Any = type(operation)
    plan = _plan(call, op_class)
    if not _are_default(operation, plan.others):
        return
    for order in plan.orders:
        yield from _match_all(order, 0, operation, bound)


def arguments_by_parameter(call: Call, op_class: Any) -> dict[str, Expression]:
    """A call's inputs by the op's parameters.

    Raises:
        ValueError: ops of this type have no such input, or it is given twice.
    """
    known = [*op_class.input_spec.input_types]
    found = dict(zip(known, call.positional, strict=False))
    if len(call.positional) > len(known):
        raise ValueError(f"{call.op_type!r} has {len(known)} inputs, not {len(call.positional)}")
    for parameter, expression in call.named:
        if parameter not in known or parameter in found:
            raise ValueError(f"{call.op_type!r} has no further input {parameter!r}: it has {', '.join(known)}")
        found[parameter] = expression
    return found


_Wanted: TypeAlias = tuple[tuple[str, Expression], ...]


@attrs.frozen
class _Plan:
    """How ops of a class are compared with a call.

    Attributes:
        orders: what the parameters must be, what fails soonest first; twice for ops whose inputs may be swapped.
        others: the parameters that the call does not mention.
    """

    orders: tuple[_Wanted, ...]
    others: tuple[str, ...]


@functools.cache
def _plan(call: Call, op_class: Any) -> _Plan:
    wanted = arguments_by_parameter(call, op_class)
    others = tuple(parameter for parameter in op_class.input_spec.input_types if parameter not in wanted)
    orders = [_soonest_first(wanted)]
    if call.op_type in _COMMUTATIVE and {"x", "y"} <= wanted.keys():
        orders.append(_soonest_first({**wanted, "x": wanted["y"], "y": wanted["x"]}))
    return _Plan(tuple(orders), others)


def _soonest_first(wanted: Mapping[str, Expression]) -> _Wanted:
    """What is compared in which order: ops, whose type is known at once, then constants, then names."""
    kinds = (Call, Literal, Name)
    return tuple(sorted(wanted.items(), key=lambda pair: kinds.index(type(pair[1]))))


def _match_all(wanted: _Wanted, at: int, operation: Operation, bound: Bindings) -> Iterator[Bindings]:
    if at == len(wanted):
        yield bound
        return
    parameter, expression = wanted[at]
    for found in _match(expression, operation._input_vars[parameter], bound):  # noqa: SLF001 - `inputs` copies them
        yield from _match_all(wanted, at + 1, operation, found)


def _match(expression: Expression, value: Value, bound: Bindings) -> Iterator[Bindings]:
    if isinstance(expression, Name):
        if value is None and not expression.optional:
            return
        if expression.name not in bound:
            yield {**bound, expression.name: value}
        elif is_same(bound[expression.name], value):
            yield bound
    elif isinstance(value, list | tuple) or value is None:
        return
    elif isinstance(expression, Literal):
        if is_literally(value, expression.value):
            yield bound
    elif value.op is not None:
        yield from matches(expression, value.op, bound)


def is_same(one: Value, other: Value) -> bool:
    """Whether two values are one, or equal constants."""
    if one is other:
        return True
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    if one is None or other is None or isinstance(one, list | tuple) or isinstance(other, list | tuple):
        return False
    if one.sym_type != other.sym_type or one.val is None or other.val is None:
        return False
    from ..equality import same_value

    return same_value(one.val, other.val)


def is_literally(value: Value, wanted: Scalar | tuple[Scalar, ...]) -> bool:
    """Whether a value is a constant all of whose elements are a scalar, or whose elements are those of a list."""
    constant = value.val
    if constant is None:
        return False
    if isinstance(wanted, str) or isinstance(constant, str):
        return bool(constant == wanted) if isinstance(constant, str) else False
    if isinstance(constant, np.generic) and not isinstance(wanted, tuple):  # most often, and quicker
        return isinstance(constant, np.bool_) == isinstance(wanted, bool) and bool(constant == wanted)
    array, right = np.asarray(constant), np.asarray(wanted)
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "b") != (right.dtype.kind == "b"):
        return False
    if isinstance(wanted, tuple):
        return array.shape == right.shape and bool((array == right).all())
    return array.size > 0 and bool(array.flat[0] == right) and bool((array == right).all())


def _are_default(operation: Operation, parameters: Iterable[str]) -> bool:
    given = {parameter: operation._input_vars[parameter] for parameter in parameters}  # noqa: SLF001
    given = {parameter: value for parameter, value in given.items() if value is not None}
    if not given:
        return True
    defaults = dict(operation.default_inputs().items())
    return all(_is_default(value, defaults.get(parameter)) for parameter, value in given.items())


def _is_default(value: Value, default: Any) -> bool:
    if default is None or isinstance(value, list | tuple) or value.val is None:
        return False
    return is_literally(value, tuple(default) if isinstance(default, list | tuple | np.ndarray) else default)

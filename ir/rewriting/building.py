"""Building what a rule's right side says."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..pymil import Var, types
from .algebra import Call, Expression, Literal
from .matching import Bindings, arguments_by_parameter
from .rewriter import Rewriter, class_at

Operation: TypeAlias = Any


def build(expression: Expression, bound: Bindings, root: Operation, rewriter: Rewriter) -> None:
    """Puts what an expression says in the place of `root`.

    Args:
        expression: the right side.
        bound: what its names stand for.
        root: the op that leaves.
        rewriter: makes the edits.

    Raises:
        ProgramError: an op of it does not take its inputs.
    """
    builder = _Builder(bound, root, rewriter)
    if isinstance(expression, Call):
        rewriter.replace_by(root, expression.op_type, builder.inputs(expression))
        return
    value = builder.value(expression)
    rewriter.replace(root, value if isinstance(value, Var) else rewriter.constant(value, root.name))


class _Builder:
    def __init__(self, bound: Bindings, root: Operation, rewriter: Rewriter) -> None:
        self._bound, self._root, self._rewriter = bound, root, rewriter

    def value(self, expression: Expression) -> Any:
        """A value, or what becomes a constant."""
        if isinstance(expression, Literal):
            return [*expression.value] if isinstance(expression.value, tuple) else expression.value
        if isinstance(expression, Call):
            return self._rewriter.new(expression.op_type, self.inputs(expression)).outputs[0]
        return self._bound[expression.name]

    def inputs(self, call: Call) -> dict[str, Any]:
        """The inputs of an op, numbers in the type of what they meet."""
        cls = class_at(call.op_type, self._root)
        given = {name: self.value(each) for name, each in arguments_by_parameter(call, cls).items()}
        kinds = cls.input_spec.input_types
        return {name: _typed(value, _dtype_met(name, given, kinds)) for name, value in given.items()}


def _typed(value: Any, dtype: Any) -> Any:
    if dtype is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return np.asarray(value, dtype)[()]


def _dtype_met(parameter: str, given: dict[str, Any], kinds: dict[str, Any]) -> Any:
    """The type of the values that an input must agree with; None if there are none."""
    domain = getattr(kinds[parameter], "type_domain_id", None)
    for other, value in given.items():
        if isinstance(value, Var) and domain is not None and getattr(kinds[other], "type_domain_id", None) == domain:
            return types.nptype_from_builtin(value.dtype)
    return None

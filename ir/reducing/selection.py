"""What is left of a function after a plan: its inputs, its ops and its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from ..constants import is_constant
from ..errors import ProgramError
from ..pymil import types
from ..walking import input_values, walk
from .edits import Plan


@attrs.frozen
class Selection:
    """What is left of a function.

    Attributes:
        inputs: those of the function that stay, and values of ops that were cut out.
        operations: its own, in order, without those that only what is gone needed; ops that were cut out are among them
            if their values are known.
        outputs: values of these ops.
        known: values of ops that were cut out which are constants from now on.
    """

    inputs: list[Any]
    operations: list[Any]
    outputs: list[Any]
    known: dict[int, Any]


def select(function: Any, plan: Plan) -> Selection:
    """What is left of a function after a plan.

    An op all of whose users were cut out gives its values to the outside; one that was used only for outputs that were
    dropped, or for what else is gone, goes as well. What nothing used before stays: it may be what matters.

    Raises:
        ProgramError: nothing is left that could be an output.
    """
    return _Selector(function, plan).select()


class _Selector:
    def __init__(self, function: Any, plan: Plan) -> None:
        self._function, self._plan = function, plan
        self._outputs = {id(var): var for var in self._kept_outputs()}
        self._needed = dict(self._outputs)
        self._given: list[Any] = []  # further outputs, the last one first

    def select(self) -> Selection:
        """The selection."""
        kept = [operation for operation in reversed(list(self._function.operations)) if self._keep(operation)]
        outputs = [*self._outputs.values(), *reversed(self._given)] or self._last_values(kept)
        if not outputs:
            raise ProgramError("no output is left")
        gone = [operation for operation in walk(self._function) if id(operation) in self._plan.cut]
        cut = [var for operation in gone for var in operation.outputs if id(var) in self._needed]
        known = {id(var): var for var in cut if self._becomes_constant(var)}
        inputs = [var for var in self._function.inputs.values() if self._stays(var)]
        inputs += [var for var in cut if id(var) not in known]
        return Selection(inputs, kept[::-1], outputs, known)

    def _stays(self, function_input: Any) -> bool:
        return id(function_input) in self._needed or id(function_input) not in self._plan.inputs

    def _kept_outputs(self) -> Iterator[Any]:
        """The function's outputs, but for those that would be an input or a constant in the place of what they were."""
        for var in self._function.outputs:
            value = self._plan.resolved(var)
            is_gone = id(var) in self._plan.outputs or id(value.op) in self._plan.cut
            if not is_gone and (value is var or (value.op is not None and not is_constant(value.op.op_type))):
                yield value

    def _keep(self, operation: Any) -> bool:
        """Whether an op stays, all those behind it being known; if so, what it takes is needed."""
        if id(operation) in self._plan.gone:
            return any(map(self._becomes_constant, operation.outputs))
        if id(operation) in self._plan.inlined:
            self._given += filter(self._is_left_over, reversed(self._made(operation)))
        elif not self._is_needed(operation):
            if not self._lost_its_users(operation):
                return False
            self._given += reversed(operation.outputs)
        self._needed |= {id(var): var for var in self._taken(operation)}
        return True

    def _becomes_constant(self, var: Any) -> bool:
        """Whether a value that is cut out is needed, and known."""
        return id(var) in self._needed and id(var.op) in self._plan.cut and var.val is not None

    def _last_values(self, operations: Iterable[Any]) -> list[Any]:
        """What the last op gives whose values can be outputs; the ops come in reverse."""
        left = (operation for operation in operations if id(operation) not in self._plan.gone)
        return next((operation.outputs for operation in left if all(map(_can_be_output, operation.outputs))), [])

    def _made(self, operation: Any) -> list[Any]:
        """What the ops give that stand in the place of an op that has a block inlined."""
        return [var for inner in self._plan.inlined[id(operation)].operations for var in inner.outputs]

    def _is_left_over(self, var: Any) -> bool:
        """Whether nothing takes a value that can be an output."""
        return id(var) not in self._needed and not var.child_ops and _can_be_output(var)

    def _is_needed(self, operation: Any) -> bool:
        was_used = any(var.child_ops or var.consuming_blocks for var in operation.outputs)
        return not was_used or any(id(var) in self._needed for var in operation.outputs)

    def _lost_its_users(self, operation: Any) -> bool:
        """Whether an op's values were for ops that are cut out, and can be outputs."""
        users = [user for var in operation.outputs for user in var.child_ops]
        return all(map(_can_be_output, operation.outputs)) and any(map(self._is_cut, users))

    def _is_cut(self, operation: Any) -> bool:
        """Whether an op is cut out, or one that it stands in."""
        while operation is not None:
            if id(operation) in self._plan.cut:
                return True
            operation = operation.enclosing_block.outer_op
        return False

    def _taken(self, operation: Any) -> Iterator[Any]:
        """What an op, and what stays of its blocks, takes."""
        if id(operation) in self._plan.gone or id(operation) in self._plan.constants:
            return
        inlined = self._plan.inlined.get(id(operation))
        if inlined is None:
            yield from (self._plan.resolved(var) for _, var in input_values(operation))
        for block in operation.blocks if inlined is None else (inlined,):
            for inner in block.operations:
                yield from self._taken(inner)
            yield from map(self._plan.resolved, block.outputs)


def _can_be_output(var: Any) -> bool:
    is_plain = types.is_tensor(var.sym_type) or types.is_scalar(var.sym_type)
    return is_plain and not is_constant(var.op.op_type)

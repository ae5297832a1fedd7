"""Building what edits leave of a program; weights are shared with it, and it is not changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..copying import Copier, copy_placeholder
from ..errors import ProgramError, located
from ..proto.reader import SHELL
from ..pymil import Function, Program, available_target, new_operation, op_class, opset_of, unique_names
from ..targets import Opset
from ..walking import names_in
from ..weights.missing import mark_missing_weights, stand_ins_of
from .edits import Edit, Plan, plan_of
from .selection import Selection, select


def rebuild(program: Any, edits: Iterable[Edit]) -> Any:
    """A program that is another after some edits; without any, a copy.

    Args:
        program: PyMIL.
        edits: of ops and values of this program.

    Raises:
        ProgramError: nothing would be left, or an op does not take what it would be given.
    """
    plan = plan_of(edits)
    result = Program()
    for name, function in program.functions.items():
        if name not in plan.functions:
            with located(f"function {name!r}"):
                result.add_function(name, _function(function, plan))
    if not result.functions:
        raise ProgramError("no function is left")
    default = program.default_function_name
    result.default_function_name = default if default in result.functions else next(iter(result.functions))
    result.export_as_multifunction = program.export_as_multifunction
    result.skip_all_passes = program.skip_all_passes
    mark_missing_weights(result, stand_ins_of(program))
    setattr(result, SHELL, getattr(program, SHELL, None))
    return result


def _function(function: Any, plan: Plan) -> Any:
    selection, opset = select(function, plan), opset_of(function)
    inputs = {plan.name_of(var): copy_placeholder(var) for var in selection.inputs}
    for name, placeholder in inputs.items():
        placeholder.set_name(name)
    made = (placeholder.outputs[0] for placeholder in inputs.values())
    values = {id(old): new for old, new in zip(selection.inputs, made, strict=True)}
    taken = {*names_in(function), *plan.names.values()}
    with unique_names(taken), Function(inputs, available_target(opset)) as result:
        _Rebuilder(opset, plan, selection, values).fill(selection.operations, selection.outputs)
    return result


class _Rebuilder(Copier):
    """Copies ops as a plan says."""

    def __init__(self, opset: Opset, plan: Plan, selection: Selection, values: dict[int, Any]) -> None:
        super().__init__(opset, self._without_omitted, values)
        self._plan, self._selection = plan, selection

    def fill(self, operations: Iterable[Any], outputs: Iterable[Any]) -> None:
        """Copies what stays of some ops to the end of the current block, and gives it its outputs."""
        super().fill(operations, map(self._plan.resolved, outputs))

    def _copy(self, operation: Any) -> Any:
        if id(operation) in self._plan.constants:
            return self._constant(operation, self._plan.constants[id(operation)])
        if id(operation) in self._plan.gone:
            for var in operation.outputs:
                if id(var) in self._selection.known:
                    self._known(var)
            return None
        if id(operation) in self._plan.inlined:
            for inner in self._plan.inlined[id(operation)].operations:
                self._copy(inner)
            return None
        return super()._copy(operation)

    def _mapped(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._mapped(item) for item in value]
        return super()._mapped(self._plan.resolved(value))

    def _without_omitted(self, operation: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        omitted = self._plan.omitted.get(id(operation), ())
        return {parameter: value for parameter, value in inputs.items() if parameter not in omitted}

    def _constant(self, operation: Any, value: Any) -> Any:
        """A constant in the place of an op, under its name."""
        result = new_operation(op_class("const", self._opset), name=operation.name, inputs={"val": value})
        self._take_over(operation, result)
        return result

    def _known(self, var: Any) -> None:
        """A constant in the place of a value, under its name."""
        result = new_operation(op_class("const", self._opset), name=var.name, inputs={"val": var.val})
        self._values[id(var)] = result.outputs[0]

    def _copy_block(self, block: Any, owner: Any) -> Any:
        result = super()._copy_block(block, owner)
        for old, new in zip(block.inputs, result.inputs, strict=True):
            new.name = self._plan.name_of(old)
        return result

    def _take_over(self, operation: Any, result: Any) -> None:
        super()._take_over(operation, result)
        result.name = self._plan.name_of(operation)
        for old, new in zip(operation.outputs, result.outputs, strict=True):
            new.name = self._plan.name_of(old)

"""Copies of programs that share their weights, in the same opset or in a later one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import attrs

from .default_types import in_types_of_op
from .errors import ProgramError
from .proto.function_reader import EXTRA_ATTRIBUTES, control_flow_inputs
from .proto.reader import SHELL
from .pymil import (
    Block,
    Function,
    ListVar,
    Placeholder,
    Program,
    StateTensorPlaceholder,
    Var,
    available_target,
    curr_block,
    new_operation,
    op_class,
    opset_of,
    types,
    unique_names,
)
from .quiet import without_warnings
from .targets import Opset
from .walking import names_in
from .weights.missing import mark_missing_weights, stand_ins_of

# Given an op and its inputs, the inputs that the op takes in the new opset.
InputConverter = Callable[[Any, dict[str, Any]], dict[str, Any]]

_PROGRAM_ATTRIBUTES = ("skip_all_passes", "default_function_name", "export_as_multifunction")
_FUNCTION_ATTRIBUTES = ("input_types", "output_types", "_essential_scope_sources")


def copy_program(program: Any, opset: Opset | None = None, convert: InputConverter | None = None) -> Any:
    """A program equal to `program` that can be changed without changing it; constants are shared.

    Defaults that PyMIL's builder added in a type that the op does not take get the type that it takes.

    Args:
        program: a PyMIL program; it is not changed.
        opset: of the copy; that of `program` without it.
        convert: how inputs change on the way to `opset`; what only converted ops used is dropped.

    Raises:
        ProgramError: an op does not exist in `opset` or does not take its inputs there.
    """
    result = Program()
    for name, function in program.functions.items():
        result.functions[name] = copy_function(function, opset or opset_of(function), convert)
    for attribute in _PROGRAM_ATTRIBUTES:
        setattr(result, attribute, getattr(program, attribute))
    mark_missing_weights(result, stand_ins_of(program))
    setattr(result, SHELL, getattr(program, SHELL, None))
    return result


def copy_function(function: Any, opset: Opset, convert: InputConverter | None = None) -> Any:
    """A copy of one function; see `copy_program`."""
    extract = Extract(function.inputs.values(), function.operations, function.outputs)
    with unique_names(names_in(function)):
        result = copy_extract(extract, opset, convert)
    for attribute in _FUNCTION_ATTRIBUTES:
        setattr(result, attribute, getattr(function, attribute))
    return result


@attrs.frozen
class Extract:
    """A part of a function, or all of it.

    Attributes:
        inputs: the values that its ops take from outside.
        operations: its ops in order; those of their blocks belong to them.
        outputs: the values that it gives.
    """

    inputs: Iterable[Any]
    operations: Iterable[Any]
    outputs: Iterable[Any]


def copy_extract(extract: Extract, opset: Opset, convert: InputConverter | None = None) -> Any:
    """A function that does what a part of another does; constants are shared."""
    inputs = {var.name: copy_placeholder(var) for var in extract.inputs}
    values = {id(var): inputs[var.name].outputs[0] for var in extract.inputs}
    with Function(inputs, available_target(opset)) as result:
        Copier(opset, convert, values).fill(extract.operations, extract.outputs)
    return result


def copy_placeholder(var: Any) -> Any:
    """A function input like another: of the same name and type, a state for a state."""
    if types.is_state(var.sym_type):
        return StateTensorPlaceholder(var.shape, var.dtype, var.name)
    with without_warnings():
        return Placeholder(var.shape, var.dtype, var.name, allow_rank0_input=not var.shape)


class Copier:
    """Copies ops into the current block, in an opset; what they take is looked up among the values copied so far.

    Args:
        opset: that the copies belong to.
        convert: changes an op's inputs on the way, if given.
        values: the copies of values by the `id` of the originals; it grows.
    """

    def __init__(self, opset: Opset, convert: InputConverter | None, values: dict[int, Any]) -> None:
        self._opset, self._convert, self._values = opset, convert, values

    def fill(self, operations: Iterable[Any], outputs: Iterable[Any]) -> None:
        """Copies ops to the end of the current block, and gives it its outputs."""
        constants = []
        for operation in operations:
            copied = self._copy(operation)
            if operation.op_type == "const" and operation.outputs[0].child_ops:
                constants.append(copied)
        target = curr_block()
        target.set_outputs([self._values[id(var)] for var in outputs])
        target.remove_ops([c for c in constants if not c.outputs[0].child_ops and not c.outputs[0].consuming_blocks])

    def _copy(self, operation: Any) -> Any:
        inputs = {name: self._mapped(value) for name, value in operation.inputs.items()}
        if operation.op_type == "const":
            inputs["val"] = operation.val.val
        if self._convert is not None:
            inputs = self._convert(operation, inputs)
        blocks = [self._copy_block(block, operation) for block in operation.blocks]
        cls = op_class(operation.op_type, self._opset, f"op {operation.name!r}")
        inputs |= control_flow_inputs(operation.op_type, blocks)
        result = _built(operation, cls, inputs)
        for block in blocks:
            block.outer_op = result
        self._take_over(operation, result)
        return result

    def _mapped(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [self._values[id(item)] for item in value]
        return self._values[id(value)]

    def _take_over(self, operation: Any, result: Any) -> None:
        result.scopes = operation.scopes
        if hasattr(operation, EXTRA_ATTRIBUTES):
            setattr(result, EXTRA_ATTRIBUTES, getattr(operation, EXTRA_ATTRIBUTES))
        for old, new in zip(operation.outputs, result.outputs, strict=True):
            new.name = old.name
            self._values[id(old)] = new

    def _copy_block(self, block: Any, owner: Any) -> Any:
        inputs = [_copy_block_input(var) for var in block.inputs]
        self._values |= {id(old): new for old, new in zip(block.inputs, inputs, strict=True)}
        outer = SimpleNamespace(enclosing_block=curr_block(), name=owner.name)
        with Block(block_inputs=inputs, outer_op=outer, name=block.name) as result:
            self.fill(block.operations, block.outputs)
        return result


def _built(operation: Any, cls: Any, inputs: dict[str, Any]) -> Any:
    try:
        return new_operation(cls, name=operation.name, inputs=inputs)
    except ProgramError:
        fitting = in_types_of_op(operation, inputs)
        if fitting is inputs:
            raise
        return new_operation(cls, name=operation.name, inputs=fitting)


def _copy_block_input(var: Any) -> Any:
    if isinstance(var, ListVar):
        return ListVar(var.name, var.elem_type, var.init_length, var.dynamic_length)
    return Var(var.name, var.sym_type)

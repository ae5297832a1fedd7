"""Programs cut out of larger ones: a few ops, with what they take from elsewhere as inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from .constants import is_constant
from .copying import Extract, copy_extract
from .errors import ProgramError, quoted
from .pymil import Program, opset_of, types, unique_names
from .walking import blocks_of, input_values, names_in, walk
from .weights.missing import mark_missing_weights, stand_ins_of


def excerpt(program: Any, function_name: str, operations: Iterable[Any]) -> Any:
    """A program of one function that holds only some ops of another's.

    Args:
        program: PyMIL; it is not changed, constants are shared.
        function_name: the function that the ops stand in.
        operations: an op of a nested block stands for the op that owns the block. Constants that the ops take come
            with them, because many inputs must be constant.

    Returns:
        A PyMIL program. Its inputs are the values that the ops take from others, its outputs those that others take
        from them; inputs and outputs of the function come first, in its order. Names and types are as they were.

    Raises:
        ProgramError: a list would be an input, which no function can have.
    """
    function = program.functions[function_name]
    chosen = _with_constants({_outermost(operation, function) for operation in operations})
    kept = [operation for operation in function.operations if operation in chosen]
    taken = _ordered(_taken(kept), function.inputs.values())
    extract = Extract(taken, kept, _ordered(_given(kept, function), function.outputs))
    for var in extract.inputs:
        if not (types.is_tensor(var.sym_type) or types.is_scalar(var.sym_type) or types.is_state(var.sym_type)):
            hint = "take more ops, so that it is made among them"
            raise ProgramError(f"the value {quoted(var.name)} can not be an input, it is no tensor", hint=hint)
    result = Program()
    with unique_names(names_in(function)):
        result.add_function(function_name, copy_extract(extract, opset_of(function)))
    result.default_function_name = function_name
    mark_missing_weights(result, stand_ins_of(program))
    return result


def _outermost(operation: Any, function: Any) -> Any:
    """The op of the function itself that an op is, or stands in."""
    while operation.enclosing_block is not function:
        operation = operation.enclosing_block.outer_op
    return operation


def _with_constants(operations: set[Any]) -> set[Any]:
    """Ops, and the constants that they, or those in their blocks, take."""
    found, new = set(operations), set(operations)
    while new:
        makers = {var.op for var in _taken(list(new))}
        new = {maker for maker in makers if maker is not None and is_constant(maker.op_type)} - found
        found |= new
    return found


def _within(operations: Iterable[Any]) -> Iterator[Any]:
    for operation in operations:
        yield operation
        for block in operation.blocks:
            yield from walk(block)


def _taken(operations: list[Any]) -> list[Any]:
    """The values that ops, or those in their blocks, take from elsewhere, in the order of use."""
    own = {id(var) for operation in _within(operations) for var in operation.outputs}
    inner = [block for operation in operations for nested in operation.blocks for block in blocks_of(nested)]
    own |= {id(var) for block in inner for var in block.inputs}
    used = [var for operation in _within(operations) for _, var in input_values(operation)]
    used += [var for block in inner for var in block.outputs]
    return list({id(var): var for var in used if id(var) not in own}.values())


def _given(operations: list[Any], function: Any) -> list[Any]:
    """The values that the function gives, or others take; else those that nothing takes."""
    inside = set(_within(operations))
    made = [var for operation in operations if not is_constant(operation.op_type) for var in operation.outputs]
    given = [var for var in function.outputs if var.op in inside]
    given += [var for var in made if any(user not in inside for user in var.child_ops)]
    given += [var for var in made if var.consuming_blocks and not _is_inner(var, operations)]
    return given or [var for var in made if not var.child_ops] or made[-1:] or operations[-1].outputs


def _ordered(values: Iterable[Any], first: Iterable[Any]) -> list[Any]:
    """Values, each once; those that are among the `first` in their order before all others."""
    found = {id(var): var for var in values}
    return list({id(var): var for var in (*first, *found.values()) if id(var) in found}.values())


def _is_inner(var: Any, operations: list[Any]) -> bool:
    """Whether the blocks that give a value belong to the ops themselves."""
    own = {id(block) for operation in operations for nested in operation.blocks for block in blocks_of(nested)}
    return all(id(block) in own for block in var.consuming_blocks)

"""Walking programs: every op of every function and nested block, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def blocks_of(root: Any) -> Iterator[Any]:
    """A program's functions, or a block itself, each followed by the blocks nested in it."""
    starts = root.functions.values() if hasattr(root, "functions") else (root,)
    for block in starts:
        yield block
        for operation in block.operations:
            for nested in operation.blocks:
                yield from blocks_of(nested)


def walk(root: Any) -> Iterator[Any]:
    """Every op of a program, function or block; an op comes before those of the blocks that it owns."""
    if hasattr(root, "functions"):
        for function in root.functions.values():
            yield from walk(function)
        return
    for operation in root.operations:
        yield operation
        for nested in operation.blocks:
            yield from walk(nested)


def function_of(operation: Any) -> Any:
    """The function that an op stands in, however deeply nested."""
    block = operation.enclosing_block
    while block.outer_op is not None:
        block = block.outer_op.enclosing_block
    return block


def function_name(program: Any, function: Any) -> str | None:
    """The name that a function has in a program; None when it is none of it."""
    return next((name for name, each in program.functions.items() if each is function), None)


def input_values(operation: Any) -> Iterator[tuple[str, Any]]:
    """An op's inputs as (parameter, value) pairs; variadic parameters give one pair for each value."""
    for parameter, value in operation.inputs.items():
        if isinstance(value, list | tuple):
            yield from ((parameter, item) for item in value)
        else:
            yield parameter, value


def names_in(root: Any) -> Iterator[str]:
    """The names of all ops and values, function inputs and block inputs included."""
    for block in blocks_of(root):
        inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
        yield from (var.name for var in inputs)
        for operation in block.operations:
            yield operation.name
            yield from (output.name for output in operation.outputs)

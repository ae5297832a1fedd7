"""Walking the protobuf of an ML program: its functions' blocks and their operations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import ProgramError
from ..targets import Opset, opset_of_mil_name


def operation_name(operation: Any) -> str:
    """The name of a protobuf operation: its attribute, if it is not empty, else its first output's, else its type."""
    if "name" in operation.attributes:
        names = operation.attributes["name"].immediateValue.tensor.strings.values
        if names and names[0]:
            return str(names[0])
    return str(operation.outputs[0].name if operation.outputs else operation.type)


def selected_block(function: Any) -> tuple[Opset, Any]:
    """The opset of a protobuf function and the block for it.

    Raises:
        ProgramError: it has no block for its opset, or further blocks for others.
        TargetError: the opset is unknown.
    """
    opset = opset_of_mil_name(function.opset)
    if set(function.block_specializations) != {function.opset}:
        found = ", ".join(sorted(function.block_specializations)) or "none"
        raise ProgramError(
            f"the function has the opset {function.opset} and blocks for {found}",
            hint="milopt reads functions with exactly one block, that of their opset",
        )
    return opset, function.block_specializations[function.opset]


def walk_operations(block: Any) -> Iterator[Any]:
    """Every operation of a protobuf block, nested ones after their owner."""
    for operation in block.operations:
        yield operation
        for nested in operation.blocks:
            yield from walk_operations(nested)

"""Which ops nobody needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from ..pymil_editing import detach
from ..walking import walk

Operation: TypeAlias = Any
Var: TypeAlias = Any

# What these do is seen elsewhere than in their outputs.
_WITH_EFFECTS = frozenset({"coreml_update_state", "print", "write_state"})


def is_dead(operation: Operation) -> bool:
    """Whether an op may go: nobody uses its outputs, and neither it nor an op inside it does anything else."""
    if operation.enclosing_block is None or operation.op_type in _WITH_EFFECTS:
        return False
    for var in operation.outputs:
        if var.child_ops or var.consuming_blocks:
            return False
    return not any(inner.op_type in _WITH_EFFECTS for block in operation.blocks for inner in walk(block))


def remove_dead(freed: Iterable[Var], removed: Callable[[Operation], None]) -> list[Var]:
    """Removes the producers of values that lost a use, if they are dead, and then theirs.

    Args:
        freed: values that lost a use.
        removed: is told of each op that left, those inside others included.

    Returns:
        The values that lost a use and are still there, those found on the way included.
    """
    left, stack = [], [*freed][::-1]
    while stack:
        var = stack.pop()
        if var.op is None or not is_dead(var.op):
            left.append(var)
            continue
        remove(var.op, stack, removed)
    return [var for var in dict.fromkeys(left) if var.op is None or var.op.enclosing_block is not None]


def remove(operation: Operation, freed: list[Var], removed: Callable[[Operation], None]) -> None:
    """Removes an op; what lost a use is added to `freed`."""
    removed(operation)
    for block in operation.blocks:
        for inner in walk(block):
            removed(inner)
    freed += detach(operation)

"""Names after passes of coremltools, which may give two values one name: its pipelines rename them at their end."""

from __future__ import annotations

from typing import Any


def has_names_twice(program: Any) -> bool:
    """Whether two values have one name where both are visible."""
    return any(_is_twice_in(function, frozenset()) for function in program.functions.values())


def _is_twice_in(block: Any, around: frozenset[str]) -> bool:
    visible = set(around)

    def is_known(var: Any) -> bool:
        known = var.name in visible
        visible.add(var.name)
        return known

    inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
    if any(is_known(var) for var in inputs):
        return True
    for operation in block.operations:
        if operation.blocks and any(_is_twice_in(nested, frozenset(visible)) for nested in operation.blocks):
            return True
        if any(is_known(var) for var in operation.outputs):
            return True
    return False

"""Why a name is not defined where it is used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..dtypes import DTYPES
from ..errors import ProgramError, did_you_mean, quoted
from .walking import walk_operations

# Words that are written for values, which have their types in front in text.
_VALUES = {word: f"bool({word})" for word in ("true", "false")} | {
    dtype.name: f'string("{dtype.name}")' for dtype in DTYPES
}


def undefined(name: str, visible: Iterable[str], block: Any, current: int | None, passed: int) -> ProgramError:
    """The error about a name that is not visible.

    Args:
        name: what is used.
        visible: the names that could be.
        block: the protobuf block of the whole function.
        current: the number of the op that uses it, an op before those in its blocks; None for the function's end.
        passed: how many ops were met before, those in blocks that have ended included.
    """
    defined = _definition(name, block)
    if defined is None:
        is_value = current is not None and name in _VALUES
        hint = f"as a value it is {_VALUES[name]}" if is_value else did_you_mean(name, visible)
        return ProgramError(f"{quoted(name)} is not defined", hint=hint)
    if current is not None and defined == current:
        return ProgramError(
            f"{quoted(name)} is what this op itself gives", hint="give it a value that is defined before it"
        )
    if defined >= passed:
        return ProgramError(f"{quoted(name)} is used before it is defined", hint="move its op up")
    hint = "let the block give it as an output, which the op that owns the block gives then"
    return ProgramError(f"{quoted(name)} is defined in a block that ends before this", hint=hint)


def _definition(name: str, block: Any) -> int | None:
    """The number of the op that defines a name, or in whose blocks it is an input; None if there is none."""
    for number, operation in enumerate(walk_operations(block)):
        inner = (value for nested in operation.blocks for value in nested.inputs)
        if any(value.name == name for value in (*operation.outputs, *inner)):
            return number
    return None

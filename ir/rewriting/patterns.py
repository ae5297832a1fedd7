"""Patterns: what the driver looks for and what it does there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ..errors import ProgramError, Subject

if TYPE_CHECKING:
    from .rewriter import Rewriter

Operation: TypeAlias = Any  # PyMIL's


@attrs.frozen(kw_only=True)
class Pattern:
    """A rewrite and where it begins.

    Attributes:
        name: in kebab case, such as `cancel-transposes`; unique among those that are applied together.
        ops: the types of the ops that it begins at.
        rewrite: looks at the op and whatever it needs around it, edits through the rewriter, and says whether it did.
            Guards come first. When it says no, its edits are taken back.
        benefit: patterns of a greater one are tried first; those of equal ones in the order given.
        rule: its algebra in one line, for documentation.
    """

    name: str
    ops: tuple[str, ...]
    rewrite: Callable[[Operation, Rewriter], bool]
    benefit: int = 1
    rule: str = ""


class PatternError(ProgramError):
    """A pattern that raised, that misused its rewriter, or that does not come to an end; names pattern and op.

    Args:
        message: what was wrong.
        pattern: which.
        operation: where it began.
        hint: what to do next.
    """

    def __init__(self, message: str, *, pattern: Pattern, operation: Operation, hint: str | None = None) -> None:
        subject = Subject(None, operation.name, operation.op_type)
        super().__init__(message, where=f"pattern {pattern.name!r}, {subject}", hint=hint, subject=subject)
        self.pattern = pattern


def by_op_type(patterns: Iterable[Pattern]) -> dict[str, list[Pattern]]:
    """The patterns that begin at each type of op, those of the greatest benefit first."""
    found: dict[str, list[Pattern]] = {}
    for pattern in sorted(patterns, key=lambda each: -each.benefit):
        for op_type in dict.fromkeys(pattern.ops):
            found.setdefault(op_type, []).append(pattern)
    return found

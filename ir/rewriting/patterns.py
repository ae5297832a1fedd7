"""Patterns: what the driver looks for and what it does there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ..errors import ProgramError, Subject
from ..targets import OPSETS

if TYPE_CHECKING:
    from .rewriter import Rewriter

Operation: TypeAlias = Any  # PyMIL's


_KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def _check_name(_: Pattern, __: attrs.Attribute[str], name: str) -> None:
    if not isinstance(name, str) or not _KEBAB_CASE.fullmatch(name):
        raise ValueError(f"pattern {name!r}: names are written in kebab case, as in 'cancel-transposes'")


def _check_ops(pattern: Pattern, _: attrs.Attribute[tuple[str, ...]], ops: tuple[str, ...]) -> None:
    if not isinstance(ops, tuple) or not ops or not all(isinstance(each, str) for each in ops):
        raise ValueError(f"pattern {pattern.name!r}: it begins at {ops!r}; give a tuple of op types, as in ('relu',)")


@attrs.frozen(kw_only=True)
class Pattern:
    """A rewrite and where it begins.

    Attributes:
        name: in kebab case, such as `cancel-transposes`; unique among those that are applied together.
        ops: the types of the ops that it begins at.
        rewrite: looks at the op and whatever it needs around it, edits through the rewriter, and says whether it did.
            Guards come first. When it says no, the ops that it made leave again; other edits and a no contradict
            each other.
        benefit: patterns of a greater one are tried first; those of equal ones in the order given.
        rule: its algebra in one line, for documentation.
        others: the types of further ops that it looks for or makes; the driver checks, as for `ops`, that they exist.

    Raises:
        ValueError: the name is not in kebab case, or `ops` is no tuple of op types.
    """

    name: str = attrs.field(validator=_check_name)
    ops: tuple[str, ...] = attrs.field(validator=_check_ops)
    rewrite: Callable[[Operation, Rewriter], bool]
    benefit: int = 1
    rule: str = ""
    others: tuple[str, ...] = ()


class PatternError(ProgramError):
    """A pattern that can not be applied, raised, misused its rewriter, or does not come to an end; names it and the op.

    Args:
        message: what was wrong.
        pattern: which.
        operation: where it began; None when no op was looked at yet.
        hint: what to do next.
    """

    def __init__(
        self, message: str, *, pattern: Pattern, operation: Operation | None = None, hint: str | None = None
    ) -> None:
        subject = None if operation is None else Subject(None, operation.name, operation.op_type)
        where = ", ".join(str(each) for each in (f"pattern {pattern.name!r}", subject) if each is not None)
        super().__init__(message, where=where, hint=hint, subject=subject)
        self.pattern = pattern


def by_op_type(patterns: Iterable[Pattern]) -> dict[str, list[Pattern]]:
    """The patterns that begin at each type of op, those of the greatest benefit first.

    Raises:
        PatternError: two have one name, or one names an op that no opset has.
    """
    found: dict[str, list[Pattern]] = {}
    for pattern in sorted(_checked(patterns), key=lambda each: -each.benefit):
        for op_type in dict.fromkeys(pattern.ops):
            found.setdefault(op_type, []).append(pattern)
    return found


def _checked(patterns: Iterable[Pattern]) -> Iterator[Pattern]:
    names: set[str] = set()
    for pattern in patterns:
        if pattern.name in names:
            hint = "each is counted, admitted and left out by its name: give them two"
            raise PatternError("there is another one of this name", pattern=pattern, hint=hint)
        names.add(pattern.name)
        for op_type in (*pattern.ops, *pattern.others):
            _check_exists(op_type, pattern)
        yield pattern


def _check_exists(op_type: str, pattern: Pattern) -> None:
    """Ops stay in all later opsets; which there are is known when coremltools and all plug-ins are imported."""
    from ..pymil import op_class

    try:
        op_class(op_type, OPSETS[-1])
    except ProgramError as error:
        raise PatternError(error.message, pattern=pattern, hint=error.hint) from error

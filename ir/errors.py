"""One small tree of errors: every mistake a user can make arrives as a `MiloptError` of one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs

_LONGEST_NAME = 100  # in messages; models name ops with up to some 80 characters


def quoted(name: str) -> str:
    """A name in quotes, for messages, which must not be as long as names can be."""
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "...")


@attrs.frozen
class Subject:
    """What an error or a remark is about.

    Attributes:
        function: a function's name.
        op: the name of an op of it; None for the function as a whole.
        op_type: the op's type, where it is known.
    """

    function: str | None
    op: str | None = None
    op_type: str | None = None

    def __str__(self) -> str:
        """`function 'main', op 'x' (conv)`."""
        kind = f" ({self.op_type})" if self.op_type else ""
        parts = (
            None if self.function is None else f"function {quoted(self.function)}",
            None if self.op is None else f"op {quoted(self.op)}{kind}",
        )
        return ", ".join(part for part in parts if part)


class MiloptError(Exception):
    """What was wrong, where, and what to do next, in one line.

    Args:
        message: what was wrong.
        where: the file, op or option it is about; printed first.
        hint: what to do next; printed last, in brackets.
        subject: the op or function that it is about, for machines.
    """

    def __init__(
        self, message: str, *, where: object = None, hint: str | None = None, subject: Subject | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = None if where is None else str(where)
        self.hint = hint
        self.subject = subject

    def __str__(self) -> str:
        """`where: message (hint)`, on one line."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return " ".join(f"{place}{self.message}{advice}".split())


class PackageError(MiloptError):
    """A package that can not be read: its layout, its specification or its weight files."""


class ProgramError(MiloptError):
    """A MIL program that is not valid, or that coremltools can not represent."""


class SaveError(MiloptError):
    """A package that can not be written; what stood at the path before is untouched."""


class TargetError(MiloptError):
    """A deployment target that is unknown, or that the model or the scheme can not have."""


class OptionError(MiloptError):
    """A pass option that does not exist, or a value it does not take."""


class PipelineError(MiloptError):
    """Pipeline text that does not parse, or a pass that is not registered."""


class PassFailure(MiloptError):  # noqa: N818 - the field says that a pass fails, as MLIR does
    """A pass that raised, or whose result did not verify; names the pass.

    Args:
        message: what was wrong.
        where: the pass, and the op that it was at.
        hint: what to do next.
        subject: that op.
        run: the run of the pass; a `milopt.passes.runs.PassRun`.

    Attributes:
        reproducer: the command that runs the pass alone on the program that it failed on, if one was left.
    """

    def __init__(
        self,
        message: str,
        *,
        where: object = None,
        hint: str | None = None,
        subject: Subject | None = None,
        run: Any = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint, subject=subject)
        self.run = run
        self.reproducer: str | None = None

    def __str__(self) -> str:
        """As every error, and how to reproduce it behind that."""
        return super().__str__() + (f"; to reproduce: {self.reproducer}" if self.reproducer else "")


class InstrumentationError(MiloptError):
    """An instrumentation that raised what it should not; no pass is to blame."""


class RunError(MiloptError):
    """A program that can not be run, or inputs that it does not take; nothing was run."""


class CheckFailure(MiloptError):  # noqa: N818 - it is the check that fails
    """The input was fine and the work was done, but a check that was asked for did not hold."""


class PassCheckFailure(PassFailure, CheckFailure):
    """A check that was asked for did not hold after a pass."""


@contextmanager
def located(where: str) -> Iterator[None]:
    """Gives errors raised inside a place, unless they have one; what is no `MiloptError` becomes one.

    For the boundary around foreign data: what a damaged file can raise is not worth foreseeing one by one.
    """
    try:
        yield
    except MiloptError as error:
        error.where = error.where or where
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ProgramError(f"it is damaged: {type(error).__name__}: {error}", where=where) from error


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the nearest of `known`, or None when nothing is near."""
    spelled = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.6)
    return f"did you mean {spelled[near[0]]!r}?" if near else None

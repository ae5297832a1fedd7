"""Diagnostics: faults of a program or a text, each with its place, as a compiler reports them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import attrs

from .errors import CheckFailure, MiloptError, PassFailure, ProgramError, Subject

Severity = Literal["error", "warning", "remark"]


@attrs.frozen
class Location:
    """A place in a text.

    Attributes:
        file: the text's name.
        line: counted from 1.
        column: counted from 1, in characters.
        excerpt: the line, or what is around the place in a very long one.
        caret: where in `excerpt` the place begins, counted from 0.
        length: how many characters are meant.
    """

    file: str
    line: int
    column: int
    excerpt: str = ""
    caret: int = 0
    length: int = 1

    def __str__(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"

    def picture(self) -> str:
        """The line, and below it a caret under the place."""
        indent = "".join(char if char == "\t" else " " for char in self.excerpt[: self.caret])
        room = max(1, len(self.excerpt) - self.caret)
        return f"{self.excerpt}\n{indent}^{'~' * (min(self.length, room) - 1)}"


@attrs.frozen
class Diagnostic:
    """One fault.

    Attributes:
        where: the function, and the op if it is about one; empty when the place in the text says it all.
        message: what is wrong.
        hint: what to do about it.
        severity: a warning leaves a program usable.
        location: the place in the text that the program was read from, if there is one.
        subject: what `where` names, for machines.
        reproducer: the command that shows it again.
    """

    where: str
    message: str
    hint: str | None = None
    severity: Severity = "error"
    location: Location | None = None
    subject: Subject | None = None
    reproducer: str | None = None

    def __str__(self) -> str:
        """`place: message (hint)`, on one line."""
        place = f"{self.location}: " if self.location else ""
        return f"{place}{self.words}"

    @property
    def words(self) -> str:
        """What it says without its place, on one line: `where: message (hint)`."""
        subject = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        command = f"; to reproduce: {self.reproducer}" if self.reproducer else ""
        return " ".join(f"{subject}{self.message}{advice}{command}".split())

    def render(self) -> str:
        """As a compiler prints it: place, severity, message and hint, the line of the text and a caret."""
        place = f"{self.location}: " if self.location else ""
        head = f"{place}{self.severity}: {self.words}"
        # An empty line shows nothing.
        return f"{head}\n{self.location.picture()}" if self.location and self.location.excerpt else head

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        found: dict[str, Any] = {"severity": self.severity, "where": self.where, "message": self.message}
        found |= {"hint": self.hint} if self.hint else {}
        found |= {"reproducer": self.reproducer} if self.reproducer else {}
        if self.location:
            found |= {"file": self.location.file, "line": self.location.line, "column": self.location.column}
        return found


class TextError(ProgramError):
    """A text that does not parse, or whose program is not valid: one diagnostic for each fault, in order."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        first, *rest = self.diagnostics
        more = f"; {len(rest)} more fault{'s' if len(rest) > 1 else ''}" if rest else ""
        place = "".join(f"{part}: " for part in (str(first.location or ""), first.where) if part).removesuffix(": ")
        super().__init__(first.message + more, where=place or None, hint=first.hint)


def diagnostic_of(error: MiloptError) -> Diagnostic:
    """What an error says, as a diagnostic without a place."""
    reproducer = error.reproducer if isinstance(error, PassFailure) else None
    return Diagnostic(error.where or "", error.message, error.hint, subject=error.subject, reproducer=reproducer)


class TextCheckFailure(TextError, CheckFailure):  # noqa: N818 - as CheckFailure
    """The same for a text in which everything is valid, but for which a check that was asked for did not hold."""

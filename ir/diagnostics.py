"""Diagnostics: faults of a program or a text, each with its place, as a compiler reports them."""

from __future__ import annotations

from typing import Any, Literal

import attrs

Severity = Literal["error", "warning"]


@attrs.frozen
class Location:
    """A place in a text.

    Attributes:
        file: the text's name.
        line: counted from 1.
        column: counted from 1, in characters.
        text: the line, without its end.
        length: how many characters of it are meant.
    """

    file: str
    line: int
    column: int
    text: str = ""
    length: int = 1

    def __str__(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


@attrs.frozen
class Diagnostic:
    """One fault.

    Attributes:
        where: the function, and the op if it is about one.
        message: what is wrong.
        hint: what to do about it.
        severity: a warning leaves a program usable.
        location: the place in the text that the program was read from, if there is one.
    """

    where: str
    message: str
    hint: str | None = None
    severity: Severity = "error"
    location: Location | None = None

    def __str__(self) -> str:
        """`place: message (hint)`, on one line."""
        place = ": ".join(part for part in (str(self.location or ""), self.where) if part)
        return f"{place}: {self._words()}" if place else self._words()

    def _words(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        found: dict[str, Any] = {"severity": self.severity, "where": self.where, "message": self.message}
        found |= {"hint": self.hint} if self.hint else {}
        if self.location:
            found |= {"file": self.location.file, "line": self.location.line, "column": self.location.column}
        return found

"""A text and the places in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import Literal, NoReturn, get_args

import attrs

from ..diagnostics import Diagnostic, Location, TextError

Dialect = Literal["1.0", "1.3"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
SEPARATOR = "// -----"
_SEPARATOR = re.compile(r"^// -----[ \t\r]*$", re.MULTILINE)
# Blanks and comments; one that expects a diagnostic is something.
_NOTHING = re.compile(r"(?:\s++|//(?:(?!expected-)[^\n])*+(?=\n|\Z))*+")
_WINDOW = 160  # compilers write tensors in single lines of many thousand characters


@attrs.frozen(slots=False)
class Source:
    """A text with a name.

    Attributes:
        text: all of it.
        name: its file's name, for diagnostics.
        first_line: the number of its first line, for a part of a file.
    """

    text: str
    name: str = "<text>"
    first_line: int = 1

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, position = [0], self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    def sections(self) -> list[Source]:
        """The parts between lines of `// -----`, with their line numbers; parts with nothing in them are left out."""
        parts, line = [], self.first_line
        for part in _SEPARATOR.split(self.text):
            parts.append(Source(part, self.name, line))
            line += part.count("\n")
        return [part for part in parts if not _NOTHING.fullmatch(part.text)] or parts[:1]

    def location(self, offset: int, length: int = 1) -> Location:
        """The place of the character at `offset`."""
        line = bisect_right(self._line_starts, offset) - 1
        start = self._line_starts[line]
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        left = start if end - start <= _WINDOW else max(start, offset - _WINDOW // 2)
        right = min(end, left + _WINDOW)
        before, after = "..." * (left > start), "..." * (right < end)
        return Location(
            self.name,
            line + self.first_line,
            offset - start + 1,
            f"{before}{self.text[left:right].rstrip()}{after}",
            offset - left + len(before),
            max(1, min(length, right - offset)),
        )

    def error(self, offset: int, length: int, message: str, hint: str | None = None) -> NoReturn:
        """Raises a `TextError` about a place."""
        raise TextError([Diagnostic("", message, hint, location=self.location(offset, length))])

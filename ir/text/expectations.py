"""Diagnostics that a text itself expects, in comments, as MLIR's `-verify-diagnostics` reads them.

    // expected-error@+1 {{must be constant}}

`error`, `warning` or `remark`; the line is that of the comment, or `@+N`, `@-N`, `@above`, `@below` of it, or
`@unknown` for a diagnostic without a place. The characters in braces stand in its message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

import attrs

from ..diagnostics import Diagnostic, Location, Severity
from .source import Source

_EXPECTED = re.compile(
    r"expected-(?P<severity>error|warning|remark)(?:@(?P<place>[+-]\d+|above|below|unknown))?\s*"
    r"\{\{(?P<text>.*?)\}\}"
)
_LIKELY = re.compile(r"\bexpected-\w+")


@attrs.frozen
class Expectation:
    """One expected diagnostic.

    Attributes:
        severity: of the diagnostic.
        line: it is about; None for one without a place.
        text: stands in its message.
        location: of the comment.
    """

    severity: Severity
    line: int | None
    text: str
    location: Location

    def is_met_by(self, diagnostic: Diagnostic) -> bool:
        """Whether this diagnostic is the expected one."""
        line = diagnostic.location.line if diagnostic.location else None
        return (diagnostic.severity, line) == (self.severity, self.line) and self.text in diagnostic.words


def expectations(source: Source) -> list[Expectation]:
    """What the comments of a text expect.

    Raises:
        TextError: a comment looks like an expectation and is none.
    """
    found, offset = [], 0
    for line in source.text.splitlines(keepends=True):
        code, _, comment = line.partition("//")
        for likely in _LIKELY.finditer(comment):
            start = offset + len(code) + len("//") + likely.start()
            match = _EXPECTED.match(comment, likely.start())
            if match is None:
                hint = "// expected-error@+1 {{message}}; also warning and remark, @-1, @above, @below and @unknown"
                source.error(start, len(likely.group()), "this is no expected diagnostic", hint)
            found.append(_expectation(match, source.location(start, len(match.group()))))
        offset += len(line)
    return found


def _expectation(match: re.Match[str], location: Location) -> Expectation:
    place = match["place"] or "+0"
    steps = {"above": -1, "below": 1}
    line = None if place == "unknown" else location.line + (steps[place] if place in steps else int(place))
    return Expectation(cast("Severity", match["severity"]), line, match["text"], location)


def unmet(source: Source, diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """What is not as the text expects: diagnostics that it does not expect, and those that were not given."""
    open_ = expectations(source)
    for diagnostic in diagnostics:
        met = next((each for each in open_ if each.is_met_by(diagnostic)), None)
        if met is None:
            yield attrs.evolve(
                diagnostic, severity="error", message=f"unexpected {diagnostic.severity}: {diagnostic.message}"
            )
        else:
            open_.remove(met)
    for each in open_:
        place = f"in line {each.line}" if each.line is not None else "without a place"
        message = f"the expected {each.severity} {each.text!r} {place} was not given"
        yield Diagnostic("", message, location=each.location)

"""What the docstring of a pass holds: a summary, numbered rules, and examples that a test runs.

Rules stand under `Rules:`. An example is whole functions in MIL text, before and after; the options that it needs stand
in its heading. Several `After` may follow one `Before`.

    Before:

        func main<ios18>(tensor<fp16, [2, 4]> x) {
            ...
        } -> (y);

    After, with `dtype=uint8 min-elements=0`:

        ...
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise

import attrs

_RULE = re.compile(r"^ +\d+\. +")
_HEADING = re.compile(r"^(Before|After)(?:, with `([^`]*)`)?:\n", re.MULTILINE)


@attrs.frozen
class Example:
    """What a pass does to a program.

    Attributes:
        options: of the pass, as text without braces.
        before: functions, as MIL text.
        after: what becomes of them.
    """

    options: str
    before: str
    after: str


def rules_in(text: str) -> Iterator[str]:
    """The numbered rules, each on one line."""
    lines = text.partition("\nRules:\n")[2].partition("\n\n")[0].splitlines()
    starts = [number for number, line in enumerate(lines) if _RULE.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        yield " ".join(_RULE.sub("", "\n".join(lines[start:end]), count=1).split())


def examples_in(text: str) -> Iterator[Example]:
    """The examples, in order."""
    parts = _HEADING.split(text)[1:]
    before = ""
    for heading, options, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        program = textwrap.dedent(_indented(body))
        if heading == "Before":
            before = program
        else:
            yield Example(options or "", before, program)


def _indented(body: str) -> str:
    """The block of indented lines that a body begins with."""
    lines = body.strip("\n").splitlines()
    end = next((number for number, line in enumerate(lines) if line and not line.startswith(" ")), len(lines))
    return "\n".join(lines[:end])

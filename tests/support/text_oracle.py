"""What must hold of every text: it is a program that prints and comes back, or it is refused in one line."""

from __future__ import annotations

import re
from typing import Any

from milopt.ir.diagnostics import TextError
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_proto
from milopt.ir.text.reading import parse_program

LONGEST_MESSAGE = 1000
BYTES_PER_CHARACTER = 60  # of what is parsed: far more than any construct takes
# PyMIL computes what follows from constants; a number like this may ask for more memory than there is.
_LARGE_NUMBER = re.compile(r"[0-9]{4}")


def check_parsing(text: str) -> Any:
    """Parses a text, which must succeed or end in a `TextError`; gives what was parsed, or None."""
    try:
        parsed = parse_proto(text)
    except TextError as error:
        check_error(error, text)
        return None
    assert parsed.program.ByteSize() <= BYTES_PER_CHARACTER * len(text), parsed.program.ByteSize()
    check_comes_back(parsed.program)
    return parsed


def check_reading(text: str) -> Any:
    """Parses a text and builds its PyMIL program, with zeros for weights, or gives None."""
    parsed = check_parsing(text)
    if parsed is None or _LARGE_NUMBER.search(text):
        return None
    try:
        return parse_program(text, missing_weights="zeros")
    except TextError as error:
        check_error(error, text)
        return None


def check_error(error: TextError, text: str) -> None:
    """A fault has a place in the text, is told in one line, and can be shown."""
    assert len(str(error)) <= LONGEST_MESSAGE, len(str(error))
    assert "\n" not in str(error)
    assert error.diagnostics
    lines = text.split("\n")
    for diagnostic in error.diagnostics:
        place = diagnostic.location
        assert place is not None, diagnostic
        assert 1 <= place.line <= len(lines), diagnostic
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1, diagnostic
        assert diagnostic.render()


def check_comes_back(program: Any) -> None:
    """A parsed program can be stored, and what is printed of it parses and prints the same."""
    type(program).FromString(program.SerializeToString())
    printed = print_proto(program)
    assert print_proto(parse_proto(printed).program) == printed, printed

"""Texts in which the marks « and » show what a diagnostic must point at."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from milopt.ir.diagnostics import Diagnostic, TextError
from milopt.ir.text.reading import parse_program

INDENT = " " * 12
Y = "tensor<fp16, [2, 3]> y"


def function(*operations: str, outputs: str = "y", inputs: str = "tensor<fp16, [2, 3]> x") -> str:
    """A program of one function, one op a line from line 4 on."""
    lines = "".join(f"{INDENT}{operation}\n" for operation in operations)
    return f"program(1.3)\n{{\n    func main<ios18>({inputs}) {{\n{lines}        }} -> ({outputs});\n}}\n"


def faults(text: str) -> Sequence[Diagnostic]:
    """All diagnostics of a text."""
    with pytest.raises(TextError) as caught:
        parse_program(text, folder=".")
    return caught.value.diagnostics


def marked(text: str) -> tuple[str, list[str]]:
    """A text without its marks « and », and for each pair the picture that shows what stands in it."""
    pictures = []
    for number, line in enumerate(text.split("\n"), 1):
        plain = line
        while "«" in plain:
            column = plain.index("«")
            length = plain.index("»") - column - 1
            plain = plain.replace("«", "", 1).replace("»", "", 1)
            shown = line.replace("«", "").replace("»", "").replace("%", "%%").rstrip()
            indent = "".join(char if char == "\t" else " " for char in plain[:column])
            pictures.append(f"<text>:{number}:{column + 1}: error: %s\n{shown}\n{indent}^{'~' * (length - 1)}")
    return text.replace("«", "").replace("»", ""), pictures


def check(text: str, *words: str) -> None:
    """The text must be told exactly these words, in this order, at the places that are marked in it."""
    plain, pictures = marked(text)
    expected = [picture % said for picture, said in zip(pictures, words, strict=True)]
    assert [diagnostic.render() for diagnostic in faults(plain)] == expected

"""Pipeline text to pipelines.

    pipeline ::= anchor '(' [element (',' element)*] ')'      anchor ::= 'program' | 'function'
    element  ::= pipeline | name options?                     options ::= '{' (key ('=' value)?)* '}'

A value is a bare word or a quoted string. Names with `::` are passes of coremltools. A key without a value is true.
"""

from __future__ import annotations

import re
from typing import Any

from ..ir.errors import PipelineError
from .base import Pass
from .coremltools_passes import coremltools_pass
from .pipeline import Pipeline
from .registry import pass_class

_OURS = "milopt::"  # how coremltools calls our passes
_TOKEN = re.compile(r"""\s*(?:(?P<word>[^\s(){},="]+)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<mark>[(){},=]))""")


def parse_pipeline(text: str) -> Pipeline:
    """The pipeline that a text stands for.

    Raises:
        PipelineError: it does not follow the grammar, or names a pass that does not exist.
        OptionError: a pass does not have an option, or not with this value.
    """
    parser = _Parser(text)
    pipeline = parser.pipeline()
    parser.expect_end()
    return pipeline


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._tokenize())
        self._next = 0

    def _tokenize(self) -> Any:
        position = 0
        while self._text[position:].strip():
            match = _TOKEN.match(self._text, position)
            if match is None:
                at = position + len(self._text[position:]) - len(self._text[position:].lstrip())
                raise PipelineError(f"unexpected {self._text[at]!r}", where=self._place(at))
            yield match.group(match.lastgroup or 0), match.lastgroup, match.start(match.lastgroup or 0)
            position = match.end()

    def _place(self, at: int) -> str:
        return f"pipeline text, column {at + 1}"

    def _peek(self) -> str | None:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else None

    def _fail(self, expected: str) -> PipelineError:
        if self._next < len(self._tokens):
            token, _, at = self._tokens[self._next]
            return PipelineError(f"expected {expected}, found {token!r}", where=self._place(at))
        return PipelineError(f"expected {expected}, found the end", where=self._place(len(self._text)))

    def _take(self, mark: str, expected: str | None = None) -> None:
        if self._peek() != mark:
            raise self._fail(expected or repr(mark))
        self._next += 1

    def _word(self, expected: str, *, quoted: bool = False) -> str:
        kinds = ("word", "string") if quoted else ("word",)
        if self._peek() is None or self._tokens[self._next][1] not in kinds:
            raise self._fail(expected)
        token, kind, _ = self._tokens[self._next]
        self._next += 1
        return re.sub(r"\\(.)", r"\1", token[1:-1]) if kind == "string" else str(token)

    def _place_before(self) -> str:
        return self._place(self._tokens[self._next - 1][2])

    def expect_end(self) -> None:
        """Raises unless everything was read."""
        if self._peek() is not None:
            raise self._fail("the end")

    def pipeline(self) -> Pipeline:
        """Anchor '(' elements ')'."""
        if self._peek() not in ("program", "function"):
            raise self._fail("'program(...)' or 'function(...)'")
        anchor = self._word("an anchor")
        self._take("(")
        elements: list[Pass | Pipeline] = []
        while self._peek() != ")":
            if elements:
                self._take(",", "',' or ')'")
            elements.append(self._element())
        self._take(")")
        return Pipeline("program" if anchor == "program" else "function", tuple(elements))

    def _element(self) -> Pass | Pipeline:
        if self._peek() in ("program", "function"):
            return self.pipeline()
        at = self._tokens[self._next][2] if self._peek() else len(self._text)
        name = self._word("a pass")
        options = self._options() if self._peek() == "{" else {}
        try:
            if "::" in name and not name.startswith(_OURS):
                return coremltools_pass(name, options)
            return pass_class(name.removeprefix(_OURS)).from_options(options)
        except PipelineError as error:
            raise PipelineError(error.message, where=self._place(at), hint=error.hint) from None

    def _options(self) -> dict[str, Any]:
        self._take("{")
        options: dict[str, Any] = {}
        while self._peek() != "}":
            key = self._word("an option or '}'")
            twice = [known for known in options if known.replace("-", "_") == key.replace("-", "_")]
            if twice:
                raise PipelineError(f"the option {twice[0]!r} is given twice", where=self._place_before())
            options[key] = "true"
            if self._peek() == "=":
                self._take("=")
                options[key] = self._word("a value", quoted=True)
        self._take("}")
        return options

"""The grammar of pipeline text.

    pipeline ::= anchor '(' [element (',' element)*] ')'      anchor ::= 'program' | 'function'
    element  ::= pipeline | name options?
    options  ::= '{' (key ('=' value)?)* '}'
    value    ::= single (',' single)* | '[' ']'               single ::= word | string | options | '{' pipeline '}'

A key without a value is true. Blanks, line breaks and comments, from `//` to the end of the line, mean nothing. Strings
have the escapes of MIL text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ...ir.diagnostics import TextError
from ...ir.errors import did_you_mean
from ...ir.text.source import Source
from .errors import PipelineTextError
from .tree import Braces, Element, Items, Nest, Value, Word
from .words import WordCursor

ANCHORS = ("program", "function")
_AN_ANCHOR = "'program(...)' or 'function(...)'"
_LAST = "no comma stands behind the last one"
_Node = TypeVar("_Node")
AnchorOf: TypeAlias = Callable[[str], str]


def _of_programs(_: str) -> str:
    return "program"


def parse(source: Source, anchor_of: AnchorOf = _of_programs) -> Nest:
    """The pipeline that a text spells; whether its passes exist is not asked.

    Args:
        source: the text.
        anchor_of: what a pass of a name runs on, for the hint about one that stands alone.

    Raises:
        PipelineTextError: the text does not follow the grammar.
    """
    return _whole(source, _Parser.pipeline, anchor_of)


def parse_value(text: str) -> Value:
    """The value that a text spells, as it stands behind the `=` of an option.

    Raises:
        PipelineTextError: the text does not follow the grammar.
    """
    return _whole(Source(text, "<option>"), _Parser.value)


def _whole(source: Source, rule: Callable[[_Parser], _Node], anchor_of: AnchorOf = _of_programs) -> _Node:
    try:
        parser = _Parser(source, anchor_of)
        parser.refuse_surrogates()
        node = rule(parser)
        parser.expect_end()
    except TextError as error:
        raise PipelineTextError(error.diagnostics) from None
    return node


class _Parser(WordCursor):
    """One method for each rule of the grammar."""

    def __init__(self, source: Source, anchor_of: AnchorOf) -> None:
        super().__init__(source)
        self._anchor_of = anchor_of

    def expect_end(self) -> None:
        """Fails unless everything was read."""
        if self.position < len(self.text):
            self.miss("the end")

    def pipeline(self) -> Nest:
        """Anchor '(' elements ')'."""
        start = self.position
        anchor = self.bare_word(_AN_ANCHOR)
        if anchor not in ANCHORS:
            self._refuse_anchor(anchor)
        return self._nest(anchor, start)

    def _refuse_anchor(self, anchor: Word) -> None:
        if self.next_is("("):
            hint = did_you_mean(anchor, ANCHORS)
        else:
            hint = f"write {self._anchor_of(anchor)}({anchor}{'{...}' * self.next_is('{')})"
        self.move_to(anchor.span.start)
        self.fail(f"expected {_AN_ANCHOR}, found {self.found()}", length=len(anchor), hint=hint)

    def _nest(self, anchor: Word, start: int) -> Nest:
        self.enter()
        self.expect("(", "behind an anchor")
        elements: list[Element | Nest] = []
        if not self.next_is(")"):
            elements.append(self._element())
        while self.accept(","):
            elements.append(self._element(_LAST))
        if not self.accept(")"):
            self.miss("',' or ')'", hint=self._hint_behind_element(elements))
        self.leave()
        return Nest(anchor, tuple(elements), self.since(start))

    def _hint_behind_element(self, elements: list[Element | Nest]) -> str | None:
        last = elements[-1] if elements else None
        if not self.next_is("(") or not isinstance(last, Element):
            return None
        return did_you_mean(last.name, ANCHORS) or f"options stand in braces: {last.name}{{...}}"

    def _element(self, hint: str | None = None) -> Element | Nest:
        start = self.position
        if self.next_is(")") and hint:
            self.miss("a pass", hint=hint)
        name = self.bare_word("a pass")
        if name in ANCHORS:
            return self._nest(name, start)
        return Element(name, self._options() if self.next_is("{") else {})

    def _options(self) -> dict[str, Value]:
        """'{' (key ('=' value)?)* '}'."""
        self.enter()
        self.expect("{", "in front of options")
        options: dict[str, Value] = {}
        while not self.accept("}"):
            key = self._key(options)
            options[key] = self.value() if self.accept("=") else Word("true", key.span, implied=True)
        self.leave()
        return options

    def _key(self, known: dict[str, Value]) -> Word:
        if known and self.next_is(","):
            self.miss("an option or '}'", hint="options are separated by blanks")
        key = self.bare_word("an option or '}'")
        twice = next((name for name in known if name.replace("-", "_") == key.replace("-", "_")), None)
        if twice is not None:
            self.fail(f"the option {str(twice)!r} is given twice", at=key.span.start, length=len(key))
        return key

    def value(self) -> Value:
        """What stands behind the `=` of an option."""
        start = self.position
        if self.accept("["):
            self.expect("]", "behind '['", hint="a list is written a,b,c, and [] if it is empty")
            return Items((), self.since(start))
        values = [self._single()]
        while self.next_is(","):
            values.append(self._next_item())
        return values[0] if len(values) == 1 else Items(tuple(values), self.since(start))

    def _next_item(self) -> Value:
        comma = self.position
        self.expect(",", "between values")
        if self.next_is("}") or self.next_is(")"):
            self.miss("a value", hint=_LAST)
        item = self._single()
        if self.next_is("=") and isinstance(item, Word):
            self.fail(
                "a comma stands between two values of one option", at=comma, hint="options are separated by blanks"
            )
        return item

    def _single(self) -> Value:
        if self.next_is("{"):
            return self._braces()
        word = self.any_word("a value")
        if self.next_is("(") and word in ANCHORS:
            self.move_to(word.span.start)
            self.fail("a pipeline as a value stands in braces", length=len(word), hint=f"write {{{word}(...)}}")
        return word

    def _braces(self) -> Braces | Nest:
        """Options, or a pipeline, in braces."""
        start, first = self.position, self.after(self.position + 1)
        if not self.is_call(first):
            options = self._options()
            return Braces(options, self.since(start))
        self.enter()
        self.move_to(first)
        nest = self.pipeline()
        self.expect("}", "behind a pipeline")
        self.leave()
        return nest

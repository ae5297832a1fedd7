"""The notation of one-line rules: `cast(cast(x, d), e) -> cast(x, e)`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn, TypeAlias

import attrs

Scalar: TypeAlias = bool | int | float | str


@attrs.frozen
class Name:
    """A lower-case word: on the left it binds a value, on the right it stands for it.

    Attributes:
        name: the word.
        optional: on the left, whether the input may be absent; written as `z?`.
    """

    name: str
    optional: bool = False


@attrs.frozen
class Literal:
    """A number, `true`, `false`, a text in double quotes, or a list of such, as in `[0, 2, 1]`."""

    value: Scalar | tuple[Scalar, ...]


@attrs.frozen(cache_hash=True)
class Call:
    """An op.

    Attributes:
        op_type: its type.
        positional: its first inputs, in the op's own order.
        named: more of them, by parameter.
    """

    op_type: str
    positional: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()

    def arguments(self) -> Iterator[Expression]:
        """All inputs."""
        yield from self.positional
        yield from (each for _, each in self.named)


Expression: TypeAlias = Name | Literal | Call


def names_of(expression: Expression) -> dict[str, Name]:
    """The names in an expression, in order of appearance."""
    if isinstance(expression, Name):
        return {expression.name: expression}
    if isinstance(expression, Literal):
        return {}
    found: dict[str, Name] = {}
    for each in expression.arguments():
        found = names_of(each) | found
    return found


def op_types_of(expression: Expression) -> Iterator[str]:
    """The types of the ops in an expression, in order of appearance."""
    if isinstance(expression, Call):
        yield expression.op_type
        for each in expression.arguments():
            yield from op_types_of(each)


def parse_rule(text: str) -> tuple[Call, Expression]:
    """The two sides of a rule.

    Raises:
        ValueError: it is not one; the message quotes it and points at the place.
    """
    parser = _Parser(text)
    left = parser.expression()
    parser.take("->")
    right = parser.expression()
    parser.end()
    if not isinstance(left, Call):
        raise ValueError(f"{text!r}: the left side must be an op")  # noqa: TRY004 - as all faults of the text
    return left, right


_TOKEN = re.compile(
    r"""\s*(?:
        (?P<name>[A-Za-z_]\w*) | (?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
        | "(?P<text>[^"]*)" | (?P<sign>->|[(),=?\[\]])
    )""",
    re.VERBOSE,
)
_WORDS: dict[str, Scalar] = {"true": True, "false": False}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._token = 0  # where the last word began

    def expression(self) -> Expression:
        """Takes one expression."""
        kind, word = self._next()
        if kind == "sign" and word == "[":
            return Literal(tuple(self._items()))
        if kind != "name" or word in _WORDS:
            return Literal(self._scalar(kind, word))
        if self._accepts("("):
            return self._call(word)
        if word != word.lower():
            self._fail(f"names are written in lower case, {word!r} is not", self._token)
        return Name(word, self._accepts("?"))

    def _call(self, op_type: str) -> Call:
        positional: list[Expression] = []
        named: dict[str, Expression] = {}
        while not self._accepts(")"):
            if positional or named:
                self.take(",")
            parameter = self._parameter()
            if parameter is None and named:
                self._fail("inputs without names come before those with names")
            if parameter is None:
                positional.append(self.expression())
            elif parameter in named:
                self._fail(f"the input {parameter!r} is given twice")
            else:
                named[parameter] = self.expression()
        return Call(op_type, tuple(positional), tuple(named.items()))

    def _parameter(self) -> str | None:
        found = re.compile(r"\s*(\w+)\s*=").match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        return found[1]

    def _items(self) -> Iterator[Scalar]:
        first = True
        while not self._accepts("]"):
            if not first:
                self.take(",")
            yield self._scalar(*self._next())
            first = False

    def _scalar(self, kind: str, word: str) -> Scalar:
        if kind == "text":
            return word
        if kind == "name" and word in _WORDS:
            return _WORDS[word]
        if kind != "number":
            self._fail(f"expected a value, found {word!r}", self._token)
        return int(word) if re.fullmatch(r"-?\d+", word) else float(word)

    def take(self, sign: str) -> None:
        """Takes a sign that must come next."""
        if not self._accepts(sign):
            self._fail(f"expected {sign!r}")

    def end(self) -> None:
        """Checks that nothing is left."""
        if self._text[self._at :].strip():
            self._fail("expected the end")

    def _accepts(self, sign: str) -> bool:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found["sign"] != sign:
            return False
        self._at = found.end()
        return True

    def _next(self) -> tuple[str, str]:
        found = _TOKEN.match(self._text, self._at)
        if found is None or found.lastgroup is None:
            self._fail("expected an op, a name or a value")
        self._token, self._at = found.start(found.lastgroup), found.end()
        return found.lastgroup, found[found.lastgroup]

    def _fail(self, message: str, at: int | None = None) -> NoReturn:
        place = len(self._text) - len(self._text[self._at :].lstrip()) if at is None else at
        raise ValueError(f"{self._text!r}, column {place + 1}: {message}")

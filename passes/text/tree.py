"""What pipeline text consists of, each part with its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeAlias

import attrs

from ...ir.diagnostics import Diagnostic
from ...ir.errors import OptionError, PipelineError
from ...ir.text.source import Source
from .errors import OptionTextError, PipelineTextError


@attrs.frozen
class Span:
    """A part of a text.

    Attributes:
        source: the text.
        start: where it begins.
        end: behind its last character.
    """

    source: Source
    start: int
    end: int

    @property
    def text(self) -> str:
        """Its characters."""
        return self.source.text[self.start : self.end]

    def pipeline_error(self, error: PipelineError) -> PipelineTextError:
        """The error, about this place."""
        return PipelineTextError([self._diagnostic(error)])

    def option_error(self, error: OptionError) -> OptionTextError:
        """The error, about this place."""
        return OptionTextError([self._diagnostic(error)])

    def _diagnostic(self, error: PipelineError | OptionError) -> Diagnostic:
        location = self.source.location(self.start, self.end - self.start)
        return Diagnostic(error.where or "", error.message, error.hint, location=location)


class Word(str):
    """A bare word or what a quoted string stands for: a string that knows its place.

    Attributes:
        span: its place.
        implied: whether it is the `true` of an option that was given without a value; its place is the option's.
    """

    __slots__ = ("implied", "span")

    span: Span
    implied: bool

    def __new__(cls, text: str, span: Span, *, implied: bool = False) -> Self:
        """A word at a place."""
        made = super().__new__(cls, text)
        made.span, made.implied = span, implied
        return made


@attrs.frozen
class Items:
    """A list: none, or several values.

    Attributes:
        values: what it holds.
        span: its place.
    """

    values: tuple[Value, ...]
    span: Span


@attrs.frozen
class Braces:
    """Options in braces.

    Attributes:
        options: the values by name.
        span: the place, braces included.
    """

    options: Mapping[str, Value]
    span: Span


@attrs.frozen
class Element:
    """A pass or a named pipeline.

    Attributes:
        name: its name.
        options: the values by name.
    """

    name: Word
    options: Mapping[str, Value]


@attrs.frozen
class Nest:
    """A pipeline.

    Attributes:
        anchor: `program` or `function`.
        elements: what it runs.
        span: its place.
    """

    anchor: Word
    elements: tuple[Element | Nest, ...]
    span: Span


Value: TypeAlias = Word | Items | Braces | Nest


def span_of(value: Any) -> Span | None:
    """The place of a value that came from a text."""
    return value.span if isinstance(value, Word | Items | Braces | Nest) else None


def shown(value: Any) -> str:
    """A value for messages: as it was written, if it came from a text."""
    return value.span.text if isinstance(value, Items | Braces | Nest) else repr(value)

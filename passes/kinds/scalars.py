"""What is common to all kinds of values that options have, and the simple kinds: truth values, numbers, words."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import attrs

from ...ir.errors import did_you_mean
from ..text.tree import Word, shown, span_of
from ..text.words import format_word
from .faults import OptionFault

_NUMBERS = re.compile("[0-9]+")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class Kind(ABC):
    """A kind of values.

    A `str` that does not come from pipeline text is read as one: `coremltools.PassPipeline` has nothing but strings.
    """

    @property
    @abstractmethod
    def noun(self) -> str:
        """What a value is: `a whole number`."""

    @abstractmethod
    def convert(self, value: Any) -> Any:
        """A value of this kind from what was given.

        Raises:
            OptionFault: it is none.
        """

    @abstractmethod
    def text(self, value: Any) -> str:
        """A value as pipeline text."""

    def refusal(self, value: Any) -> OptionFault:
        """The fault of a value that is of another kind."""
        hint = f"write {value.span.text}=..." if isinstance(value, Word) and value.implied else None
        return OptionFault(f"takes {self.noun}, not {shown(value)}", hint=hint, span=span_of(value))


@attrs.frozen
class Scalar(Kind):
    """Truth values, numbers and words.

    Attributes:
        type: Python's type of the values.
        noun: see `Kind`.
        read: makes a value, or raises ValueError, TypeError, KeyError or OverflowError.
        choices: the words that are allowed, if not all.
        minimum: the least allowed number.
    """

    type: type[Any]
    noun: str
    read: Callable[[Any], Any]
    choices: tuple[str, ...] = ()
    minimum: float | None = None

    def convert(self, value: Any) -> Any:
        """See `Kind`."""
        try:
            result = self.read(value)
        except (ValueError, TypeError, KeyError, OverflowError):
            raise self.refusal(value) from None
        if self.choices and result not in self.choices:
            message = f"takes one of {', '.join(self.choices)}, not {result!r}"
            raise OptionFault(message, hint=_near(result, self.choices), span=span_of(value))
        if self.minimum is not None and not result >= self.minimum:  # also refuses NaN
            message = f"takes a number of at least {self.minimum}, not {result}"
            raise OptionFault(message, span=span_of(value))
        return result

    def text(self, value: Any) -> str:
        """See `Kind`."""
        return str(value).lower() if isinstance(value, bool) else format_word(str(value))


def _near(word: str, choices: tuple[str, ...]) -> str | None:
    """The nearest choice, unless the word is one with another number: `int4` is no misspelt `int8`."""
    is_another = _NUMBERS.sub("", word) in {_NUMBERS.sub("", choice) for choice in choices}
    return None if is_another else did_you_mean(word, choices)


def _to_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else _TRUTHS[str(value).lower()]


def _to_int(value: Any) -> int:
    if isinstance(value, bool) or (not isinstance(value, str) and int(value) != value):
        raise ValueError
    return int(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _to_string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # half characters could not be written
    return str(value)


SCALARS: dict[type[Any], Scalar] = {
    scalar.type: scalar
    for scalar in (
        Scalar(bool, "true or false", _to_bool),
        Scalar(int, "a whole number", _to_int),
        Scalar(float, "a number", _to_float),
        Scalar(str, "a word", _to_string),
    )
}

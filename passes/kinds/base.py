"""Lists and records as values of options, and which kind an option is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ...ir.diagnostics import TextError
from ..text.parser import parse_value
from ..text.tree import Braces, Items, Nest, Word
from . import records
from .faults import OptionFault
from .scalars import SCALARS, Kind


@attrs.frozen
class ListOf(Kind):
    """Lists, as tuples.

    Attributes:
        of: the kind of the items.
    """

    of: Kind

    @property
    def noun(self) -> str:
        """See `Kind`."""
        return f"a list, each item {self.of.noun}"

    def convert(self, value: Any) -> tuple[Any, ...]:
        """See `Kind`."""
        return tuple(map(self.of.convert, self._items(value)))

    def _items(self, value: Any) -> tuple[Any, ...] | list[Any]:
        if isinstance(value, Items):
            return value.values
        if isinstance(value, Word | Braces | Nest):
            return (value,)
        if isinstance(value, str):
            return self._items(_value_in(value))
        if not isinstance(value, tuple | list):
            raise self.refusal(value)
        return value

    def text(self, value: Any) -> str:
        """See `Kind`."""
        return ",".join(map(self.of.text, value)) or "[]"


@attrs.frozen
class RecordOf(Kind):
    """Options in braces, as frozen records of their own.

    Attributes:
        type: the attrs class, whose fields are options.
    """

    type: type[Any]

    @property
    def noun(self) -> str:
        """See `Kind`."""
        names = " ".join(f"{records.dashed(field.name)}=..." for field in attrs.fields(self.type))
        return f"options in braces such as {{{names}}}"

    def convert(self, value: Any) -> Any:
        """See `Kind`."""
        if isinstance(value, self.type):
            return value
        if isinstance(value, str) and not isinstance(value, Word):
            return self.convert(_value_in(value))
        given = value.options if isinstance(value, Braces) else value
        if not isinstance(given, Mapping):
            raise self.refusal(value)
        return records.make(self.type, given)

    def text(self, value: Any) -> str:
        """See `Kind`."""
        return records.text_of(value) or "{}"


def _value_in(text: str) -> Any:
    """The value that a string of Python spells."""
    try:
        return parse_value(text)
    except TextError as error:
        raise strange_text(error, text) from None


def strange_text(error: TextError, text: str) -> OptionFault:
    """The fault of a string of Python that is no value: its places mean nothing to whoever gave it."""
    where = f"{error.diagnostics[0].where}: " if error.diagnostics[0].where else ""
    return OptionFault(f"{where}{error.message} in {text!r}", hint=error.hint)


def kind_of(
    default: Any, of: type[Any] | None = None, *, choices: tuple[str, ...] = (), minimum: float | None = None
) -> Kind:
    """The kind of an option.

    Args:
        default: a value, or its type.
        of: the type of the items of a list, if the default holds none.
        choices: the words that are allowed.
        minimum: the least allowed number.
    """
    cls = default if isinstance(default, type) else type(default)
    if cls is tuple:
        item = of or (None if isinstance(default, type) else next(iter(default), None))
        if item is None:
            raise TypeError("a tuple without items needs `of`")
        return ListOf(kind_of(item, choices=choices, minimum=minimum))
    if cls in SCALARS:
        return attrs.evolve(SCALARS[cls], choices=choices, minimum=minimum)
    if not attrs.has(cls):
        raise TypeError(f"options can not be of the type {cls.__name__}")
    return RecordOf(cls)

"""Records whose fields are options: made from names and values, and printed as what is not a default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from ...ir.errors import did_you_mean
from ..text.tree import span_of
from ..text.words import format_word
from .faults import OptionFault


def dashed(name: str) -> str:
    """An option's name as text has it: `min-elements`."""
    return name.replace("_", "-")


def make(cls: type[Any], given: Mapping[str, Any]) -> Any:
    """The record with these options; names may be written with dashes or underscores.

    Raises:
        OptionFault: an option that it does not have, or lacks, or that is given twice; a value that it does not take.
    """
    _refuse_unknown(cls, given)
    spellings = Counter(map(dashed, given))
    twice = next((name for name, count in spellings.items() if count > 1), None)
    if twice is not None:
        raise OptionFault(f"the option {twice!r} is given twice")
    for field in attrs.fields(cls):
        if field.default is attrs.NOTHING and dashed(field.name) not in spellings:
            raise OptionFault(f"needs the option {dashed(field.name)!r}")
    return cls(**{name.replace("-", "_"): value for name, value in given.items()})


def _refuse_unknown(cls: type[Any], given: Mapping[str, Any]) -> None:
    known = [dashed(field.name) for field in attrs.fields(cls)]
    for name in given:
        if dashed(name) not in known:
            hint = did_you_mean(name, known) or f"it has {', '.join(known) or 'none'}"
            raise OptionFault(f"has no option {name!r}", hint=hint, span=span_of(name))


def text_of(record: Any) -> str:
    """The options of a record that are not their defaults, in braces; empty if all are."""
    changed = [
        f"{dashed(field.name)}={_value_text(field, getattr(record, field.name))}"
        for field in attrs.fields(type(record))
        if getattr(record, field.name) != field.default
    ]
    return f"{{{' '.join(changed)}}}" if changed else ""


def _value_text(field: Any, value: Any) -> str:
    option = field.metadata.get("option")
    return str(option.kind.text(value)) if option else format_word(str(value))

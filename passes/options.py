"""Typed pass options: the same conversion for Python, pipeline text and `coremltools.PassPipeline`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..ir.errors import MiloptError, OptionError

_WORDS = {"true": True, "1": True, "false": False, "0": False}


def option(
    default: Any,
    *,
    help: str,  # noqa: A002 - it is the word
    choices: Sequence[str] = (),
    minimum: int | None = None,
    check: Callable[[Any], object] | None = None,
) -> Any:
    """A field of a pass: its type is that of its default, and text is converted to it.

    Args:
        default: a bool, int, float or string; or one of these types, for an option that must be given.
        help: one line, shown by `milopt passes`.
        choices: the strings that are allowed.
        minimum: the least allowed number.
        check: raises a `MiloptError` for values that are not allowed for another reason.
    """
    required = isinstance(default, type)
    kind = default if required else type(default)
    convert = _CONVERTERS[kind]

    def _converted(value: Any, field: Any) -> Any:
        name = field.name.replace("_", "-")
        try:
            result = convert(value)
        except (ValueError, TypeError, KeyError, OverflowError):
            raise OptionError(f"takes {_NOUNS[kind]}, not {value!r}", where=f"option {name!r}") from None
        if choices and result not in choices:
            raise OptionError(f"takes one of {', '.join(choices)}, not {result!r}", where=f"option {name!r}")
        if minimum is not None and not result >= minimum:  # also refuses NaN
            raise OptionError(f"takes a number of at least {minimum}, not {result}", where=f"option {name!r}")
        if check is not None:
            _run_check(check, result, name)
        return result

    return attrs.field(
        default=attrs.NOTHING if required else default,
        converter=attrs.Converter(_converted, takes_field=True),
        metadata={"help": help, "choices": tuple(choices)},
    )


def _run_check(check: Callable[[Any], object], value: Any, name: str) -> None:
    try:
        check(value)
    except MiloptError as error:
        raise OptionError(error.message, where=f"option {name!r}", hint=error.hint) from None


def _to_bool(value: Any) -> bool:
    return value if isinstance(value, bool) else _WORDS[str(value).lower()]


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
    return value


_CONVERTERS: dict[type, Callable[[Any], Any]] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_string,
}
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def format_value(value: Any) -> str:
    """An option's value as pipeline text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    plain = text and not any(character.isspace() or character in '{}()=,"' for character in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

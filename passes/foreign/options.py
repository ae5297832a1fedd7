"""Options of coremltools' passes: from Python and pipeline text, and back to text.

coremltools' passes do not say what options they have: every attribute is one, and some check what they are given. Text
is tried as it stands, as its setter was made for strings, and then as the number or truth value that it spells. Lists
are given as `a,b` to those that take such strings. Braces are dictionaries; numbers inside of them are numbers unless
they are quoted.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import attrs

from ...ir.errors import did_you_mean
from ...ir.text.formatting import format_string
from ..kinds.base import kind_of
from ..kinds.faults import OptionFault
from ..text.tree import Braces, Items, Nest, Word, shown, span_of
from ..text.words import format_word

_WORDS = {"true": True, "false": False, "none": None, "null": None}

Assign = Callable[[str, Any], Any]
"""Sets an option of a pass and gives what it has set, or raises."""


def option_names(graph_pass: Any) -> list[str]:
    """The options of a coremltools pass, sorted: its public attributes that can be set."""
    names = (name for name in dir(graph_pass) if not name.startswith("_") and not name.isupper())
    return [name for name in names if _can_be_set(graph_pass, name)]


def _can_be_set(graph_pass: Any, name: str) -> bool:
    declared = getattr(type(graph_pass), name, None)
    if isinstance(declared, property):
        return declared.fset is not None
    return not callable(declared) and not isinstance(getattr(graph_pass, name), dict)  # dictionaries are caches


def set_option(graph_pass: Any, name: str, value: Any, assign: Assign) -> tuple[str, Any]:
    """Sets an option.

    Args:
        graph_pass: coremltools' own object.
        name: of the option, dashes or underscores.
        value: from Python or from pipeline text.
        assign: sets one.

    Returns:
        The name and the value as the pass has taken them.

    Raises:
        OptionFault: it has no such option, or not with this value.
    """
    known, key = option_names(graph_pass), name.replace("-", "_")
    if key not in known:
        hint = did_you_mean(key, known) or f"it has {', '.join(known) or 'none'}"
        raise OptionFault(f"has no option {name!r}", hint=hint, span=span_of(name))
    try:
        return key, _first_accepted(_readings(graph_pass, key, value), lambda reading: assign(key, reading))
    except OptionFault as fault:
        raise fault.inside(key, span_of(value)) from None


def _first_accepted(readings: Iterator[Any], assign: Callable[[Any], Any]) -> Any:
    failures: list[Exception] = []
    for reading in readings:
        try:
            return assign(reading)
        except Exception as error:  # noqa: BLE001 - setters raise what they like
            failures.append(error)
    raise OptionFault(_reason(failures[0]))


def _reason(error: BaseException) -> str:
    """What an error says; of a group, what its first member says."""
    if isinstance(error, BaseExceptionGroup):
        return _reason(error.exceptions[0])
    return str(error) or type(error).__name__


def _readings(graph_pass: Any, name: str, value: Any) -> Iterator[Any]:
    """What a value may stand for, the likeliest first."""
    current = getattr(graph_pass, name, None)
    unchecked = not isinstance(getattr(type(graph_pass), name, None), property)
    if unchecked and isinstance(current, bool | int | float | str):
        yield kind_of(current).convert(value)
    elif unchecked and name.endswith("selector") and not callable(value):
        raise OptionFault(f"takes a function of Python, not {shown(value)}", span=span_of(value))
    elif isinstance(value, Nest):
        raise OptionFault(f"takes no pipeline: {shown(value)}", span=span_of(value))
    else:
        yield from _spellings(value)


def _spellings(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        yield str(value)
        if not isinstance(_scalar(value), str):
            yield _scalar(value)
        return
    plain = _plain(value)
    joined = [",".join(map(str, plain))] if isinstance(plain, list | tuple) else []
    yield from [*joined, plain] if isinstance(value, Items) else [plain, *joined]
    if isinstance(value, Braces):
        yield _listed(plain)


def _plain(value: Any) -> Any:
    """Lists and braces of pipeline text as tuples and dictionaries; other values as they are."""
    if isinstance(value, Word):
        return str(value) if value.span.text.startswith('"') else _scalar(value)
    if isinstance(value, Items):
        return tuple(map(_plain, value.values))
    if isinstance(value, Braces):
        return {str(name): _plain(each) for name, each in value.options.items()}
    return value


def _listed(tree: Any) -> Any:
    """Dictionaries whose values are all lists: text does not tell a list of one from what it holds."""
    if isinstance(tree, dict):
        return {name: _listed(each) for name, each in tree.items()}
    return tree if isinstance(tree, tuple) else (tree,)


def _scalar(text: str) -> Any:
    """The number, truth value or nothing that a text spells; the text itself if none."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return str(text)


def option_text(value: Any) -> str:
    """An option's value as pipeline text; what has none, such as a function, stands in angle brackets.

    Text and the number that it spells read alike, because options are tried as both.
    """
    return format_word(value) if isinstance(value, str) else _value_text(value)


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return format_word(value) if isinstance(_scalar(value), str) else format_string(value)
    if isinstance(value, Mapping):
        return f"{{{' '.join(f'{format_word(str(name))}={_value_text(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return ",".join(map(_value_text, value)) or "[]"
    if value is None or isinstance(value, bool | int | float):
        return str(value).lower()
    tree = _config_tree(value)
    return format_word(f"<{repr(value).strip('<>')}>") if tree is None else _value_text(tree)


def _config_tree(config: Any) -> dict[str, Any] | None:
    """A configuration of coremltools' compression as the dictionary that it is made from; None for other objects."""
    if type(config).__name__ != "OptimizationConfig" or config._op_selector is not None:  # noqa: SLF001
        return None
    groups = {"op_type_configs": config.op_type_configs, "op_name_configs": config.op_name_configs}
    every = [config.global_config, *(each for group in groups.values() for each in group.values())]
    first = next((type(each).__name__ for each in every if each is not None), "OpLinearQuantizerConfig")
    tree: dict[str, Any] = {"config_type": first}
    if config.global_config is not None:
        tree["global_config"] = _record_tree(config.global_config, first)
    tree |= {
        key: {name: _record_tree(each, first) for name, each in group.items()} for key, group in groups.items() if group
    }
    return tree


def _record_tree(record: Any, usual: str) -> dict[str, Any] | None:
    if record is None:
        return None
    kind = type(record).__name__
    tree: dict[str, Any] = {} if kind == usual else {"config_type": kind}
    for field in attrs.fields(type(record)):
        value = _config_value(getattr(record, field.name))
        if value != _config_value(field.default):
            tree[field.name] = value
    return tree


def _config_value(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if isinstance(value, type):  # PyMIL's class for an element type
        from ...ir.type_words import type_words

        return type_words(value)
    return value.lower() if isinstance(value, str) else value

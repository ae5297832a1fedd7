"""Groups of options that arrive in a command's function as one record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

import attrs

Command: TypeAlias = Callable[..., Any]
Decorator: TypeAlias = Callable[[Command], Command]


def settings(name: str, record: type[Any], options: Sequence[Decorator]) -> Decorator:
    """Gives a command options; its function gets the record that they make in place of them.

    Args:
        name: of the function's argument.
        record: an attrs class whose fields are named as the options' values are.
        options: decorators as `click.option` makes them, in the order of `--help`.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_settings(*arguments: Any, **given: Any) -> Any:
            said = {field.name: given.pop(field.name) for field in attrs.fields(record)}
            return command(*arguments, **{name: record(**said)}, **given)

        made: Command = with_settings
        for option in reversed(options):
            made = option(made)
        return made

    return decorate

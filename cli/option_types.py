"""Options whose mistakes are told in this project's words."""

from __future__ import annotations

from typing import Any

import click


class Integer(click.IntRange):
    """An integer in a range."""

    name = "integer"


class Number(click.FloatRange):
    """A number in a range."""

    name = "number"


def at_most_once(_: click.Context, __: click.Parameter, given: tuple[Any, ...]) -> Any:
    """The callback of an option with `multiple`: its only value, or None; of several, click would take the last."""
    if len(given) > 1:
        raise click.BadParameter("it is given more than once")
    return given[0] if given else None

"""Options that are limits: numbers, and not NaN, which nothing is below."""

from __future__ import annotations

import math

import click


def a_number(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    """The callback of such an option.

    Raises:
        click.BadParameter: it is NaN.
    """
    if value is not None and math.isnan(value):
        raise click.BadParameter("it is a number")
    return value

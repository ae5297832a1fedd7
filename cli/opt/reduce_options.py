"""The options of `mil-opt` that reduce a program, see `reducing.py`."""

from __future__ import annotations

import attrs
import click

from ..option_types import Number
from .settings import settings


@attrs.frozen(kw_only=True)
class ReduceSettings:
    """What the options say; the names are theirs."""

    reduce: str | None = None
    reduce_match: str | None = None
    reduce_timeout: float | None = None

    def __attrs_post_init__(self) -> None:
        """Refuses what says nothing."""
        if self.reduce is None and (self.reduce_match is not None or self.reduce_timeout is not None):
            raise click.UsageError("--reduce-match and --reduce-timeout need --reduce")


reduce_options = settings(
    "reducing",
    ReduceSettings,
    (
        click.option(
            "--reduce",
            metavar="COMMAND",
            help="Write the smallest program that is found on which COMMAND fails as it does on INPUT, with the same "
            "exit code. {} in it stands for the program's path: a package if the output is one, else a .mil file.",
        ),
        click.option(
            "--reduce-match",
            metavar="REGEX",
            help="With --reduce: what must be found in the output of COMMAND, stderr included.",
        ),
        click.option(
            "--reduce-timeout",
            type=Number(min=0, min_open=True),
            metavar="SECONDS",
            help="With --reduce: how long COMMAND may take; to take longer is a failure of its own kind.",
        ),
    ),
)

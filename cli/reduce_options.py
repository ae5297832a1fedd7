"""The options of `mil-opt` that reduce a program, see `reducing.py`."""

from __future__ import annotations

import click

command = click.option(
    "--reduce",
    "reduce",
    metavar="COMMAND",
    help="Write the smallest program that is found on which COMMAND fails as it does on INPUT, with the same exit "
    "code. {} in it stands for the program's path: a package if the output is one, else a .mil file.",
)
match = click.option(
    "--reduce-match",
    metavar="REGEX",
    help="With --reduce: what must be found in the output of COMMAND, stderr included.",
)
timeout = click.option(
    "--reduce-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="With --reduce: how long COMMAND may take; to take longer is a failure of its own kind.",
)

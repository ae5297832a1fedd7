"""The command `milopt`."""

from __future__ import annotations

import click

from .commands.calibrate import calibrate
from .commands.compare import compare
from .commands.diff import diff
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.inspect import inspect
from .commands.listings import passes, pipelines
from .commands.optimize import optimize
from .commands.print import print_
from .commands.run import run
from .commands.verify import verify


@click.group(name="milopt", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="milopt", prog_name="milopt")
def milopt() -> None:
    """Compress Core ML models for a deployment target, run them, and look into them, without a Mac.

    MODEL is an .mlpackage or a compiled .mlmodelc that holds an ML program, or a program as MIL text: a .mil file, or -
    for stdin. Results go to stdout, all else to stderr. Exit codes: 0 done,
    1 a check failed, 2 bad usage or input.
    """


for _command in (optimize, calibrate, run, print_, verify, inspect, diff, compare, evaluate, export, passes, pipelines):
    milopt.add_command(_command)

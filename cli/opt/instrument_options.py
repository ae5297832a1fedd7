"""The flags of everything that can be told, printed and measured around passes."""

from __future__ import annotations

from pathlib import Path

import click

from .instrument_flags import InstrumentFlags
from .optional_values import optional
from .settings import settings

_FORMS = click.Choice(["tree", "list"])

instrument_options = settings(
    "flags",
    InstrumentFlags,
    (
        optional(
            "--timing",
            bare="tree",
            type=_FORMS,
            help="Print the time of each pass: what ran in what, or what took most.",
        ),
        optional(
            "--statistics",
            bare="tree",
            type=_FORMS,
            help="Print what each pass counted: each of its runs, or their sums.",
        ),
        optional(
            "--remarks", bare="text", type=click.Choice(["text", "json", "yaml"]), help="Print what the passes say."
        ),
        click.option("--remarks-filter", metavar="REGEX", help="Only remarks of passes in whose names it occurs."),
        click.option("--remarks-kinds", metavar="KIND,...", help="Only these: passed, missed, failed, analysis."),
        click.option(
            "--remarks-output",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="Write remarks to a file; without a format, its name decides: .json, .yaml, else text.",
        ),
        click.option(
            "--log-rewrites", is_flag=True, help="Print each rewrite with the number that a limit can end it at."
        ),
        optional(
            "--print-ir-before", bare="", multiple=True, metavar="[PASS,...]", help="Print programs before passes."
        ),
        optional("--print-ir-after", bare="", multiple=True, metavar="[PASS,...]", help="Print programs after passes."),
        click.option("--print-ir-before-all", is_flag=True, help="Print programs before each pass."),
        click.option("--print-ir-after-all", is_flag=True, help="Print programs after each pass."),
        click.option("--print-ir-after-change", is_flag=True, help="Print after passes, where they changed anything."),
        click.option("--print-ir-diff", is_flag=True, help="Print the lines that passes changed."),
        click.option("--print-ir-after-failure", is_flag=True, help="Print what a pass that failed left."),
        click.option("--print-ir-function", metavar="NAME", help="Print this function only."),
        click.option("--print-ir-op", metavar="NAME", help="Print this op only, with what it takes and what takes it."),
        click.option("--print-ir-program-scope", is_flag=True, help="Print whole programs around passes on functions."),
        click.option(
            "--print-ir-tree-dir",
            metavar="DIR",
            type=click.Path(path_type=Path),
            help="Write programs to files in folders like the pipeline's nesting: after each pass, unless told "
            "otherwise. Those of an earlier run go.",
        ),
        click.option("--json", is_flag=True, help="Print all that is reported as one JSON document at the end."),
    ),
)

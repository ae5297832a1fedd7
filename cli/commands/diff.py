"""`milopt diff`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import options
from ..opening import STDIN, open_model
from ..progress import working

if TYPE_CHECKING:
    from ...ir.diffing.records import ModelDiff
    from ...ir.weights.store import MissingWeights

_STYLES = {"+": "green", "-": "red", "~": "yellow", "": "bold"}


@click.command
@click.argument("old", metavar="A", type=click.Path(path_type=Path))
@click.argument("new", metavar="B", type=click.Path(path_type=Path))
@click.option("--function", help="The only function to compare; without it, all.")
@click.option("--ignore-names", is_flag=True, help="Ops and values may be called otherwise: structure alone counts.")
@click.option("--ignore-weights", is_flag=True, help="Weights may have other values, or be compressed otherwise.")
@options.missing_weights
@click.option("--json", "as_json", is_flag=True, help="Print the difference as JSON.")
@click.pass_context
def diff(
    context: click.Context,
    old: Path,
    new: Path,
    *,
    function: str | None,
    ignore_names: bool,
    ignore_weights: bool,
    missing_weights: MissingWeights,
    as_json: bool,
) -> None:
    """Tell how two models differ, from A to B.

    Ops are matched by name, and by structure where names differ. Weights are compared by value, compressed ones
    decoded, missing ones by digest if a text has it. Descriptions of inputs and outputs count: images, sizes to choose
    from, defaults; metadata does not. Exit codes: 0 no differences, 1 some.
    """
    if str(old) == str(new) == STDIN:
        raise click.UsageError("stdin can be only one of the two")
    from ...ir.diffing.comparing import diff_models
    from ...ir.diffing.options import DiffOptions
    from ...runtime.decoding import constant_of

    chosen = DiffOptions(names=not ignore_names, weights=not ignore_weights, decode=constant_of, function=function)
    missing: MissingWeights = "zeros" if ignore_weights else missing_weights
    models = [open_model(path, missing) for path in (old, new)]
    with working(f"comparing {old.name} and {new.name}"):
        found = diff_models(models[0], models[1], chosen)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        _show(found)
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    context.exit(1 if found else 0)


def _show(found: ModelDiff) -> None:
    """Line by line, in colours on a terminal."""
    from rich.console import Console

    from ...ir.diffing.lines import lines

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    for line in lines(found):
        console.print(str(line), style=_STYLES[line.mark], soft_wrap=True)

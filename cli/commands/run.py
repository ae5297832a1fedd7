"""`milopt run`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..opening import open_model
from ..option_types import Integer
from ..progress import counted, working

if TYPE_CHECKING:
    from ...ir.model import Model
    from ...ir.weights.store import MissingWeights
    from ...runtime.samples import Samples, Sequences
    from ...runtime.session import Session


@click.command
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="An .npz with an array for each input, whose first axis counts the samples; or a folder of one .npz for "
    "each sample, or of images, or of such folders: each a sequence of calls that share their states.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The .npz to write, outputs stacked along a new first axis; a name without ending is a folder with one .npz "
    "for each sample.",
)
@options.function
@options.precision
@click.option("--carry-state", is_flag=True, help="Each sample goes on with the state that the one before left.")
@click.option("--threads", type=Integer(min=1), help="Threads to compute with; without it, one for each core.")
@options.allow_missing_weights
@options.force
@click.option("--json", "as_json", is_flag=True, help="Print the summary of the outputs as JSON.")
@click.option("--list-ops", is_flag=True, help="List the MIL ops that can be run, and do nothing else.")
def run(
    model: Path | None,
    *,
    data: Path | None,
    output: Path | None,
    carry_state: bool,
    force: bool,
    as_json: bool,
    list_ops: bool,
    **settings: Any,
) -> None:
    """Run MODEL on samples, on any machine.

    Images of a folder are scaled to the model's image input. A model with states starts each sample with zeros. What
    each output was like is printed: its type, shapes, range, and how many elements are not finite.
    """
    if list_ops:
        _list_ops()
        return
    if model is None:
        raise click.UsageError("give a MODEL and --data")
    missing: MissingWeights = "zeros" if settings["allow_missing_weights"] else "error"
    opened = open_model(model, missing)
    if data is None:
        raise click.UsageError("give --data: " + _takes(opened, settings))
    from ...runtime.results import as_arrays, check_results, summary, write_results
    from ...runtime.session import Session
    from ...runtime.surface.samples import samples_for

    if output is not None:
        check_results(output, overwrite=force)
    with working(f"opening {model.name}"):
        session = Session(opened, settings.pop("function"), **settings)
        samples = samples_for(session.inputs, data)
    results = [as_arrays(outputs) for outputs in _run(session, samples, data, carry_state=carry_state)]
    if output is not None:
        write_results(output, results, overwrite=force)
    rows = summary(results)
    if as_json:
        click.echo(json.dumps({"samples": len(results), "outputs": rows}, indent=2))
    else:
        from ..tables import show_outputs

        show_outputs(rows, len(results))


def _list_ops() -> None:
    from ...runtime.registry import runnable_ops

    click.echo("\n".join(runnable_ops()))


def _takes(model: Model, settings: dict[str, Any]) -> str:
    from ...runtime.session import Session

    inputs = Session(model, settings["function"], allow_missing_weights=True).inputs
    return "the model takes " + ", ".join(f"{each.name}: {each}" for each in inputs)


def _run(session: Session, samples: Samples | Sequences, data: Path, *, carry_state: bool) -> Iterator[dict[str, Any]]:
    """The outputs of each call; those of a sequence go on with one state."""
    from ...ir.errors import RunError

    carried = session.make_state() if carry_state and session.states else None
    names = {feature.name for feature in session.inputs}
    unused: set[str] = set()
    for index, sample in enumerate(counted(samples, "running")):
        state = carried or (session.make_state() if session.states else None)
        calls: Any = sample if isinstance(sample, list) else [sample]
        for call in calls:
            for name in sorted(call.keys() - names - unused):
                click.echo(f"note: {name!r} is no input of the model, and not used", err=True)
                unused.add(name)
            try:
                yield session.run({name: value for name, value in call.items() if name in names}, state)
            except RunError as error:
                place = f"{data}, sample {index}" + (f", {error.where}" if error.where else "")
                raise RunError(error.message, where=place, hint=error.hint) from error

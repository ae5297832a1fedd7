"""`milopt compare`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..opening import STDIN, open_model
from ..option_types import Integer, Number
from ..progress import Countable, counted, working
from ..thresholds import a_number

if TYPE_CHECKING:
    from ...ir.weights.store import MissingWeights
    from ...passes.proving.comparing.running import Sample
    from ...runtime.types import Precision


@click.command
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="An .npz with an array for each input, whose first axis counts the samples; or a folder of one .npz for "
    "each sample, or of images.",
)
@options.function
@options.precision
@click.option(
    "--precision-b",
    "other_precision",
    type=click.Choice(["float32", "float16"]),
    help="The precision of B; without it, that of A.",
)
@click.option("--layers", is_flag=True, help="Also compare the values inside that are in both, by name and shape.")
@click.option(
    "--scores",
    metavar="NAME",
    multiple=True,
    help="An output of A that holds class scores; can be given again. Without it, a classifier's label is what it "
    "decides, and otherwise the only output of floats along a single axis holds scores.",
)
@click.option(
    "--axis",
    type=int,
    help="The axis of --scores that counts the classes; without it, the only one longer than 1, or the last.",
)
@click.option("--carry-state", is_flag=True, help="Each sample goes on with the state that the one before left.")
@click.option("--threads", type=Integer(min=1), help="Threads to compute with; without it, one for each core.")
@click.option(
    "--min-sqnr",
    type=float,
    callback=a_number,
    metavar="DB",
    help="Fail if an output of floats or pixels, or a state, has a lower SQNR than this, in decibels.",
)
@click.option(
    "--min-agreement",
    type=Number(min=0, max=100),
    callback=a_number,
    metavar="PERCENT",
    help="Fail if the models decide the same less often than this: labels, highest scores, whole numbers.",
)
@options.allow_missing_weights
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(
    first: Path,
    second: Path,
    *,
    data: Path,
    other_precision: Precision | None,
    layers: bool,
    scores: tuple[str, ...],
    axis: int | None,
    min_sqnr: float | None,
    min_agreement: float | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Run A and B on the same samples, and tell how far B's outputs are from A's.

    For each output, and each state after the run: SQNR, cosine similarity, largest and mean error, and how often both
    decide the same. Inputs and outputs are the same by name, or in order where names differ. Exit codes: 0 done, 1 an
    output misses --min-sqnr or --min-agreement.
    """
    _check_usage(first, second, scores, axis)
    from ...passes.proving.comparing.comparer import Comparer
    from ...passes.proving.comparing.running import RunSettings
    from ...runtime.surface.samples import samples_for

    missing: MissingWeights = "zeros" if settings["allow_missing_weights"] else "error"
    models = open_model(first, missing), open_model(second, missing)
    with working(f"opening {first.name} and {second.name}"):
        comparer = Comparer(
            *models,
            settings=RunSettings(**settings),
            other_precision=other_precision,
            layers=layers,
            scores=scores,
            axis=axis,
        )
        samples: Countable[Sample] = samples_for(comparer.inputs, data)
    for sample in counted(samples, "comparing"):
        comparer.add(sample)
    found = comparer.finish()
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        from ..comparison_tables import show_comparison

        show_comparison(found)
    found.require(min_sqnr=min_sqnr, min_agreement=min_agreement)


def _check_usage(first: Path, second: Path, scores: tuple[str, ...], axis: int | None) -> None:
    if str(first) == str(second) == STDIN:
        raise click.UsageError("stdin can be only one of the two")
    if axis is not None and not scores:
        raise click.UsageError("--axis needs --scores: the axis of which output?")

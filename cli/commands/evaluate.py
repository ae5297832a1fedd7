"""`milopt evaluate`."""

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


@click.command
@click.argument("models", metavar="MODEL...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help="An .npz with an array for each input and for the labels, whose first axis counts the samples; or a folder "
    "of one .npz for each sample.",
)
@click.option(
    "--labels",
    metavar="KEY",
    default="label",
    show_default=True,
    help="What the samples call the right answer: the number of the class, from 0, or a classifier's label.",
)
@click.option(
    "--output",
    metavar="NAME",
    help="The output that holds the answer: scores, or a label. Without it, a classifier's label, or the only output.",
)
@click.option("--top", type=Integer(min=1), default=1, show_default=True, help="How many classes may hold the answer.")
@click.option(
    "--axis",
    type=int,
    help="The axis that counts the classes of scores; without it, the only one longer than 1, or the last.",
)
@options.function
@options.precision
@click.option("--carry-state", is_flag=True, help="Each sample goes on with the state that the one before left.")
@click.option("--threads", type=Integer(min=1), help="Threads to compute with; without it, one for each core.")
@click.option(
    "--min-accuracy",
    type=Number(min=0, max=100),
    callback=a_number,
    metavar="PERCENT",
    help="Fail if a model is right less often than this.",
)
@click.option(
    "--max-loss",
    type=Number(min=0, max=100),
    callback=a_number,
    metavar="POINTS",
    help="Fail if a model is more points of percent below the first than this.",
)
@options.allow_missing_weights
@click.option("--json", "as_json", is_flag=True, help="Print the accuracies as JSON.")
def evaluate(
    models: tuple[Path, ...],
    *,
    data: Path,
    labels: str,
    output: str | None,
    top: int,
    axis: int | None,
    min_accuracy: float | None,
    max_loss: float | None,
    as_json: bool,
    **settings: Any,
) -> None:
    """Tell how many answers of each MODEL are right on labelled samples, and how many points each is from the first.

    Exit codes: 0 done, 1 a model misses --min-accuracy or --max-loss.
    """
    _check_usage(models, max_loss)
    from ...passes.proving.comparing.evaluate import Evaluator
    from ...passes.proving.comparing.running import RunSettings
    from ...runtime.surface.samples import samples_for

    missing: MissingWeights = "zeros" if settings["allow_missing_weights"] else "error"
    opened = [open_model(path, missing) for path in models]
    with working(f"opening {', '.join(path.name for path in models)}"):
        evaluator = Evaluator(opened, labels, RunSettings(**settings), output=output, top=top, axis=axis)
        samples: Countable[Sample] = samples_for(evaluator.inputs, data)
    for sample in counted(samples, "evaluating"):
        evaluator.add(sample)
    found = evaluator.finish()
    for note in found.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        from ..comparison_tables import show_evaluation

        show_evaluation(found)
    found.require(min_accuracy=min_accuracy, max_loss=max_loss)


def _check_usage(models: tuple[Path, ...], max_loss: float | None) -> None:
    if [str(path) for path in models].count(STDIN) > 1:
        raise click.UsageError("stdin can be only one of the models")
    if max_loss is not None and len(models) == 1:
        raise click.UsageError("--max-loss needs a second model, which may lose against the first")

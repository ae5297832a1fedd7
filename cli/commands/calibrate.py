"""`milopt calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from .. import options
from ..exit_codes import DONE
from ..opening import STDIN, open_model
from ..option_types import Integer

if TYPE_CHECKING:
    from ...passes.analysis.calibration.statistics import CalibrationStatistics
    from ...passes.remarks import Remark

# What --merge goes with; everything else is about how samples run.
_OF_MERGES = frozenset({"paths", "output", "observer", "merge", "force", "as_json"})


@click.command
@click.argument("paths", metavar="MODEL", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="An .npz with an array for each input, whose first axis counts the samples; a folder of one .npz for each "
    "sample, or of images; for a model with states, a folder of folders with one .npz for each call.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The statistics to write: .json or .safetensors.",
)
@click.option(
    "--observer",
    default="mse",
    show_default=True,
    help="What ranges are chosen by: min-max, moving-average, percentile{99.99}, mse, kl or absolute-error. The first "
    "two have to be said now; the others can be changed when the statistics are used.",
)
@options.function
@options.precision
@click.option("--channels", is_flag=True, help="Also gather statistics of each channel.")
@click.option(
    "--batch-size",
    type=Integer(min=1),
    default=1,
    show_default=True,
    help="Samples to run together, where the model's shapes allow it.",
)
@click.option("--workers", type=Integer(min=1), help="Processes to share the samples between; without it, this one.")
@click.option("--threads", type=Integer(min=1), help="Threads of each process; without it, all cores are used.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped, if one did.")
@click.option("--merge", is_flag=True, help="The arguments are statistics of one model, to be made one.")
@options.force
@click.option("--progress", "progress_shown", is_flag=True, help="Tell of progress also where stderr is no terminal.")
@click.option("--strict", is_flag=True, help="Fail, after writing, if something is wrong with the samples.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def calibrate(
    paths: tuple[Path, ...],
    *,
    data: Path | None,
    output: Path,
    merge: bool,
    as_json: bool,
    strict: bool,
    workers: int | None,
    resume: bool,
    force: bool,
    progress_shown: bool,
    **settings: Any,
) -> int:
    """Measure what the values inside MODEL are like when it runs on samples.

    Quantization of activations takes its ranges from the statistics that are written. What each value was like is
    printed, what is wrong with the samples, and which values fp16 does not hold. Ctrl-C keeps what was gathered. With
    --merge, statistics that several machines gathered of one model become those of all their samples; --observer then
    changes what ranges are chosen by.
    """
    from ..calibration_runs import CalibrationRun, check_statistics_path

    remarks: list[Remark] = []
    if merge:
        statistics, code = _merged(paths, output, _given_observer(), force=force), DONE
    else:
        path, samples = _model_and_samples(paths, data)
        check_statistics_path(output, overwrite=force or resume)
        run = CalibrationRun(
            open_model(path),
            None if str(path) == STDIN else path,
            samples,
            output,
            settings,
            workers=workers,
            resume=resume,
            force=force,
            progress_shown=progress_shown,
        )
        outcome, code = run.run(remarks)
        if outcome is None:
            return code
        statistics = outcome
    _show(statistics, remarks, output, as_json=as_json)
    if strict and not code:
        _require_good_samples(remarks)
    return code


def _model_and_samples(paths: tuple[Path, ...], data: Path | None) -> tuple[Path, Path]:
    if len(paths) != 1:
        raise click.UsageError("give one MODEL" + ("; --merge takes several statistics" if paths else " and --data"))
    if data is None:
        raise click.UsageError("give --data: the samples to run the model on")
    return paths[0], data


def _given_observer() -> str | None:
    """The observer that merged statistics are to have, if one was asked for; refuses what only runs have."""
    context = click.get_current_context()
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    for option in context.command.params:
        if option.name in given - _OF_MERGES:
            raise click.UsageError(f"--merge runs no samples: leave {option.opts[0]} out")
    return context.params["observer"] if "observer" in given else None


def _merged(paths: tuple[Path, ...], output: Path, observer: str | None, *, force: bool) -> CalibrationStatistics:
    if len(paths) < 2:
        raise click.UsageError("--merge takes two statistics or more")
    from ...passes.analysis.calibration.statistics import CalibrationStatistics, merge
    from ..calibration_runs import check_statistics_path

    check_statistics_path(output, overwrite=force)
    statistics = merge(*map(CalibrationStatistics.load, paths))
    if observer is not None:
        statistics = statistics.with_observer(observer)
    statistics.save(output, overwrite=force)
    return statistics


def _show(statistics: CalibrationStatistics, remarks: list[Remark], output: Path, *, as_json: bool) -> None:
    from ..calibration_tables import as_plain_data, show_remarks, show_statistics

    if as_json:
        click.echo(json.dumps(as_plain_data(statistics, remarks) | {"output": str(output)}, indent=2))
    else:
        show_statistics(statistics, output)
        show_remarks(remarks)


def _require_good_samples(remarks: list[Remark]) -> None:
    from ...ir.errors import CheckFailure

    found = [
        each for each in remarks if (each.op_type, each.kind) == ("input", "missed") and each.code != "not-batched"
    ]
    if found:
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        raise CheckFailure(f"something is wrong with the samples: {found[0].message}{more}", hint="--strict was given")

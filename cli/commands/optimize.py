"""`milopt optimize`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import click

from .. import options
from ..calibration_runs import Named
from ..opening import open_model
from ..progress import Advance, progress, working


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .mlpackage to write.")
@click.option(
    "--target",
    help="Deployment target: iOS16, iOS17, iOS18, iOS26, or the macOS, watchOS, tvOS, visionOS "
    "name of the same release. Without it, the model's own.",
)
@click.option(
    "--scheme",
    default="w8",
    show_default=True,
    help="w8: int8 weights; w8a8: int8 activations as well, for models that run mostly on the Neural Engine; none: "
    "raise the opset only.",
)
@click.option("--dtype", help="Type of the codes of weights: int8 (default) or uint8.")
@click.option("--mode", help="Of weights: symmetric (default) or affine.")
@click.option("--granularity", help="Of weights: per-channel (default) or per-tensor.")
@click.option("--min-elements", help="Weights of at most this many elements stay (default 2048).")
@click.option("--data", type=click.Path(path_type=Path), help="Samples to calibrate on, as `milopt run` takes them.")
@click.option("--statistics", type=click.Path(path_type=str), help="What `milopt calibrate` wrote, in place of --data.")
@click.option("--observer", help="How ranges follow from statistics; see `milopt calibrate --help`.")
@click.option("--activation-mode", help="symmetric (default), affine, or unsigned-after-relu.")
@click.option(
    "--strict",
    is_flag=True,
    help="Fail, and write nothing, when nothing was compressed, no activation was though the scheme is for that, or "
    "something was missed.",
)
@options.force
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--timing", is_flag=True, help="Print the time of each pass to stderr.")
def optimize(
    model: Path,
    output: Path,
    *,
    target: str | None,
    scheme: str,
    data: Path | None,
    statistics: str | None,
    strict: bool,
    force: bool,
    as_json: bool,
    timing: bool,
    **options_of_passes: str | None,
) -> None:
    """Compress MODEL for a deployment target.

    Picks the pipeline of the target, raises the model's opset where needed (never lowers it), and says what was
    done: each weight, sizes before and after, and what was left alone and why.
    """
    from ...ir.package import package_size
    from ...ir.saving import check_output
    from ...passes.instrumentation.timing import Timing
    from ...passes.instrumentation.verify_each import VerifyEach
    from ...pipelines.optimize import optimize as run

    check_output(output, overwrite=force)
    clock = Timing()
    given = {name: value for name, value in options_of_passes.items() if value is not None}
    opened = open_model(model)
    samples = None if data is None else _samples(opened, data)
    with _shown(model, samples) as advance:
        result = run(
            opened,
            target=target,
            scheme=scheme,
            samples=samples,
            statistics=statistics,
            strict=strict,
            instrumentations=(clock, VerifyEach()),
            on_progress=advance,
            **given,
        )
        result.model.save(output, overwrite=force)
    report = attrs.evolve(result.report, package_bytes_after=package_size(output))
    if timing:
        click.echo(clock.report(), err=True)
    _show(report, output, as_json=as_json)


def _samples(model: Any, data: Path) -> Named[Any]:
    from ...passes.analysis.data_checks.surface import surface_of
    from ...runtime.surface.samples import samples_for

    inputs, _, _ = surface_of(model, None)
    return Named(samples_for(inputs, data), inputs)


@contextmanager
def _shown(model: Path, samples: Named[Any] | None) -> Iterator[Advance | None]:
    """Shows what takes time: the samples where there are any."""
    if samples is None:
        with working(f"optimizing {model.name}"):
            yield None
    else:
        with progress("calibrating", len(samples)) as advance:
            yield advance


def _show(report: Any, output: Path, *, as_json: bool) -> None:
    from ..calibration_tables import show_remarks

    if as_json:
        click.echo(json.dumps(report.as_json() | {"output": str(output)}, indent=2))
    else:
        from ..tables import show_report

        show_report(report, output)
    for what in report.lacking:
        click.echo(f"warning: {what}; --strict makes this an error", err=True)
    show_remarks(report.samples)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)

"""`milopt optimize`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import click

from .. import options
from ..opening import open_model
from ..progress import working


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .mlpackage to write.")
@click.option(
    "--target",
    help="Deployment target: iOS16, iOS17, iOS18, iOS26, or the macOS, watchOS, tvOS, visionOS "
    "name of the same release. Without it, the model's own.",
)
@click.option("--scheme", default="w8", show_default=True, help="w8: int8 weights; none: raise the opset only.")
@click.option("--dtype", help="Type of the codes: int8 (default) or uint8.")
@click.option("--mode", help="symmetric (default) or affine.")
@click.option("--granularity", help="per-channel (default) or per-tensor.")
@click.option("--min-elements", help="Weights of at most this many elements stay (default 2048).")
@click.option(
    "--strict",
    is_flag=True,
    help="Fail, and write nothing, when nothing was compressed or a weight was missed.",
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
    strict: bool,
    force: bool,
    as_json: bool,
    timing: bool,
    **weight_options: str | None,
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
    given = {name: value for name, value in weight_options.items() if value is not None}
    opened = open_model(model)
    with working(f"optimizing {model.name}"):
        result = run(
            opened,
            target=target,
            scheme=scheme,
            strict=strict,
            instrumentations=(clock, VerifyEach()),
            **given,
        )
        result.model.save(output, overwrite=force)
    report = attrs.evolve(result.report, package_bytes_after=package_size(output))
    if timing:
        click.echo(clock.report(), err=True)
    _show(report, output, as_json=as_json)


def _show(report: Any, output: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.as_json() | {"output": str(output)}, indent=2))
    else:
        from ..tables import show_report

        show_report(report, output)
    if not report.done and report.scheme != "none":
        click.echo("warning: nothing was compressed; --strict makes this an error", err=True)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)

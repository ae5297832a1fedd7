"""The command `mil-opt`: runs passes on a program, for authors of passes and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..ir.errors import PackageError, SaveError


@click.command("mil-opt", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.option(
    "--pass-pipeline",
    "pipeline",
    default="program()",
    help="Such as 'program(quantize-weights{min-elements=0})'.",
)
@click.option(
    "-o",
    "--output",
    default="-",
    show_default=True,
    help="An .mlpackage, a .mil file, or - for text to stdout.",
)
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
@click.option(
    "--weights",
    type=click.Choice(["elided", "inline"]),
    default="elided",
    show_default=True,
    help="Large constants in text: as digests, or element by element.",
)
@click.option("--remarks", is_flag=True, help="Print what the passes say to stderr.")
@click.option("--timing", is_flag=True, help="Print the time of each pass to stderr.")
@click.option("--verify-each/--no-verify-each", default=True, help="Verify after each pass.  [default: on]")
@click.option("--list-passes", is_flag=True, help="List milopt's passes and coremltools' own, and stop.")
@click.option("--dump-pass-pipeline", is_flag=True, help="Print the pipeline as text to stderr before it runs.")
@click.version_option(package_name="milopt", prog_name="mil-opt")
def mil_opt(
    source: Path | None,
    *,
    pipeline: str,
    output: str,
    force: bool,
    weights: str,
    remarks: bool,
    timing: bool,
    verify_each: bool,
    list_passes: bool,
    dump_pass_pipeline: bool,
) -> None:
    """Run a pass pipeline on the ML programs of INPUT, an .mlpackage."""
    from ..passes.instrumentation import Instrumentation, Timing, VerifyEach
    from ..passes.manager import PassManager
    from ..passes.pipeline_text import parse_pipeline

    if list_passes:
        _list_passes()
        return
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    parsed = parse_pipeline(pipeline)
    _check_output(output, force=force)
    if dump_pass_pipeline:
        click.echo(str(parsed), err=True)
    model, clock = _load(source), Timing()
    around: list[Instrumentation] = [clock, *([VerifyEach()] if verify_each else [])]
    for stage in model.stages:
        result = PassManager(parsed, around).run(stage.program, in_place=True)
        for remark in result.remarks if remarks else ():
            click.echo(str(remark), err=True)
    if timing:
        click.echo(clock.report(), err=True)
    _write(model, output, weights=weights, force=force)


def _list_passes() -> None:
    from ..passes.coremltools_passes import coremltools_pass_ids
    from ..passes.registry import pass_names

    click.echo("\n".join([*pass_names(), *coremltools_pass_ids()]))


def _load(source: Path) -> Any:
    from ..ir.opening import load

    if source.suffix == ".mil" or str(source) == "-":
        raise PackageError("MIL text can be printed but not read yet", where=source, hint="give an .mlpackage")
    return load(source)


def _check_output(output: str, *, force: bool) -> None:
    """Before anything runs: minutes of work must not end at a name."""
    from ..ir.saving import check_output

    if output == "-":
        return
    path = Path(output)
    if path.suffix not in (".mil", ".mlpackage"):
        raise SaveError("the output must end in .mil or .mlpackage, or be -", where=output)
    check_output(path, overwrite=force, suffix=path.suffix)


def _write(model: Any, output: str, *, weights: str, force: bool) -> None:
    from ..ir.saving import write_text
    from ..ir.text.printer import print_program

    if output.endswith(".mlpackage"):
        model.save(output, overwrite=force)
        return
    text = "// -----\n".join(
        print_program(stage.program, weights=weights)  # type: ignore[arg-type]
        for stage in model.stages
    )
    if output == "-":
        click.echo(text, nl=False)
    else:
        write_text(Path(output), text, overwrite=force)

"""The command `mil-opt`: runs passes on a program, for authors of passes and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from .exit_codes import DONE
from .opt.checks import Checks, check_options
from .opt.grouped import GroupedCommand
from .opt.instrument_options import instrument_options
from .opt.modes import refuse_idle_options
from .opt.numerics import NumericSettings, numeric_options
from .opt.output import Output, output_options
from .opt.reduce_options import ReduceSettings, reduce_options
from .opt.reproducing import ReproducerSettings, reproducer_options
from .option_types import at_most_once

if TYPE_CHECKING:
    from ..passes.pipeline import Pipeline
    from .opt.instrument_flags import InstrumentFlags
    from .opt.units import Unit


@click.command("mil-opt", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.option(
    "--pass-pipeline",
    "pipeline",
    multiple=True,
    callback=at_most_once,
    help="Such as 'program(quantize-weights{min-elements=0})'; without it, nothing runs.",
)
@output_options
@click.option("--split-input-file", "split", is_flag=True, help="Work on each part of a text between // ----- alone.")
@click.option(
    "--verify-diagnostics",
    is_flag=True,
    help="Check that the text's comments, such as // expected-error@+1 {{message}}, tell all errors, and no others; "
    "with --remarks, the remarks as well.",
)
@check_options
@numeric_options
@instrument_options
@reproducer_options
@reduce_options
@click.option("--list-passes", is_flag=True, help="List milopt's passes and coremltools' own, and stop.")
@click.option("--list-pipelines", is_flag=True, help="List the named pipelines, and stop.")
@click.option("--dump-pass-pipeline", is_flag=True, help="Print the pipeline as text to stderr before it runs.")
@click.version_option(package_name="milopt", prog_name="mil-opt")
def mil_opt(
    source: Path | None,
    *,
    pipeline: str | None,
    output: Output,
    split: bool,
    verify_diagnostics: bool,
    checks: Checks,
    numerics: NumericSettings,
    flags: InstrumentFlags,
    reproducing: ReproducerSettings,
    reducing: ReduceSettings,
    list_passes: bool,
    list_pipelines: bool,
    dump_pass_pipeline: bool,
) -> int | None:
    """Run a pass pipeline on the ML programs of INPUT.

    INPUT is an .mlpackage, a compiled .mlmodelc, MIL text in a .mil file, or - for text from stdin. Without a pipeline
    it is only read, verified and written: a compiled model or a text becomes a package so.
    """
    if list_passes or list_pipelines:
        return _list(passes=list_passes, pipelines=list_pipelines)
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    refuse_idle_options(click.get_current_context())
    if reducing.reduce is not None:
        return _reduce(source, output, reducing)
    task = _task(source, pipeline, checks, reproducing, split=split)
    if dump_pass_pipeline:
        click.echo(str(task.pipeline), err=True)
    if numerics.bisect:
        return _bisect(task, numerics, output, as_json=flags.json)
    return _run(task, output, flags, reproducing, numerics, expects_diagnostics=verify_diagnostics)


@attrs.frozen
class _Task:
    """What is to be run.

    Attributes:
        units: on what.
        text: of the pipeline.
        pipeline: the same, parsed.
        checks: what can fail it.
    """

    units: list[Unit]
    text: str
    pipeline: Pipeline
    checks: Checks


def _task(source: Path, text: str | None, checks: Checks, reproducing: ReproducerSettings, *, split: bool) -> _Task:
    """What the command line says, or a reproducer in its place."""
    from ..ir.text.source import Source
    from ..pipelines.text import parse_pipeline
    from .opt.units import units_of

    if not reproducing.run_reproducer:
        text = "program()" if text is None else text
        parsed = parse_pipeline(Source(text, "--pass-pipeline"))
        return _Task(units_of(source, split=split), text, parsed, checks)
    units = units_of(source, split=split)
    said = reproducing.reproducer(units[0])
    parsed = parse_pipeline(Source(said.pipeline, f"the pipeline of {units[0].name}"))
    return _Task(units, said.pipeline, parsed, Checks.of_flags(said.flags, said.rewrite_limit))


def _bisect(task: _Task, numerics: NumericSettings, output: Output, *, as_json: bool) -> int:
    from .opt.bisecting import bisect_units

    return bisect_units(task.units, task.pipeline, numerics, output.reading, text=task.text, as_json=as_json)


def _run(
    task: _Task,
    output: Output,
    flags: InstrumentFlags,
    reproducing: ReproducerSettings,
    numerics: NumericSettings,
    *,
    expects_diagnostics: bool,
) -> int | None:
    from .opt.instruments import Instruments
    from .opt.running import Run

    output.check()
    run = Run(
        pipeline=task.pipeline,
        output=output,
        instruments=Instruments(flags),
        checks=task.checks,
        # A text that says which failures it expects wants no files of them.
        reproducer=reproducing.new_instrumentation(task.checks, force=output.force, unasked=not expects_diagnostics),
        numerics=numerics.new_check(),
        expects_diagnostics=expects_diagnostics,
    )
    return run.do(task.units)


def _list(*, passes: bool, pipelines: bool) -> int:
    from ..passes.foreign.passes import coremltools_pass_ids
    from .commands.listings import pass_listing, pipeline_listing

    found = [pass_listing(), *coremltools_pass_ids()] if passes else []
    click.echo("\n".join([*found, *([pipeline_listing()] if pipelines else [])]))
    return DONE


def _reduce(source: Path, output: Output, reducing: ReduceSettings) -> int:
    from .opt.reducing import reduce_command

    output.check()
    return reduce_command(
        source,
        reducing.reduce or "",
        output.output,
        match=reducing.reduce_match,
        timeout=reducing.reduce_timeout,
        weights=output.weights,
        force=output.force,
        missing_weights=output.reading,
    )

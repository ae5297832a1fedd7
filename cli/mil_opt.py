"""The command `mil-opt`: runs passes on a program, for authors of passes and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .exit_codes import DONE
from .opt.checks import Checks, check_options
from .opt.grouped import GroupedCommand
from .opt.instrument_options import instrument_options
from .opt.numerics import NumericSettings, numeric_options
from .opt.output import Output, output_options
from .opt.reduce_options import ReduceSettings, reduce_options
from .opt.reproducing import ReproducerSettings, reproducer_options

if TYPE_CHECKING:
    from ..passes.pipeline import Pipeline
    from .opt.instrument_flags import InstrumentFlags


@click.command("mil-opt", cls=GroupedCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.option(
    "--pass-pipeline",
    "pipeline",
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
    from .opt.instruments import Instruments
    from .opt.running import Run
    from .opt.units import units_of

    if list_passes or list_pipelines:
        return _list(passes=list_passes, pipelines=list_pipelines)
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    if reducing.reduce is not None:
        if pipeline is not None or split or reproducing.run_reproducer:
            raise click.UsageError("--reduce takes no pipeline and no parts of a text: its command names them")
        return _reduce(source, output, reducing)
    said = reproducing.reproducer(source)
    if said is not None:
        if pipeline is not None:
            raise click.UsageError("--run-reproducer takes the pipeline from INPUT")
        pipeline, checks = said.pipeline, Checks.of_flags(said.flags, said.rewrite_limit)
    parsed = _parse(pipeline)
    output.check()
    instruments = Instruments(flags)
    if dump_pass_pipeline:
        click.echo(str(parsed), err=True)
    if numerics.bisect:
        from .opt.bisecting import bisect_units

        return bisect_units(units_of(source, split=split), parsed, numerics, output.reading, as_json=flags.json)
    run = Run(
        pipeline=parsed,
        output=output,
        instruments=instruments,
        checks=checks,
        reproducer=reproducing.new_instrumentation(
            checks.verifiers, checks.flags, checks.rewrite_limit, force=output.force
        ),
        numerics=numerics.new_check(),
        expects_diagnostics=verify_diagnostics,
    )
    return run.do(units_of(source, split=split))


def _parse(pipeline: str | None) -> Pipeline:
    from ..ir.text.source import Source
    from ..pipelines.text import parse_pipeline

    return parse_pipeline(Source("program()" if pipeline is None else pipeline, "--pass-pipeline"))


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

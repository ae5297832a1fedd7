"""The command `mil-opt`: runs passes on a program, for authors of passes and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..ir.diagnostics import TextError
from ..ir.errors import CheckFailure, SaveError
from . import options, reduce_options
from .instrument_options import instrument_options
from .optional_values import OptionalValueCommand
from .reducing import reduce_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir.model import Model
    from ..ir.text.printer import Weights
    from ..ir.weights.store import MissingWeights
    from ..passes.instrumentation.base import Instrumentation
    from .instruments import Instruments
    from .units import Work

STDOUT = "-"


@click.command("mil-opt", cls=OptionalValueCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.option(
    "--pass-pipeline",
    "pipeline",
    help="Such as 'program(quantize-weights{min-elements=0})'; without it, nothing runs.",
)
@click.option(
    "-o",
    "--output",
    default=STDOUT,
    show_default=True,
    help="An .mlpackage, a .mil file, or - for text to stdout.",
)
@options.force
@click.option(
    "--weights",
    type=click.Choice(["elided", "inline"]),
    help="Large constants in text: as digests, or element by element. Without it, stdout gets digests, and a .mil "
    "file gets a weight file beside it.",
)
@options.missing_weights
@options.allow_missing_weights
@click.option("--split-input-file", "split", is_flag=True, help="Work on each part of a text between // ----- alone.")
@click.option(
    "--verify-diagnostics",
    is_flag=True,
    help="Check that the text's comments, such as // expected-error@+1 {{message}}, tell all errors, and no others; "
    "with --remarks, the remarks as well.",
)
@instrument_options
@click.option("--verify-each/--no-verify-each", default=True, help="Verify after each pass.  [default: on]")
@click.option(
    "--verify-claims",
    is_flag=True,
    help="Check what passes say of themselves: that nothing changed, or that an analysis still holds. Slow.",
)
@click.option("--rewrite-limit", type=click.IntRange(min=0), metavar="N", help="Stop rewriting after N rewrites.")
@reduce_options.command
@reduce_options.match
@reduce_options.timeout
@click.option("--list-passes", is_flag=True, help="List milopt's passes and coremltools' own, and stop.")
@click.option("--list-pipelines", is_flag=True, help="List the named pipelines, and stop.")
@click.option("--dump-pass-pipeline", is_flag=True, help="Print the pipeline as text to stderr before it runs.")
@click.version_option(package_name="milopt", prog_name="mil-opt")
def mil_opt(
    source: Path | None,
    *,
    pipeline: str | None,
    output: str,
    force: bool,
    weights: Weights | None,
    missing_weights: MissingWeights,
    allow_missing_weights: bool,
    split: bool,
    verify_diagnostics: bool,
    instruments: Instruments,
    verify_each: bool,
    verify_claims: bool,
    rewrite_limit: int | None,
    reduce: str | None,
    reduce_match: str | None,
    reduce_timeout: float | None,
    list_passes: bool,
    list_pipelines: bool,
    dump_pass_pipeline: bool,
) -> int | None:
    """Run a pass pipeline on the ML programs of INPUT.

    INPUT is an .mlpackage, a compiled .mlmodelc, MIL text in a .mil file, or - for text from stdin. Without a pipeline
    it is only read, verified and written: a compiled model or a text becomes a package so.
    """
    from ..ir.text.source import Source
    from ..pipelines.text import parse_pipeline
    from .units import run_unit, units_of

    if list_passes or list_pipelines:
        return _list(passes=list_passes, pipelines=list_pipelines)
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    missing: MissingWeights = "zeros" if allow_missing_weights else missing_weights
    if reduce is not None:
        if pipeline is not None or split:
            raise click.UsageError("--reduce takes no pipeline and no split input: name them in its command.")
        _check_output(output, force=force)
        return reduce_command(
            source,
            reduce,
            output,
            match=reduce_match,
            timeout=reduce_timeout,
            weights=weights,
            force=force,
            missing_weights=missing,
        )
    if reduce_match is not None or reduce_timeout is not None:
        raise click.UsageError("--reduce-match and --reduce-timeout need --reduce.")
    parsed = parse_pipeline(Source("program()" if pipeline is None else pipeline, "--pass-pipeline"))
    _check_output(output, force=force)
    if dump_pass_pipeline:
        click.echo(str(parsed), err=True)
    checks = _checks(verify_each=verify_each, verify_claims=verify_claims, rewrite_limit=rewrite_limit)
    around = instruments.instrumentations(*checks, with_remarks=not verify_diagnostics)
    try:
        done = [run_unit(unit, parsed, around, missing, instruments) for unit in units_of(source, split=split)]
        if verify_diagnostics:
            _check_diagnostics(done, instruments)
        else:
            _raise_errors(done)
        with instruments.phase("writing"):
            _write(done, output, weights=weights, force=force, allow_missing_weights=allow_missing_weights)
    finally:
        instruments.report()
    return None


def _checks(*, verify_each: bool, verify_claims: bool, rewrite_limit: int | None) -> tuple[Instrumentation, ...]:
    from ..passes.instrumentation.rewrite_limit import RewriteLimit
    from ..passes.instrumentation.verify_claims import VerifyClaims
    from ..passes.instrumentation.verify_each import VerifyEach

    chosen: tuple[Instrumentation | None, ...] = (
        RewriteLimit(rewrite_limit) if rewrite_limit is not None else None,
        VerifyClaims() if verify_claims else None,
        VerifyEach() if verify_each else None,
    )
    return tuple(each for each in chosen if each is not None)


def _list(*, passes: bool, pipelines: bool) -> None:
    from ..passes.coremltools_passes import coremltools_pass_ids
    from .commands.listings import pass_listing, pipeline_listing

    found = [pass_listing(), *coremltools_pass_ids()] if passes else []
    click.echo("\n".join([*found, *([pipeline_listing()] if pipelines else [])]))


def _check_output(output: str, *, force: bool) -> None:
    """Before anything runs: minutes of work must not end at a name."""
    from ..ir.saving import check_output

    if output == STDOUT:
        return
    path = Path(output)
    if path.suffix not in (".mil", ".mlpackage"):
        raise SaveError("the output must end in .mil or .mlpackage, or be -", where=output)
    check_output(path, overwrite=force, suffix=path.suffix)


def _raise_errors(done: Sequence[Work]) -> None:
    """Raises what went wrong in any unit, with its places in the text."""
    failed = [work for work in done if work.error is not None]
    if len(failed) == 1 and failed[0].error is not None and failed[0].unit.text is None:
        raise failed[0].error
    if failed:
        raise TextError([each for work in failed for each in work.diagnostics(lambda _: False)])


def _check_diagnostics(done: Sequence[Work], instruments: Instruments) -> None:
    """Raises `CheckFailure` unless each text expects exactly the diagnostics that it gives."""
    from ..ir.text.expectations import unmet

    wrong = []
    for work in done:
        found = work.diagnostics(instruments.accepts)
        wrong += found if work.unit.text is None else list(unmet(work.unit.text, found))
    for diagnostic in wrong:
        click.echo(diagnostic.render(), err=True)
    if wrong:
        raise CheckFailure(f"{len(wrong)} diagnostic{'s are' if len(wrong) > 1 else ' is'} not as expected")


def _tell_what_is_lost(models: Sequence[Model], output: str) -> None:
    """Text holds programs alone."""
    from ..ir.descriptions.describing import tells_everything

    for model in models:
        if not model.origin.is_bare and not all(tells_everything(stage.specification) for stage in model.stages):
            lost = "images, bounds of shapes or optional inputs"
            click.echo(f"note: {output} holds the program alone; {lost} of the description are not in it", err=True)


def _write(
    done: Sequence[Work], output: str, *, weights: Weights | None, force: bool, allow_missing_weights: bool
) -> None:
    from ..ir.text.printer import print_program
    from ..ir.text.writing import joined, write_program_text

    models = [work.model for work in done if work.model is not None and work.error is None]
    programs = [stage.program for model in models for stage in model.stages]
    if output == STDOUT:
        click.echo(joined(print_program(program, weights=weights or "elided") for program in programs), nl=False)
    elif output.endswith(".mil"):
        _tell_what_is_lost(models, output)
        write_program_text(
            Path(output), programs, weights=weights, overwrite=force, allow_missing_weights=allow_missing_weights
        )
    elif len(models) == 1:
        models[0].save(output, overwrite=force, allow_missing_weights=allow_missing_weights)
    else:
        raise SaveError(f"{len(models)} parts do not fit into one package", where=output, hint="write a .mil file")

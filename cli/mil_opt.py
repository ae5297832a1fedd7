"""The command `mil-opt`: runs passes on a program, for authors of passes and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..ir.diagnostics import TextError
from ..ir.errors import CheckFailure, SaveError
from . import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ir.model import Model
    from ..ir.text.printer import Weights
    from ..ir.weights.store import MissingWeights
    from .units import Work

STDOUT = "-"


@click.command("mil-opt", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("source", metavar="INPUT", required=False, type=click.Path(path_type=Path))
@click.option(
    "--pass-pipeline",
    "pipeline",
    default="program()",
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
    weights: Weights | None,
    missing_weights: MissingWeights,
    allow_missing_weights: bool,
    split: bool,
    verify_diagnostics: bool,
    remarks: bool,
    timing: bool,
    verify_each: bool,
    list_passes: bool,
    dump_pass_pipeline: bool,
) -> None:
    """Run a pass pipeline on the ML programs of INPUT.

    INPUT is an .mlpackage, a compiled .mlmodelc, MIL text in a .mil file, or - for text from stdin. Without a pipeline
    it is only read, verified and written: a compiled model or a text becomes a package so.
    """
    from ..passes.instrumentation.base import Instrumentation
    from ..passes.instrumentation.timing import Timing
    from ..passes.instrumentation.verify_each import VerifyEach
    from ..passes.pipeline_text import parse_pipeline
    from .units import run_unit, units_of

    if list_passes:
        _list_passes()
        return
    if source is None:
        raise click.UsageError("Missing argument 'INPUT'.")
    parsed = parse_pipeline(pipeline)
    _check_output(output, force=force)
    if dump_pass_pipeline:
        click.echo(str(parsed), err=True)
    clock = Timing()
    around: list[Instrumentation] = [clock, *([VerifyEach()] if verify_each else [])]
    missing: MissingWeights = "zeros" if allow_missing_weights else missing_weights
    done = [run_unit(unit, parsed, around, missing) for unit in units_of(source, split=split)]
    if remarks and not verify_diagnostics:
        click.echo("".join(f"{remark}\n" for work in done for remark in work.remarks), err=True, nl=False)
    if timing:
        click.echo(clock.report(), err=True)
    if verify_diagnostics:
        _check_diagnostics(done, with_remarks=remarks)
    else:
        _raise_errors(done)
    _write(done, output, weights=weights, force=force, allow_missing_weights=allow_missing_weights)


def _list_passes() -> None:
    from ..passes.coremltools_passes import coremltools_pass_ids
    from ..passes.registry import pass_names

    click.echo("\n".join([*pass_names(), *coremltools_pass_ids()]))


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
        raise TextError([each for work in failed for each in work.diagnostics(with_remarks=False)])


def _check_diagnostics(done: Sequence[Work], *, with_remarks: bool) -> None:
    """Raises `CheckFailure` unless each text expects exactly the diagnostics that it gives."""
    from ..ir.text.expectations import unmet

    wrong = []
    for work in done:
        found = work.diagnostics(with_remarks=with_remarks)
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

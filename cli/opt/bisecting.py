"""`mil-opt --bisect`: finds the pass and the single rewrite that go wrong, and says how to see them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...ir.errors import CheckFailure
from ..exit_codes import DONE
from ..progress import working
from .numerics import NumericSettings

if TYPE_CHECKING:
    from ...ir.weights.store import MissingWeights
    from ...passes.pipeline import Pipeline
    from ...passes.proving.bisection import Culprit
    from .units import Unit


def bisect_units(
    units: Iterable[Unit],
    pipeline: Pipeline,
    settings: NumericSettings,
    missing_weights: MissingWeights,
    *,
    text: str,
    as_json: bool = False,
) -> int:
    """Looks for the culprit in each program of each unit, and prints the first to stdout.

    Args:
        units: what to run on.
        pipeline: what to run.
        settings: of the numeric check.
        missing_weights: see `milopt.load`.
        text: of the pipeline, as it was given.
        as_json: print it for machines.

    Returns:
        The exit code if there is no culprit.

    Raises:
        CheckFailure: there is a culprit.
        PassFailure: `min_sqnr` is given, and a pass fails.
        RunError: a program can not be run, or does not take the samples.
    """
    models = [(unit.path, unit.open(missing_weights)) for unit in units]
    programs = [(path, program) for path, model in models for program in model.programs.values()]
    for index, (path, program) in enumerate(programs):
        found = _bisect(program, pipeline, settings)
        if found is not None:
            place = None if len(programs) == 1 else f"{index} of {path}"
            command = _command(path, text, (*_reading(missing_weights), *settings.flags))
            _fail(found, settings, _json(found) if as_json else _report(found, command, place))
    if as_json:
        click.echo(json.dumps({"culprit": None}))
        return DONE
    limit = f"every output stays at {settings.min_sqnr:g} dB or above" if settings.min_sqnr is not None else None
    click.echo(f"no culprit: {limit or 'every pass runs, and leaves a valid program'}")
    return DONE


def _bisect(program: Any, pipeline: Pipeline, settings: NumericSettings) -> Culprit | None:
    from ...passes.proving.bisection import bisect

    if settings.min_sqnr is None:
        return bisect(program, pipeline, working=working)
    with working("running the program before the passes"):
        reference = settings.reference(program)
    return bisect(program, pipeline, reference, min_sqnr=settings.min_sqnr, working=working)


def _json(found: Culprit) -> str:
    return json.dumps({"culprit": found.as_json()}, indent=2)


def _fail(found: Culprit, settings: NumericSettings, report: str) -> None:
    """Prints the culprit, and raises."""
    click.echo(report)
    limit = "" if settings.min_sqnr is None else f"moves an output below {settings.min_sqnr:g} dB: "
    raise CheckFailure(limit + found.after.words, where=_subject(found))


def _command(path: Path, text: str, flags: Iterable[str]) -> str:
    words = shlex.join(flags)
    return f"mil-opt {shlex.quote(str(path))} --pass-pipeline={shlex.quote(text)}" + (f" {words}" if words else "")


def _reading(missing_weights: MissingWeights) -> tuple[str, ...]:
    return () if missing_weights == "error" else (f"--missing-weights={missing_weights}",)


def _report(found: Culprit, command: str, place: str | None) -> str:
    """The culprit for people; `place` says in which of several programs it is."""
    from ...passes.proving.fidelity import decibels

    lines = [] if place is None else [f"program:       {place}"]
    lines += [f"first pass:    {found.path.removeprefix('program/')}"]
    if found.rewrite is not None:
        number = f"number {found.number}, {found.number_in_pass} of {found.count_in_pass} of the pass"
        lines += [f"first rewrite: {found.rewrite}", f"               {number}"]
    elif found.count_in_pass:
        lines += ["first rewrite: none: the pass does it without any of its rewrites"]
    if found.before.sqnr_db is not None:
        lines += [f"before it:     {decibels(found.before.sqnr_db)}"]
    lines += [f"after it:      {found.after.words}"]
    if found.number is not None and place is None:  # rewrites are counted over all programs of a run
        limits = (found.number - 1, found.number)
        lines += ["to see it:", *(f"  {command} --rewrite-limit={limit}" for limit in limits)]
    return "\n".join(lines)


def _subject(found: Culprit) -> str:
    return f"pass '{found.pass_text}'" if found.rewrite is None else f"rewrite {found.number}, {found.rewrite}"

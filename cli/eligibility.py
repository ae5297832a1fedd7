"""Which quantization schemes fit a model, as tables for people and as JSON: `milopt inspect --target`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import click

if TYPE_CHECKING:
    from ..ir.model import Model
    from ..ir.model_parts import Stage
    from ..ir.targets import Opset
    from ..passes.analysis.eligibility.chips import Chip
    from ..passes.analysis.eligibility.records import OpEligibility, Verdict

_WORDS = {"eligible": "yes", "advised-against": "unwise", "not-encodable": "no", "not-applicable": "-"}
_KEY = "yes: it fits. unwise: it can be encoded, and is advised against. no: it can not. -: there is nothing to do."


@attrs.frozen
class Question:
    """What is asked about schemes.

    Attributes:
        target: the deployment target's opset.
        compute_unit: where the model is meant to run.
        chip: that it is meant to run on; None for any.
        statistics: a file of `milopt calibrate`; None leaves ranges out.
        every: list ops as well that no scheme concerns.
    """

    target: Opset
    compute_unit: str
    chip: Chip | None
    statistics: Path | None
    every: bool

    @classmethod
    def of(cls, target: str, compute_unit: str, chip: str | None, statistics: Path | None, *, every: bool) -> Self:
        """A question in the words of the command line.

        Raises:
            TargetError: there is no such target.
            OptionError: there is no such chip.
        """
        from ..ir.targets import parse_target
        from ..passes.analysis.eligibility.chips import parse_chip

        known = None if chip is None else parse_chip(chip)
        return cls(parse_target(target), compute_unit, known, statistics, every)


def answer(question: Question, model: Model, stages: Sequence[Stage], function: str | None, *, as_json: bool) -> str:
    """The answer as text.

    Args:
        question: see `Question`.
        model: the model.
        stages: those of it that are asked about.
        function: only this one; without it, all.
        as_json: as JSON, and not as tables.
    """
    if question.statistics is not None and len(stages) > 1:
        raise click.UsageError("--statistics belong to one program: choose it with --stage")
    found = {stage.label: _judged(question, model, stage, function) for stage in stages}
    if as_json:
        return json.dumps(_as_json(question, model, found), indent=2)
    lines = [_title(question, model)]
    for label, ops in found.items():
        lines += [f"stage {label}"] if label else []
        lines += _lines(ops, every=question.every)
    return "\n".join(lines)


def _judged(question: Question, model: Model, stage: Stage, function: str | None) -> list[OpEligibility]:
    from ..ir.errors import TargetError
    from ..passes.analysis.eligibility.judging import eligibility_of

    statistics = _statistics(question.statistics, stage.program)
    try:
        found = eligibility_of(stage.program, question.target, question.compute_unit, question.chip, statistics)
    except TargetError as error:
        error.where = error.where or model.name
        raise
    return [op for op in found if function in (None, op.function)]


def _statistics(path: Path | None, program: Any) -> Any:
    if path is None:
        return None
    from ..passes.analysis.calibration.statistics import CalibrationStatistics

    statistics = CalibrationStatistics.load(path)
    statistics.require_fits(program)
    return statistics


def _title(question: Question, model: Model) -> str:
    chip = f", chip {question.chip}" if question.chip else ""
    return f"{model.name}, target {question.target}, compute unit {question.compute_unit}{chip}"


def _as_json(question: Question, model: Model, found: dict[str, list[OpEligibility]]) -> dict[str, Any]:
    from ..passes.analysis.eligibility.summary import reasons, summarize

    programs = [
        {
            "stage": label,
            "ops": [op.as_json() for op in ops if question.every or op.is_concerned],
            "schemes": [summary.as_json() for summary in summarize(ops)],
            "reasons": [reason.as_json() for reason in reasons(ops)],
        }
        for label, ops in found.items()
    ]
    chip = None if question.chip is None else question.chip.name
    asked = {"target": question.target.ios, "compute_unit": question.compute_unit, "chip": chip}
    return {"model": model.name, **asked, "programs": programs}


def _lines(ops: Sequence[OpEligibility], *, every: bool) -> Iterator[str]:
    listed = [op for op in ops if every or op.is_concerned]
    yield ""
    yield from _table(listed)
    if len(listed) < len(ops):
        yield f"and {_ops(len(ops) - len(listed))} that no scheme concerns"
    yield ""
    yield from _schemes(ops)
    yield ""
    yield _KEY
    yield from _legend(ops)


def _table(ops: Sequence[OpEligibility]) -> list[str]:
    from ..passes.analysis.eligibility.schemes import SCHEMES
    from .model_text import aligned

    names = [scheme.name for scheme in SCHEMES]
    several = len({op.function for op in ops}) > 1
    rows = [_row(op, names, several=several) for op in ops]
    return aligned([["op", "type", *names], *rows])


def _row(op: OpEligibility, schemes: Sequence[str], *, several: bool) -> list[str]:
    places = (*([op.function] if several else []), *op.blocks, op.op)
    return ["/".join(places), op.op_type, *(_cell(op.verdicts[scheme]) for scheme in schemes)]


def _cell(verdict: Verdict) -> str:
    """`yes`, or another word with the code of the rule, which the legend explains."""
    word = _WORDS[verdict.level]
    return word if verdict.level == "not-applicable" or verdict.code == "fits" else f"{word}: {verdict.code}"


def _schemes(ops: Sequence[OpEligibility]) -> list[str]:
    from ..passes.analysis.eligibility.schemes import SCHEMES
    from ..passes.analysis.eligibility.summary import summarize
    from .model_text import aligned
    from .tables import format_bytes

    rows = [["scheme", "yes", "unwise", "no", "weights", "what it means"]]
    for scheme, found in zip(SCHEMES, summarize(ops), strict=True):
        counts = [str(found.ops[level]) for level in ("eligible", "advised-against", "not-encodable")]
        sizes = f"{format_bytes(found.weight_bytes)} -> {format_bytes(found.bytes_after)}"
        rows.append([scheme.name, *counts, sizes if scheme.kind == "weight" else "", scheme.summary])
    return aligned(rows)


def _legend(ops: Sequence[OpEligibility]) -> Iterator[str]:
    from ..passes.analysis.eligibility.summary import reasons

    for reason in reasons(ops):
        verdict = reason.verdict
        advice = f" [{verdict.suggestion}]" if verdict.suggestion else ""
        yield f"{verdict.code} ({_ops(reason.count)}, first {reason.op}): {verdict.reason}{advice}"
        yield f"    source {verdict.reliability}: {verdict.source}"


def _ops(count: int) -> str:
    return f"{count} op{'' if count == 1 else 's'}"

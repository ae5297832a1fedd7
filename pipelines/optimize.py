"""`optimize`: a model in, a smaller model for a deployment target out, and a report of what was done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from ..ir.errors import CheckFailure, TargetError
from ..ir.model import Model
from ..ir.opening import load
from ..ir.targets import Opset, parse_target
from ..passes.analysis.calibration.statistics import CalibrationStatistics
from ..passes.instrumentation.base import Instrumentation
from ..passes.instrumentation.verify_each import VerifyEach
from ..passes.manager import PassManager
from ..passes.remarks import Remark
from ..passes.transforms.quantize_weights import QuantizeWeights
from .by_target import pipeline_for
from .data import Data
from .open_options import configured_passes
from .report import Report
from .schemes import KNOWN_RISKS, scheme_named


@attrs.frozen
class Optimization:
    """A changed model and what was done to it; the model that came in is as it was.

    Attributes:
        model: the new model; `model.save` writes it.
        report: see `Report`.
    """

    model: Model
    report: Report


def optimize(  # noqa: PLR0913 - each is a choice of its own
    model: Model | str | os.PathLike[str],
    *,
    target: str | None = None,
    scheme: str = "w8",
    samples: Iterable[Any] | None = None,
    statistics: CalibrationStatistics | str | os.PathLike[str] | None = None,
    strict: bool = False,
    instrumentations: Sequence[Instrumentation] | None = None,
    on_progress: Callable[[int], None] | None = None,
    **options: Any,
) -> Optimization:
    """Compresses a model with the pipeline of a deployment target.

    Args:
        model: from `load`, or the path of one; it is not changed.
        target: such as `iOS17` or `macOS15`; the model's own when not given.
        scheme: `w8` (int8 weights per output channel), `w8a8` (activations as well), or `none` (raise the opset only).
        samples: what to calibrate on, for schemes that need it; see `calibrate`.
        statistics: in place of samples: what `calibrate` gave, or the file that it was saved in.
        strict: fail when nothing was compressed, or something was not that could have been.
        instrumentations: what runs around each pass; by default the verifier.
        on_progress: called with the number of samples that are done.
        options: of the scheme's passes, such as `dtype`, `observer`, `activation_mode`; see `milopt pipelines NAME`.

    Raises:
        TargetError: the target is unknown, older than the model, or can not encode the scheme.
        OptionError: an option does not exist or does not take the value, or samples are missing or not used.
        RunError: a sample does not fit the model.
        PassFailure: a pass failed.
        CheckFailure: `strict` did not hold.
    """
    from ..ir.sizes import weight_bytes

    if not isinstance(model, Model):
        model = load(model)
    opset = model.opset if target is None else parse_target(target)
    _require_possible(model, opset, scheme, options)
    data = Data(samples, statistics, on_progress)
    passes = configured_passes(scheme, options | data.options_for(scheme_named(scheme), model, options))
    pipeline = pipeline_for(opset, scheme, passes=passes)
    result = model.copy()  # constants are shared with the model that came in
    before = weight_bytes(*result.programs.values())
    remarks = _run(result, PassManager(pipeline, (VerifyEach(),) if instrumentations is None else instrumentations))
    report = Report(
        model=model.name,
        opset_before=str(model.opset),
        target=str(opset),
        scheme=scheme,
        pipeline=str(pipeline),
        remarks=remarks,
        notes=_notes(opset, scheme, passes.weight) if any(r.kind == "passed" for r in remarks) else (),
        weight_bytes_before=before,
        weight_bytes_after=weight_bytes(*result.programs.values()),
        samples=tuple(data.remarks),
        package_bytes_before=model.package.size if model.package else None,
    )
    if strict and report.scheme != "none":
        _require_strict(report)
    return Optimization(result, report)


def _require_possible(model: Model, target: Opset, scheme: str, options: Mapping[str, Any]) -> None:
    """What can be told before any sample runs."""
    pipeline_for(target, scheme, passes=configured_passes(scheme_named(scheme).name, options))
    if model.opset > target:
        raise TargetError(
            f"the model needs {model.opset}; it can not be lowered to {target}",
            where=model.name,
            hint=f"choose {model.opset} or a later target, or convert the model anew for {target}",
        )


def _run(model: Model, manager: PassManager) -> tuple[Remark, ...]:
    """Runs the pipeline on every program of a model, in place."""
    runs = ((stage.label, manager.run(stage.program, in_place=True)) for stage in model.stages)
    return tuple(_at_stage(remark, label) for label, run in runs for remark in run.remarks)


def _at_stage(remark: Remark, label: str) -> Remark:
    """In a pipeline several programs have a function of the same name."""
    return attrs.evolve(remark, function=f"{label}/{remark.function}") if label else remark


def _notes(target: Opset, scheme: str, weights: QuantizeWeights) -> tuple[str, ...]:
    """What is to be known about a result: the scheme's advice, and faults of the systems that run it."""
    concerned = (
        risk
        for risk in KNOWN_RISKS
        if scheme in risk.schemes and (risk.dtype, risk.mode) == (weights.dtype, weights.mode) and target < risk.before
    )
    advice = scheme_named(scheme).advice
    return (*([advice] if advice else []), *(f"{risk.id}: {risk.text} ({risk.source})" for risk in concerned))


def _require_strict(report: Report) -> None:
    if report.lacking:
        raise CheckFailure(report.lacking[0], where=report.model, hint="run without --strict to see why")
    if report.missed:
        first = report.missed[0]
        raise CheckFailure(
            f"{len(report.missed)} ops were missed, first {first.op!r}: {first.message}",
            where=report.model,
            hint=first.suggestion or "run without --strict to see all",
        )

"""`optimize`: a model in, a smaller model for a deployment target out, and a report of what was done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import attrs

from ..ir.errors import CheckFailure, TargetError
from ..ir.model import Model
from ..ir.opening import load
from ..ir.targets import Opset, parse_target
from ..passes.instrumentation.base import Instrumentation
from ..passes.instrumentation.verify_each import VerifyEach
from ..passes.manager import PassManager
from ..passes.remarks import Remark
from ..passes.transforms.quantize_weights import QuantizeWeights
from .by_target import pipeline_for
from .report import Report
from .schemes import KNOWN_RISKS


@attrs.frozen
class Optimization:
    """A changed model and what was done to it; the model that came in is as it was.

    Attributes:
        model: the new model; `model.save` writes it.
        report: see `Report`.
    """

    model: Model
    report: Report


def optimize(
    model: Model | str | os.PathLike[str],
    *,
    target: str | None = None,
    scheme: str = "w8",
    strict: bool = False,
    instrumentations: Sequence[Instrumentation] | None = None,
    **weight_options: Any,
) -> Optimization:
    """Compresses a model with the pipeline of a deployment target.

    Args:
        model: from `load`, or the path of one; it is not changed.
        target: such as `iOS17` or `macOS15`; the model's own when not given.
        scheme: `w8` (int8 weights per output channel) or `none` (raise the opset only).
        strict: fail when nothing was compressed, or something was not that could have been.
        instrumentations: what runs around each pass; by default the verifier.
        weight_options: options of the pass `quantize-weights`: dtype, mode, granularity, min_elements.

    Raises:
        TargetError: the target is unknown, older than the model, or can not encode the scheme.
        OptionError: a weight option does not exist or does not take the value.
        PassFailure: a pass failed.
        CheckFailure: `strict` did not hold.
    """
    from ..ir.sizes import weight_bytes

    if not isinstance(model, Model):
        model = load(model)
    opset = model.opset if target is None else parse_target(target)
    weights = QuantizeWeights.from_options(weight_options)
    pipeline = pipeline_for(opset, scheme, weights=weights)
    _require_not_lower(model, opset)
    manager = PassManager(pipeline, (VerifyEach(),) if instrumentations is None else instrumentations)
    result = model.copy()  # constants are shared with the model that came in
    before = weight_bytes(*result.programs.values())
    remarks = _run(result, manager)
    report = Report(
        model=model.name,
        opset_before=str(model.opset),
        target=str(opset),
        scheme=scheme,
        pipeline=str(pipeline),
        remarks=remarks,
        notes=_risks(opset, scheme, weights) if any(r.kind == "passed" for r in remarks) else (),
        weight_bytes_before=before,
        weight_bytes_after=weight_bytes(*result.programs.values()),
        package_bytes_before=model.package.size if model.package else None,
    )
    if strict and scheme != "none":
        _require_strict(report)
    return Optimization(result, report)


def _require_not_lower(model: Model, target: Opset) -> None:
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


def _risks(target: Opset, scheme: str, weights: QuantizeWeights) -> tuple[str, ...]:
    now = (scheme, weights.dtype, weights.mode)
    concerned = (r for r in KNOWN_RISKS if (r.scheme, r.dtype, r.mode) == now and target < r.before)
    return tuple(f"{risk.id}: {risk.text} ({risk.source})" for risk in concerned)


def _require_strict(report: Report) -> None:
    if not report.done:
        raise CheckFailure("nothing was compressed", where=report.model, hint="run without --strict to see why")
    if report.missed:
        first = report.missed[0]
        raise CheckFailure(
            f"{len(report.missed)} weights were missed, first {first.op!r}: {first.message}",
            where=report.model,
            hint=first.suggestion or "run without --strict to see all",
        )

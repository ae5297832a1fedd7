"""The rules about activations, as a table: the first that holds decides."""

from __future__ import annotations

from ....ir.errors import quoted
from ....ir.value_types import value_of
from ..activations.tables import CARRIERS, FLOAT_READERS, QUANTIZED_OPS
from ..activations.values import is_float_tensor
from ..refusal import Refusal
from .cases import OpCase
from .engine_rules import ENGINE_RULES
from .records import Conditions, Level
from .rule import Rule, Says
from .schemes import ACTIVATION_SCHEMES, Scheme

_UNFUSED = ("add", "concat", "sub")


def _not_computing(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    op_type = case.op.op_type
    if op_type in QUANTIZED_OPS:
        return None
    if op_type in FLOAT_READERS:
        return FLOAT_READERS[op_type]
    moves = "keeps values: it moves the codes of what it takes" if op_type in CARRIERS else "is computed in floats"
    return f"{op_type} {moves}"


def _fused(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    owner = case.fused_with
    return None if owner is None else f"it is computed together with {owner.op_type} {quoted(owner.name)}"


def _constant(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    is_float = is_float_tensor(case.op.outputs[0])
    return "all that it takes is constant" if case.site is None and is_float else None


def _not_float(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.site is not None:
        return None
    value = value_of(case.op.outputs[0])
    return f"{quoted(value.name)} is {value.type}, and quantize takes tensors of floats with axes"


def _already_quantized(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if all(var.op is not None and var.op.op_type == "dequantize" for var in case.origins):
        return "a dequantize op stands in front of it: quantized already"
    return None


def _target(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.target >= scheme.since:
        return None
    return f"{conditions.target} has no op for it: {scheme.op} came with {scheme.since}"


def _planned(code: str) -> Says:
    def says(case: OpCase, scheme: Scheme, conditions: Conditions) -> Refusal | None:  # noqa: ARG001
        return case.refusal if case.refusal is not None and case.refusal.code == code else None

    return says


def _otherwise_planned(case: OpCase, scheme: Scheme, conditions: Conditions) -> Refusal | None:  # noqa: ARG001
    return case.refusal


def _slower_than_int8(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    chip = conditions.chip
    if chip is None or chip.has_int8_arithmetic:
        return None
    return f"{chip} multiplies in fp16: what is gained is the traffic of activations, 1.2 to 1.8 times on an A16"


def _unfused(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.op.op_type not in _UNFUSED or not conditions.may_use_engine:
        return None
    return f"the Neural Engine does not fuse {case.op.op_type} of two computed values with its neighbours"


def _fits(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    inputs = () if case.site is None else case.site.inputs
    names = ", ".join(quoted(var.name) for var in inputs[:2]) + (", ..." if len(inputs) > 2 else "")
    return f"one scale for each of {names}" if len(inputs) > 1 else f"one scale for {names}"


def _of_plan(code: str, level: Level, what: str) -> Rule:
    return Rule(
        code=code,
        level=level,
        schemes=ACTIVATION_SCHEMES,
        says=_planned(code),
        what=what,
        source=_INSERTION,
        reliability="A",
    )


_OPS = "coremltools 9.0 converters/mil/mil/ops/defs/iOS17/quantization_ops.py"
_INSERTION = "the pass insert-quantize-dequantize"
_GUIDE = "coremltools docs-guides/source"
ACTIVATION_RULES = (
    Rule(code="fused", level="not-applicable", schemes=ACTIVATION_SCHEMES, says=_fused,
         what="it is part of an activation that is computed together with the op in front", source=_INSERTION,
         reliability="A"),
    Rule(code="not-computing", level="not-applicable", schemes=ACTIVATION_SCHEMES, says=_not_computing,
         what="ops of its type are computed in floats, or keep values and follow what they take", source=_INSERTION,
         reliability="A"),
    Rule(code="constant", level="not-applicable", schemes=ACTIVATION_SCHEMES, says=_constant,
         what="all that it takes is constant", source=_INSERTION, reliability="A"),
    _of_plan("idle", "not-applicable", "it joins values for nothing that computes with quantized ones"),
    Rule(code="not-float", level="not-encodable", schemes=ACTIVATION_SCHEMES, says=_not_float,
         what="it computes with integers, bools or single numbers", source=_OPS, reliability="A"),
    Rule(code="already-quantized", level="not-encodable", schemes=ACTIVATION_SCHEMES, says=_already_quantized,
         what="all that it computes with comes from dequantize ops", source=_INSERTION, reliability="A"),
    Rule(code="target", level="not-encodable", schemes=ACTIVATION_SCHEMES, says=_target,
         what="the target is before iOS17", source=_OPS, reliability="A",
         suggestion="choose the target iOS17 or later"),
    _of_plan("no-statistics", "not-encodable", "statistics are given and lack the range of a value that it takes"),
    _of_plan("never-computed", "not-encodable", "a value that it takes had no finite number in any sample"),
    _of_plan("other-type", "not-encodable", "the statistics of a value that it takes are of another type"),
    _of_plan("non-finite", "not-encodable", "a value that it takes held infinities or NaN"),
    _of_plan("per-channel", "not-encodable", "it joins values of which one has a scale for each channel"),
    _of_plan("compressed", "not-encodable", "it joins a compressed constant"),
    _of_plan("constant-operand", "advised-against", "add, sub or mul with a constant"),
    _of_plan("computed-weight", "advised-against", "the weight of a convolution or a linear layer is computed"),
    Rule(code="left-alone", level="advised-against", schemes=ACTIVATION_SCHEMES, says=_otherwise_planned,
         what="the plan of the pass has another reason to leave it alone", source=_INSERTION, reliability="A"),
    *ENGINE_RULES,
    Rule(code="fp16-arithmetic", level="eligible", schemes=ACTIVATION_SCHEMES, says=_slower_than_int8,
         what="the chip's Neural Engine is older than H16", source=f"{_GUIDE}/opt-quantization-perf.md; "
         f"{_GUIDE}/opt-overview.md", reliability="A"),
    Rule(code="unfused", level="eligible", schemes=ACTIVATION_SCHEMES, says=_unfused,
         what="add, sub or concat that may run on the Neural Engine", source="sbryngelson/ane-guide appendix A",
         reliability="B-"),
    Rule(code="fits", level="eligible", schemes=ACTIVATION_SCHEMES, says=_fits, what="always", source=_OPS,
         reliability="A"),
)  # fmt: skip

"""The rules about weights that depend on where the model runs: what does not pay there, or is known to go wrong."""

from __future__ import annotations

from ....ir.targets import IOS16, IOS18
from .cases import WeightCase
from .placement import missing_from_engine
from .records import Conditions
from .rule import Rule
from .schemes import WEIGHT_SCHEMES, Scheme


def _blocks_on_engine(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if not conditions.may_use_engine:
        return None
    return "the Neural Engine takes one scale for each tensor or output channel: with blocks the op leaves it"


def _zero_point_bug(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if not IOS16 <= conditions.target < IOS18 or conditions.compute_unit == "cpu":
        return None
    return "below iOS18, int8 codes with zero point 0 are reported to decode wrongly on GPU and Neural Engine"


def _not_loaded_on_a16(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    chip = conditions.chip
    if chip is None or chip.name != "A16" or not conditions.may_use_engine or conditions.target >= IOS18:
        return None
    return "one int8 encoder for iOS17 is reported not to load on an A16, while its fp16 form does"


def _zeros_on_m1(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.chip is None or conditions.chip.name != "M1" or not conditions.may_use_engine:
        return None
    return "one int8 model is reported to give zeros on an iPad with M1"


def _slow_on_gpu(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.compute_unit != "gpu":
        return None
    return "one int8 model is reported to be refused by the GPU's compiler, or to run 5.4 times slower there"


def _expanded_at_load(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.target >= scheme.since and conditions.target == IOS16:
        return "iOS16 expands weights when it loads a model: the file gets smaller, the model no faster"
    return None


def _not_on_engine(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    placement = missing_from_engine(case.op.op_type, conditions.generation)
    if conditions.compute_unit != "ne" or placement is None:
        return None
    return f"the Neural Engine does not run {case.op.op_type}: {placement.why}; compression saves size, not its time"


def _untried_on_chip(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    chip = conditions.chip
    if chip is None or not conditions.may_use_engine or chip.generation >= 17:
        return None
    return f"4-bit weights are reported to be fast on an M5 Pro's Neural Engine; nothing is published for {chip}"


def _loses_accuracy(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    return "4 bits with one scale for each channel cost accuracy: OPT-1.3B's perplexity of 16.1 became 31.5"


_GUIDE = "coremltools docs-guides/source"
PLACED_WEIGHT_RULES = (
    Rule(code="kgroup", level="advised-against", schemes=("w-per-block",), says=_blocks_on_engine,
         what="it may run on the Neural Engine, whose compiler refuses blocks; it then runs elsewhere or gives wrong "
         "numbers", source=f"{_GUIDE}/opt-overview.md; apple/coremltools #2510; apple/coreai-models #55, #205, #279; "
         "cadamcat/llms-on-apple-neural-engine findings/coreml-grouped-scale-cpu", reliability="B",
         suggestion="use w-int4, or --compute-unit gpu if it is meant for a Mac's GPU"),
    Rule(code="fluid828", level="eligible", schemes=("w-int8",), says=_not_loaded_on_a16,
         what="the chip is an A16 and the target before iOS18", source="FluidInference/FluidAudio #828",
         reliability="C", suggestion="try it on the device"),
    Rule(code="fluid739", level="eligible", schemes=("w-int8",), says=_zeros_on_m1,
         what="the chip is an M1", source="FluidInference/FluidAudio #739", reliability="C",
         suggestion="try it on the device"),
    Rule(code="ct2114", level="eligible", schemes=("w-int8",), says=_zero_point_bug,
         what="the target is before iOS18 and it may run on GPU or Neural Engine",
         source="apple/coremltools #2114, pull requests 2675 and 2677", reliability="B",
         suggestion="if outputs are wrong there, use dtype=uint8 or the target iOS18"),
    Rule(code="gpuint8", level="eligible", schemes=("w-int8",), says=_slow_on_gpu,
         what="it is meant for the GPU", source="onnxsim/onnxsim pull requests 1403 and 1425", reliability="C",
         suggestion="try it on the device"),
    Rule(code="not-on-engine", level="eligible", schemes=WEIGHT_SCHEMES, says=_not_on_engine,
         what="it is meant for the Neural Engine, which does not run ops of this type",
         source="the table of placements", reliability="B-"),
    Rule(code="expanded", level="eligible", schemes=("w-int8",), says=_expanded_at_load, what="the target is iOS16",
         source=f"{_GUIDE}/opt-palettization-perf.md", reliability="A"),
    Rule(code="untried", level="eligible", schemes=("w-int4",), says=_untried_on_chip,
         what="the chip's Neural Engine is older than H17",
         source="cadamcat/llms-on-apple-neural-engine findings/coreml-direct-int4", reliability="C",
         suggestion="try it on the device"),
    Rule(code="accuracy", level="eligible", schemes=("w-int4",), says=_loses_accuracy, what="always",
         source=f"{_GUIDE}/opt-opt1_3.md", reliability="A", suggestion="measure it; w-per-block loses less"),
)  # fmt: skip

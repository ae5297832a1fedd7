"""The rules about where activations are computed: quantized ones pay on the Neural Engine and cost time elsewhere."""

from __future__ import annotations

import functools

from . import engine_limits as limits
from .cases import OpCase
from .records import Conditions
from .rule import Rule, Says
from .schemes import ACTIVATION_SCHEMES, Scheme


def _elsewhere(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.may_use_engine:
        return None
    unit, cost = conditions.compute_unit.upper(), "cost" if conditions.compute_unit == "cpu" else "may cost"
    return f"it is meant for the {unit}, where quantized activations {cost} time"


def _prefers_gpu(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    chip = conditions.chip
    if conditions.compute_unit != "all" or chip is None or not (chip.is_mac and chip.gpu_multiplies):
        return None
    return f"{chip}: left the choice, Core ML prefers the GPU of an M5, where quantized activations may cost time"


def _multiplication(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.op.op_type != "mul" or not conditions.may_use_engine:
        return None
    return "the Neural Engine is reported to dequantize one factor with the other's scale"


def _on_engine(says: Says) -> Says:
    """A limit of the Neural Engine, where it may be used."""

    @functools.wraps(says)
    def limited(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:
        return says(case, scheme, conditions) if conditions.may_use_engine else None  # type: ignore[return-value]

    return limited


_limit = functools.partial(Rule, level="advised-against", schemes=ACTIVATION_SCHEMES)
_GUIDE = "coremltools docs-guides/source"
_ENGINE_RULES = "apple/coreai-models neural_engine_rules.md"
_APPENDIX = "sbryngelson/ane-guide appendix A"
ENGINE_RULES = (
    Rule(code="not-the-engine", level="advised-against", schemes=ACTIVATION_SCHEMES, says=_elsewhere,
         what="the compute unit is cpu or gpu", source=f"{_GUIDE}/opt-quantization-perf.md", reliability="A",
         suggestion="quantize weights only"),
    Rule(code="gpu-preferred", level="advised-against", schemes=ACTIVATION_SCHEMES, says=_prefers_gpu,
         what="the compute unit is all, and the chip an M5, on whose Max Core ML chose the GPU for five models of five",
         source="erwinzhang7/coreml-compute-placement PAPER.md", reliability="B", suggestion="use --compute-unit ne"),
    _limit(code="fp32", says=_on_engine(limits.float32), what="it computes in fp32",
           source=f"{_GUIDE}/typed-execution.md", reliability="A",
           suggestion="convert the model with compute precision fp16"),
    _limit(code="engine-op", says=_on_engine(limits.op_type), what="the Neural Engine does not run ops of this type",
           source="the table of placements", reliability="B-"),
    _limit(code="control-flow", says=_on_engine(limits.control_flow), what="it stands in a branch or in a loop",
           source=_APPENDIX, reliability="B"),
    _limit(code="engine-rank", says=_on_engine(limits.rank),
           what=f"a value has more than {limits.MOST_AXES} axes, or {limits.MOST_AXES_OF_PRODUCTS} around conv, "
           "conv_transpose, linear and matmul", source=f"{_ENGINE_RULES}; sbryngelson/ane-guide chapters 4 and 24",
           reliability="A-"),
    _limit(code="flexible-shape", says=_on_engine(limits.flexible_shape), what="a size is not known before the run",
           source=f"{_ENGINE_RULES}; FluidInference/FluidAudio Documentation/ANE_Profiler.md", reliability="A",
           suggestion="convert the model with fixed shapes; a few enumerated ones may stay on it"),
    _limit(code="long-axis", says=_on_engine(limits.long_axis),
           what=f"an axis is longer than {limits.LONGEST_AXIS}, or one of the last two (of rank 5: three) longer than "
           f"{limits.LONGEST_INNER_AXIS} and the chip not of H{limits.FIRST_WITH_LONG_AXES} or later",
           source="FluidInference/FluidAudio #121; FluidInference/mobius mel_encoder_ane_behavior.md", reliability="B",
           suggestion="split it into parts"),
    _limit(code="large-kernel", says=_on_engine(limits.large_kernel),
           what="a kernel is larger than 29 x 13 (from H14 on 32 x 16), or a pooling window than 29 (31)",
           source=_APPENDIX, reliability="B-", suggestion="split it into several smaller ones"),
    _limit(code="odd-stride", says=_on_engine(limits.odd_stride),
           what="a stride or dilation of a convolution is no product of 2s and 3s", source=_ENGINE_RULES,
           reliability="A"),
    Rule(code="torch112", level="advised-against", schemes=ACTIVATION_SCHEMES, says=_multiplication,
         what="a product of two values may run on the Neural Engine",
         source="coreai-torch #112; cadamcat/llms-on-apple-neural-engine", reliability="B",
         suggestion="leave mul in fp16, or check the outputs on the device"),
)  # fmt: skip

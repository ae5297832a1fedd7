"""The rules about weights, as a table: the first that holds decides.

What `quantize-weights` would leave alone is asked of its plan (`weight_plan`), so that both say the same.
"""

from __future__ import annotations

from ....ir.constants import SMALLEST_WEIGHT
from ....ir.errors import quoted
from ..refusal import Refusal
from .cases import OpCase, WeightCase
from .placed_weight_rules import PLACED_WEIGHT_RULES
from .records import Conditions, Level
from .rule import Rule, Says
from .schemes import BLOCK_SIZE, LARGEST_LEFT_ALONE, WEIGHT_SCHEMES, Scheme
from .weight_sizes import bytes_after

_FOUR_BITS = ("w-int4", "w-per-block")
_DEQUANTIZABLE = ("matmul", "gather")  # both of their inputs may be activations as well


def _planned(code: str) -> Says:
    def says(case: WeightCase, scheme: Scheme, conditions: Conditions) -> Refusal | None:  # noqa: ARG001
        refusal = case.refusal if scheme.bits == 8 else case.refusal_of_tensor
        return refusal if refusal is not None and refusal.code == code else None

    return says


def _of_plan(code: str, level: Level, what: str, source: str, schemes: tuple[str, ...] = WEIGHT_SCHEMES) -> Rule:
    return Rule(code=code, level=level, schemes=schemes, says=_planned(code), what=what, source=source, reliability="A")


def _is_activation(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.constant is not None or _dequantized(case) or case.op.op_type not in _DEQUANTIZABLE:
        return None
    return f"input {case.parameter!r} is an activation"


def _dequantized(case: WeightCase) -> bool:
    return case.value.op is not None and case.value.op.op_type == "dequantize"


def _already_quantized(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.constant is not None or not _dequantized(case):
        return None
    return f"it is what dequantize {quoted(case.value.op.name)} gives: quantized already"


def _computed(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if case.constant is not None:
        return None
    return f"{quoted(case.value.name)} is computed at run time, not constant"


def _target(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if conditions.target >= scheme.since:
        return None
    return f"{conditions.target} has no op for it: {scheme.op} of {scheme.bits} bits came with {scheme.since}"


def _divisible(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    size = int(case.array.shape[case.input_axis])
    if size % BLOCK_SIZE == 0:
        return None
    return f"its input axis {case.input_axis} has {size} elements, which blocks of {BLOCK_SIZE} do not divide"


def _no_gain(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:
    after = bytes_after(case, scheme, conditions.target)
    if after < case.array.nbytes:
        return None
    return f"it takes {case.array.nbytes} bytes and would take {after} with its scales"


def _fits(case: WeightCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    if scheme.name == "w-per-block":
        return f"blocks of {BLOCK_SIZE} along axis {case.input_axis} of {case.array.shape[case.input_axis]}"
    return f"{scheme.bits} bits, {case.array.shape[case.channel_axis]} scales along axis {case.channel_axis}"


def _none(case: OpCase, scheme: Scheme, conditions: Conditions) -> str | None:  # noqa: ARG001
    return f"it takes no constant of {SMALLEST_WEIGHT} or more elements"


_PASS = "the pass quantize-weights"  # noqa: S105 - no secret
_PASSES = "coremltools 9.0 optimize/coreml/_quantization_passes.py"
WEIGHT_RULES = (
    Rule(code="activation", level="not-applicable", schemes=WEIGHT_SCHEMES, says=_is_activation,
         what="matmul or gather works on a value that is computed", source=_PASS, reliability="A"),
    _of_plan("unused", "not-applicable", "no op uses the constant", _PASS),
    _of_plan("not-float", "not-applicable", "its elements are integers or bools", _PASS),
    _of_plan("rank", "not-applicable", "it has rank 1 or less: a bias, a norm, a table", f"{_PASSES}:150"),
    _of_plan("compressed", "not-encodable", "it is part of a constexpr op", _PASS),
    Rule(code="already-quantized", level="not-encodable", schemes=WEIGHT_SCHEMES, says=_already_quantized,
         what="a dequantize op stands in front of it, as training leaves it", source=_PASS, reliability="A"),
    Rule(code="computed", level="not-encodable", schemes=WEIGHT_SCHEMES, says=_computed,
         what="the weight is no constant", source=_PASS, reliability="A",
         suggestion="fold it first with common::const_elimination"),
    _of_plan("output", "not-encodable", "a block returns it as it is", _PASS),
    _of_plan("not-a-weight", "not-encodable", "an op takes it that is not known to decode weights", _PASS),
    _of_plan("axis-conflict", "not-encodable", "its users have output channels along different axes", _PASS),
    _of_plan("non-finite", "not-encodable", "it holds infinities or NaN", f"{_PASSES}:1393"),
    Rule(code="target", level="not-encodable", schemes=("w-int8",), says=_target, what="the target is iOS15",
         source="coremltools 9.0 converters/mil/mil/ops/defs/iOS16/constexpr_ops.py", reliability="A",
         suggestion="choose the target iOS16 or later"),
    Rule(code="target", level="not-encodable", schemes=_FOUR_BITS, says=_target, what="the target is before iOS18",
         source="coremltools 9.0 converters/mil/mil/ops/defs/iOS18/compression.py", reliability="A",
         suggestion="choose the target iOS18 or later"),
    Rule(code="block-size", level="not-encodable", schemes=("w-per-block",), says=_divisible,
         what=f"blocks of {BLOCK_SIZE} do not divide its input axis",
         source="coremltools 9.0 optimize/coreml/_config.py (block_size)", reliability="A", suggestion="use w-int4"),
    _of_plan("small", "advised-against", f"it has at most {LARGEST_LEFT_ALONE} elements",
             "coremltools 9.0 optimize/coreml/_config.py (weight_threshold)"),
    _of_plan("no-gain", "advised-against", "its channels are too short for a scale each", _PASS, ("w-int8",)),
    Rule(code="no-gain", level="advised-against", schemes=_FOUR_BITS, says=_no_gain,
         what="its channels are too short for a scale each", source=_PASS, reliability="A"),
    *PLACED_WEIGHT_RULES,
    Rule(code="fits", level="eligible", schemes=WEIGHT_SCHEMES, says=_fits, what="always",
         source=f"{_PASS}; coremltools 9.0 converters/mil/mil/ops/defs", reliability="A"),
)  # fmt: skip
NO_WEIGHT = (
    Rule(code="no-weight", level="not-applicable", schemes=WEIGHT_SCHEMES, says=_none,
         what=f"no constant of {SMALLEST_WEIGHT} or more elements is among what it takes", source=_PASS,
         reliability="A"),
)  # fmt: skip

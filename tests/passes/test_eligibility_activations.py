"""The rules about activations: a program for which each decides, and one that differs in what it is about."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS18
from milopt.passes.analyses import AnalysisManager
from milopt.passes.analysis.activations.tables import QUANTIZED_OPS
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tensor_statistics import TensorStatistics
from milopt.passes.analysis.eligibility.activation_rules import ACTIVATION_RULES
from milopt.passes.analysis.eligibility.analysis import Eligibility
from milopt.passes.analysis.eligibility.engine_rules import ENGINE_RULES
from milopt.passes.analysis.eligibility.records import LEVELS, Conditions
from milopt.passes.analysis.eligibility.rule import judge
from milopt.passes.analysis.eligibility.schemes import ACTIVATION_SCHEMES, SCHEMES
from milopt.passes.analysis.refusal import Refusal
from support.eligible import ADD, CONV, LINEAR, MATMUL, MUL, Asked, conv_of, of_one, of_two
from support.program_registry import fp16, fp32, int32, integers, weights

UNIT, NONE = (0.0, 1.0), (np.inf, -np.inf)


def measured(shape: str = "10, 64", not_finite: int = 0, **ranges: tuple[float, float]) -> CalibrationStatistics:
    """Statistics of the function `main` with these ranges."""
    tensors = {
        name: TensorStatistics(name, "fp16", shape, 640, 1, low, high, not_finite)
        for name, (low, high) in ranges.items()
    }
    functions = {"main": FunctionStatistics(samples=1, tensors=tensors)}
    return CalibrationStatistics(model_hash="any", collected="ranges", functions=functions)


def activated(x: Any) -> Any:
    return mb.relu(x=mb.linear(x=x, weight=weights(64, 64)), name="y")


def of_constants(x: Any) -> Any:
    return mb.add(x=x, y=mb.matmul(x=weights(64, 40), y=weights(40, 64), name="y"), name="z")


def already(x: Any) -> Any:
    codes = mb.quantize(input=x, scale=np.float16(0.1), output_dtype="int8")
    return mb.linear(x=mb.dequantize(input=codes, scale=np.float16(0.1)), weight=weights(64, 64), name="y")


def times_constant(x: Any) -> Any:
    return mb.mul(x=x, y=np.float16(2), name="y")


def computed_weight(x: Any) -> Any:
    return mb.conv(x=x, weight=mb.relu(x=mb.slice_by_size(x=x, begin=[0, 0, 0, 0], size=[1, 12, 3, 3])), name="y")


def in_branch(x: Any, flag: Any) -> Any:
    chosen = mb.cast(x=mb.squeeze(x=flag), dtype="bool")
    inner = lambda: mb.linear(x=x, weight=weights(64, 64), name="y")  # noqa: E731 - a branch
    return mb.cond(pred=chosen, _true_fn=inner, _false_fn=lambda: mb.relu(x=x), name="choice")


def pooled(size: int) -> Any:
    return of_one(
        lambda x: mb.avg_pool(x=x, kernel_sizes=[size, 2], strides=[1, 1], pad_type="valid", name="y"), 1, 3, 40, 40
    )


def joined(*, reader: bool = True, per_channel: bool = False, compressed: bool = False) -> Any:
    def body(x: Any) -> Any:
        other = mb.tanh(x=x)
        if per_channel:
            scale = np.linspace(0.1, 0.2, 64).astype(np.float16)
            codes = mb.quantize(input=other, scale=scale, axis=1, output_dtype="int8")
            other = mb.dequantize(input=codes, scale=scale, axis=1)
        if compressed:
            other = mb.constexpr_affine_dequantize(
                quantized_data=integers("int8", 10, 64), zero_point=np.int8(0), axis=0, scale=np.float16(0.1)
            )
        result = mb.concat(values=[x, other], axis=0, name="y")
        return mb.linear(x=result, weight=weights(64, 64)) if reader else mb.softmax(x=result)

    return body


FIT = Asked(CONV)
MEASURED = Asked(LINEAR, statistics=measured(x=UNIT))
A16, A17 = Asked(CONV, "iOS17", "ne", "A16"), Asked(CONV, "iOS17", "ne", "A17Pro")
RANK5 = of_two(lambda a, b: mb.matmul(x=a, y=b, name="y"), fp16(1, 2, 3, 4, 5), fp16(1, 2, 3, 5, 6))
LONG = of_two(lambda a, b: mb.matmul(x=a, y=b, name="y"), fp16(2, 8), fp16(8, 20000))
OF_INTEGERS = of_two(lambda a, b: mb.add(x=a, y=b, name="y"), int32(10), int32(10))
CASES = {
    "not-computing": (Asked(of_one(lambda x: mb.softmax(x=x, name="y"), 10, 64)), FIT, "fits"),
    "fused": (Asked(of_one(activated, 10, 64)), FIT, "fits"),
    "constant": (Asked(of_one(of_constants, 64, 64)), Asked(MATMUL), "fits"),
    "not-float": (Asked(OF_INTEGERS), Asked(ADD), "unfused"),
    "already-quantized": (Asked(of_one(already, 10, 64)), Asked(LINEAR), "fits"),
    "target": (Asked(LINEAR, "iOS16"), Asked(LINEAR, "iOS17"), "fits"),
    "no-statistics": (Asked(LINEAR, statistics=measured(y=UNIT)), MEASURED, "fits"),
    "never-computed": (Asked(LINEAR, statistics=measured(x=NONE)), MEASURED, "fits"),
    "other-type": (Asked(LINEAR, statistics=measured("10, 65", x=UNIT)), MEASURED, "fits"),
    "non-finite": (Asked(LINEAR, statistics=measured(not_finite=1, x=UNIT)), MEASURED, "fits"),
    "idle": (Asked(of_one(joined(reader=False), 10, 64)), Asked(of_one(joined(), 10, 64)), "unfused"),
    "per-channel": (Asked(of_one(joined(per_channel=True), 10, 64)), Asked(of_one(joined(), 10, 64)), "unfused"),
    "compressed": (Asked(of_one(joined(compressed=True), 10, 64)), Asked(of_one(joined(), 10, 64)), "unfused"),
    "constant-operand": (Asked(of_one(times_constant, 10, 64), unit="cpu"), Asked(MUL, unit="cpu"), "not-the-engine"),
    "computed-weight": (Asked(of_one(computed_weight, 1, 12, 9, 9)), FIT, "fits"),
    "not-the-engine": (Asked(CONV, unit="gpu"), FIT, "fits"),
    "gpu-preferred": (Asked(CONV, chip="M5 Max"), Asked(CONV, unit="ne", chip="M5 Max"), "fits"),
    "fp32": (Asked(of_two(lambda a, b: mb.add(x=a, y=b, name="y"), fp32(3, 4), fp32(3, 4))), Asked(ADD), "unfused"),
    "control-flow": (Asked(of_two(in_branch, fp16(10, 64), int32(1))), Asked(LINEAR), "fits"),
    "engine-rank": (Asked(RANK5), Asked(MATMUL), "fits"),
    "flexible-shape": (Asked(conv_of(20, 12, 3, 3, image=(1, 12, None, 23))), FIT, "fits"),
    "long-axis": (Asked(LONG), Asked(LONG, chip="M4"), "fits"),
    "large-kernel": (
        Asked(conv_of(4, 12, 3, 15), chip="M1"), Asked(conv_of(4, 12, 3, 15), chip="M2"), "fp16-arithmetic"),
    "odd-stride": (Asked(conv_of(4, 12, 3, 3, strides=[5, 1])), Asked(conv_of(4, 12, 3, 3, strides=[6, 1])), "fits"),
    "torch112": (Asked(MUL), Asked(ADD), "unfused"),
    "fp16-arithmetic": (A16, A17, "fits"),
    "unfused": (Asked(ADD), Asked(MATMUL), "fits"),
    "fits": (FIT, Asked(ADD), "unfused"),
}  # fmt: skip


@pytest.mark.parametrize("scheme", ACTIVATION_SCHEMES)
@pytest.mark.parametrize("code", CASES)
def test_rule_decides_where_it_holds_and_only_there(code: str, scheme: str) -> None:
    holds, holds_not, instead = CASES[code]
    verdict = holds.verdict(scheme)
    rule = next(rule for rule in ACTIVATION_RULES if rule.code == code)
    assert (verdict.code, verdict.level, verdict.source) == (code, rule.level, rule.source)
    assert verdict.reason
    assert holds_not.verdict(scheme).code == instead != code


def test_every_rule_has_a_case() -> None:
    # No op of the table is one that the engine lacks: see the tests below.
    assert {rule.code for rule in ACTIVATION_RULES} == {*CASES, "engine-op", "left-alone"}


def test_new_reason_of_the_plan_is_handed_on() -> None:
    (case, *_) = AnalysisManager(LINEAR()).get(Eligibility).cases
    refusal = Refusal("missed", "new", "something else is the matter", "try another thing")
    verdict = judge(ACTIVATION_RULES, attrs.evolve(case, refusal=refusal), SCHEMES[-1], Conditions(target=IOS18))
    assert (verdict.code, verdict.level) == ("left-alone", "advised-against")
    assert (verdict.reason, verdict.suggestion) == ("something else is the matter", "try another thing")


def test_op_that_a_generation_lacks_is_advised_against(monkeypatch: pytest.MonkeyPatch) -> None:
    row = attrs.evolve(QUANTIZED_OPS["avg_pool"], op_type="upsample_bilinear")
    monkeypatch.setitem(QUANTIZED_OPS, "upsample_bilinear", row)
    larger = of_one(
        lambda x: mb.upsample_bilinear(x=x, scale_factor_height=2, scale_factor_width=2, name="y"), 1, 3, 4, 4
    )
    assert Asked(larger, chip="M1").verdict("a-int8").code == "engine-op"
    assert Asked(larger, chip="M2").verdict("a-int8").code == "fp16-arithmetic"
    assert Asked(larger, chip="M4").verdict("a-int8").code == "fits"
    assert Asked(larger).verdict("a-int8").code == "engine-op"


def test_worse_levels_come_first_and_the_last_rule_holds_always() -> None:
    levels = [LEVELS.index(rule.level) for rule in ACTIVATION_RULES]
    assert levels == sorted(levels, reverse=True)
    assert (ACTIVATION_RULES[-1].code, ACTIVATION_RULES[-1].what) == ("fits", "always")


@pytest.mark.parametrize("unit", ["cpu", "gpu"])
@pytest.mark.parametrize("code", [rule.code for rule in ENGINE_RULES if rule.code in CASES])
def test_limits_of_the_engine_are_no_matter_elsewhere(code: str, unit: str) -> None:
    asked = attrs.evolve(CASES[code][0], unit=unit)
    assert asked.verdict("a-int8").code == "not-the-engine"


# --- statistics


def softmaxed(x: Any) -> Any:
    rows = mb.softmax(x=x, axis=-1, name="rows")
    return mb.linear(x=mb.reshape(x=rows, shape=[5, 2, 64]), weight=weights(64, 64), name="y")


def moved(x: Any) -> Any:
    return mb.linear(x=mb.transpose(x=x, perm=[1, 0], name="turned"), weight=weights(64, 64), name="y")


@pytest.mark.parametrize(
    ("build", "ranges", "code"),
    [
        pytest.param(of_one(softmaxed, 10, 64), {}, "fits", id="known by the op, and carried on"),
        pytest.param(of_one(moved, 64, 10), {}, "no-statistics", id="carried on"),
        pytest.param(of_one(moved, 64, 10), {"x": UNIT}, "fits", id="measured where it comes from"),
        pytest.param(MATMUL, {"a": UNIT}, "no-statistics", id="one of two"),
        pytest.param(MATMUL, {"a": UNIT, "b": UNIT}, "fits", id="both"),
    ],
)
def test_ranges_are_asked_of_what_has_to_be_measured(build: Any, ranges: Any, code: str) -> None:
    assert Asked(build, statistics=measured("?, ?", **ranges)).verdict("a-int8").code == code


def test_statistics_of_another_function_do_not_count() -> None:
    found = measured(x=UNIT)
    other = attrs.evolve(found, functions={"other": found.functions["main"]})
    assert Asked(LINEAR, statistics=other).verdict("a-int8").code == "no-statistics"


def test_pooling_windows_are_limited_too() -> None:
    assert Asked(pooled(32), chip="M4").verdict("a-int8").code == "large-kernel"
    assert Asked(pooled(31), chip="M4").verdict("a-int8").code == "fits"
    assert Asked(pooled(31)).verdict("a-int8").code == "large-kernel"
    assert Asked(pooled(29)).verdict("a-int8").code == "fits"

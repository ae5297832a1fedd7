"""Eligibility as a whole: every op is judged, as the passes decide, whatever the program and the conditions."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from milopt.ir.constants import is_constant
from milopt.ir.errors import OptionError, TargetError
from milopt.ir.opening import load
from milopt.ir.pymil import mb, opset_of
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, OPSETS, Opset
from milopt.ir.value_types import value_of
from milopt.ir.walking import walk
from milopt.passes.analyses import AnalysisManager
from milopt.passes.analysis.activations.plan import plan_activations
from milopt.passes.analysis.activations.selection import calibration_tensors
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.passes.analysis.calibration.statistics import CalibrationStatistics
from milopt.passes.analysis.calibration.tensor_statistics import TensorStatistics
from milopt.passes.analysis.eligibility.analysis import Eligibility
from milopt.passes.analysis.eligibility.chips import CHIPS, parse_chip
from milopt.passes.analysis.eligibility.judging import eligibility_of
from milopt.passes.analysis.eligibility.placement import PLACEMENTS, missing_from_engine
from milopt.passes.analysis.eligibility.records import COMPUTE_UNITS, Conditions, OpEligibility
from milopt.passes.analysis.eligibility.schemes import LARGEST_LEFT_ALONE, SCHEMES
from milopt.passes.analysis.eligibility.summary import reasons, summarize
from milopt.passes.analysis.weight_inventory import WeightInventory
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support import programs_quantize  # noqa: F401 - registers its programs
from support.eligible import LINEAR
from support.packages import shared_model_params
from support.program_registry import build_program, fp16, weights
from support.programs import PROGRAMS

NAMES = [scheme.name for scheme in SCHEMES]
CONDITIONS = {
    "target": st.sampled_from(OPSETS),
    "unit": st.sampled_from(COMPUTE_UNITS),
    "chip": st.sampled_from([None, *CHIPS]),
}


def found_in(name: str, target: Opset | None = None, **options: Any) -> dict[str, OpEligibility]:
    """By name, the ops of a program of the tests."""
    return {op.op: op for op in eligibility_of(PROGRAMS[name](), target, **options)}


# --- what is judged


def test_ops_of_nested_blocks_are_found_with_their_place() -> None:
    found = found_in("cond_in_loop")
    assert {name: op.blocks for name, op in found.items() if op.blocks} == {
        "more": ("loop[0]",),
        "choice": ("loop[1]",),
        "rectified": ("loop[1]", "choice[0]"),
        "halved": ("loop[1]", "choice[1]"),
        "next": ("loop[1]",),
    }
    assert found["halved"].depth == 2


def test_functions_are_told_apart() -> None:
    assert {op.function: op.op for op in eligibility_of(PROGRAMS["two_functions"]())} == {
        "encode": "encode",
        "decode": "decode",
    }


def test_weights_of_an_op_are_judged_one_by_one_and_the_best_counts() -> None:
    (op,) = eligibility_of(PROGRAMS["lstm"](), IOS18)
    found = {weight.parameter: weight.verdicts["w-int8"].code for weight in op.weights}
    assert found == {"weight_ih": "fits", "weight_hh": "fits", "bias": "rank"}
    assert op.verdicts["w-int8"].code == "fits"


def test_shared_weight_is_told_of_for_both_users_and_counted_once() -> None:
    found = eligibility_of(PROGRAMS["shared_weight"](), IOS18)
    assert [op.weights[0].name for op in found] == ["weight", "weight"]
    summary = summarize(found)[0]
    assert (summary.ops["eligible"], summary.weight_bytes) == (2, 64 * 40 * 2)


def test_compressed_weight_is_that_of_the_op_behind_its_decoder() -> None:
    found = found_in("blockwise_int4")
    assert [weight.parameter for weight in found["linear"].weights] == ["weight", "bias"]
    assert found["linear"].verdicts["w-int4"].code == "compressed"


@given(name=st.sampled_from(sorted(PROGRAMS)), **CONDITIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@example("lists", IOS17, "ne", None)
def test_every_op_has_a_verdict_for_every_scheme(name: str, target: Opset, unit: str, chip: Any) -> None:
    program = PROGRAMS[name]()
    if target < opset_of(program):
        with pytest.raises(TargetError, match="can not be lowered"):
            eligibility_of(program, target, unit, chip)
        return
    found = eligibility_of(program, target, unit, chip)
    ops = [op.name for op in walk(program) if not is_constant(op.op_type)]
    assert [op.op for op in found if op.op_type != "const"] == ops
    for op in found:
        assert list(op.verdicts) == NAMES
        for scheme in SCHEMES:
            assert not op.verdicts[scheme.name].encodable or target >= scheme.since
    assert json.loads(json.dumps([op.as_json() for op in found]))


@given(name=st.sampled_from(sorted(PROGRAMS)), unit=CONDITIONS["unit"], chip=CONDITIONS["chip"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_later_targets_encode_no_less(name: str, unit: str, chip: Any) -> None:
    program = PROGRAMS[name]()
    targets = [opset for opset in OPSETS if opset >= opset_of(program)]
    encodable = [
        {(op.op, name) for op in eligibility_of(program, target, unit, chip) for name in NAMES
         if op.verdicts[name].encodable}
        for target in targets
    ]  # fmt: skip
    assert all(earlier <= later for earlier, later in pairwise(encodable))


@pytest.mark.parametrize("path", shared_model_params())
@pytest.mark.parametrize("unit", COMPUTE_UNITS)
def test_real_models_are_judged(path: Path, unit: str) -> None:
    for program in load(path).programs.values():
        found = eligibility_of(program, OPSETS[-1], unit, "A17 Pro")
        assert any(op.is_concerned for op in found)
        assert {each.scheme for each in summarize(found)} == set(NAMES)


# --- agreement with the passes


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_weights_are_judged_as_they_are_quantized(name: str) -> None:
    program = PROGRAMS[name]()
    targets = [target for target in (IOS16, IOS17, IOS18) if target >= opset_of(program)]
    assert targets
    for target in targets:
        require_agreement(PassManager(program_pipeline(RaiseOpset(target=target.ios))).run(program).program)


def require_agreement(program: Any) -> None:
    """Asserts that each weight is quantized, or left alone, as its verdict says."""
    remarks = PassManager(program_pipeline(QuantizeWeights())).run(program).remarks
    done = {(remark.function, remark.op): remark for remark in remarks}
    judged = [(op.function, each) for op in eligibility_of(program) for each in op.weights if each.bytes]
    assert {(function, weight.name) for function, weight in judged} == set(done)
    for function, weight in judged:
        remark, verdict = done[function, weight.name], weight.verdicts["w-int8"]
        assert verdict.eligible == (remark.kind == "passed")
        if verdict.eligible:
            assert weight.bytes_after["w-int8"] == remark.data["bytes_after"]
        else:
            assert (verdict.code, verdict.reason) == (remark.code, remark.message)


@pytest.mark.parametrize("known", [0, 1, 2])
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_activations_are_judged_as_they_are_quantized(name: str, known: int) -> None:
    program = PassManager(program_pipeline(RaiseOpset(target="iOS18"))).run(PROGRAMS[name]()).program
    statistics = CalibrationStatistics(
        model_hash="any",
        collected="ranges",
        functions={name: some_statistics(function, known) for name, function in program.functions.items()},
    )
    planned = {decision.op.name: decision.refusal for decision in plan_activations(program, statistics).ops}
    for op in eligibility_of(program, compute_unit="ne", statistics=statistics):
        verdict = op.verdicts["a-int8"]
        if op.op not in planned:
            assert verdict.level == "not-applicable" or verdict.code == "not-float"
        elif verdict.code != "already-quantized":
            refusal = planned[op.op]
            assert (refusal is None) == (verdict.source != INSERTION)
            assert refusal is None or (verdict.code, verdict.reason) == (refusal.code, refusal.message)


INSERTION = "the pass insert-quantize-dequantize"


def some_statistics(function: Any, known: int) -> FunctionStatistics:
    """Statistics of `known` of two values each that calibration would measure."""
    values = {
        var.name: var for op in walk(function) for var in (*op.outputs, *op.inputs.values()) if hasattr(var, "name")
    }
    tensors = {}
    for index, name in enumerate(calibration_tensors(function)):
        if index % 2 < known:
            value = value_of(values[name])
            sizes = ", ".join("?" if size is None else str(size) for size in value.shape or ())
            tensors[name] = TensorStatistics(name, value.dtype, sizes, 10, 1, -1.0, 1.0)
    return FunctionStatistics(samples=1, tensors=tensors)


def test_smallest_weight_is_that_of_the_pass() -> None:
    assert QuantizeWeights().min_elements == LARGEST_LEFT_ALONE


@given(rows=st.integers(1, 300), columns=st.integers(1, 300), bad=st.booleans())
@settings(max_examples=30, deadline=None)
def test_sizes_of_weights_follow_from_their_shape(rows: int, columns: int, *, bad: bool) -> None:
    array = weights(rows, columns)
    array[0, 0] = np.nan if bad else 1
    program = build_program(
        lambda x: mb.linear(x=x, weight=mb.const(val=array, name="w"), name="y"), IOS18, x=fp16(3, columns)
    )
    (op,) = eligibility_of(program)
    sizes = op.weights[0].bytes_after if op.weights else {}
    if not op.weights or (bad and array.size > LARGEST_LEFT_ALONE):
        assert sizes == {}
        return
    expected = {"w-int8": rows * columns + 2 * rows, "w-int4": (rows * columns + 1) // 2 + 2 * rows}
    if columns % 32 == 0:
        expected["w-per-block"] = rows * columns // 2 + 2 * rows * columns // 32
    assert sizes == expected


@pytest.mark.parametrize(
    ("name", "op_type", "axis", "inner"),
    [
        ("conv", "conv", 0, 1),
        ("conv_transpose", "conv_transpose", 1, 0),
        ("linear", "linear", 0, 1),
        ("matmul", "matmul", 1, 0),
        ("matmul_transpose_y", "matmul", 0, 1),
        ("matmul_const_x", "matmul", 0, 1),
        ("embedding", "gather", 0, 1),
    ],
)
def test_blocks_run_along_the_axis_that_is_summed_over(name: str, op_type: str, axis: int, inner: int) -> None:
    analysis = AnalysisManager(PROGRAMS[name]()).get(Eligibility)
    (case,) = [case for case in analysis.cases if case.op.op_type == op_type]
    weight = next(weight for weight in case.weights if weight.constant is not None)
    assert (weight.channel_axis, weight.input_axis) == (axis, inner)


# --- the analysis


def test_analysis_is_computed_once_and_judged_often() -> None:
    manager = AnalysisManager(LINEAR())
    analysis = manager.get(Eligibility)
    assert manager.get(Eligibility) is analysis
    assert manager.cached(WeightInventory) is not None
    codes = [analysis.under(Conditions(target=target))[0].verdicts["w-int4"].code for target in (IOS16, IOS18)]
    assert codes == ["target", "accuracy"]


def test_analyses_of_the_same_program_are_equal_and_of_another_are_not() -> None:
    program = PROGRAMS["attention"]()
    first, second = (AnalysisManager(program).get(Eligibility) for _ in range(2))
    assert first == second
    assert first != AnalysisManager(PROGRAMS["attention"]()).get(Eligibility)


# --- the answer in numbers


def test_summary_counts_ops_and_bytes() -> None:
    found = eligibility_of(PROGRAMS["attention"](), IOS18, "ne", "M4")
    eight, four, blocks, signed, unsigned = summarize(found)
    assert dict(eight.ops) == {"eligible": 4, "advised-against": 0, "not-encodable": 0, "not-applicable": 5}
    assert (eight.weight_bytes, eight.bytes_after) == (4 * 64 * 40 * 2, 4 * 64 * 40 + 2 * (3 * 64 + 40))
    assert four.bytes_after == 4 * 64 * 40 // 2 + 2 * (3 * 64 + 40)
    assert (blocks.ops["not-encodable"], blocks.ops["advised-against"], blocks.weight_bytes) == (3, 1, 0)
    assert signed.ops == unsigned.ops
    assert signed.ops["eligible"] == 7


def test_reasons_name_each_rule_once_the_most_frequent_first() -> None:
    found = reasons(eligibility_of(PROGRAMS["attention"](), IOS18, "ne", "M4"))
    assert [(each.verdict.code, each.op, each.count) for each in found] == [
        ("untried", "q", 4),
        ("block-size", "q", 3),
        ("kgroup", "project", 1),
        ("unfused", "residual", 1),
    ]
    assert all(each.verdict.source for each in found)


# --- tables


def test_chips_are_found_however_they_are_spelled() -> None:
    assert {parse_chip(chip.name.upper().replace(" ", "")) for chip in CHIPS} == set(CHIPS)
    assert len({chip.name for chip in CHIPS}) == len(CHIPS)
    assert [chip.name for chip in CHIPS if chip.has_int8_arithmetic][:2] == ["A17 Pro", "A18"]


def test_placements_name_each_op_once() -> None:
    names = [op_type for placement in PLACEMENTS for op_type in placement.op_types]
    assert len(names) == len(set(names))
    assert missing_from_engine("conv", 13) is None
    assert missing_from_engine("lstm", 18) is not None
    assert (missing_from_engine("cos", 14) is None, missing_from_engine("cos", 15) is None) == (False, True)


def test_placements_name_ops_that_there_are() -> None:
    from milopt.ir.pymil import op_class

    for placement in PLACEMENTS:
        for op_type in placement.op_types:
            assert op_class(op_type, OPSETS[-1])


# --- mistakes


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chip": "M17"}, OptionError, "unknown chip 'M17'"),
        ({"compute_unit": "npu"}, OptionError, "unknown compute unit 'npu' (did you mean 'gpu'?)"),
        ({"target": IOS15}, TargetError, "the model needs iOS16; it can not be lowered to iOS15"),
    ],
)
def test_mistakes_are_told(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        eligibility_of(LINEAR(), **options)
    assert message in str(raised.value)


def test_program_that_can_not_be_raised_is_told_of() -> None:
    def cropped(x: Any) -> Any:
        return mb.crop_resize(
            x=x, roi=weights(1, 1, 4, 1, 1, dtype="float16"), target_height=2, target_width=2, name="y"
        )

    program = build_program(cropped, IOS16, x=fp16(1, 3, 8, 8))
    assert eligibility_of(program)
    with pytest.raises(TargetError, match="crop_resize 'y' can not be raised to iOS18"):
        eligibility_of(program, IOS18)

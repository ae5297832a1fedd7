"""The pass `insert-quantize-dequantize`: its options, what it says, and what its programs compute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt.passes.coremltools_registration as registration
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, OptionError, PassFailure
from milopt.ir.pymil import mb
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.rewriting.patterns import Pattern
from milopt.ir.targets import IOS16, IOS17
from milopt.passes.analysis.calibration.grid import GridHistogram
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.statistics import Statistics
from milopt.passes.manager import PassManager, RunResult
from milopt.passes.pipeline import program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.insert_quantize_dequantize import InsertQuantizeDequantize
from milopt.runtime.session import Session
from support.activations import counts, decibels, given, inserted, measured, statistics, statistics_of, values_in
from support.editing import find_op
from support.in_coremltools import applied
from support.program_registry import build_program
from support.programs import fp16, fp32, weights
from support.running import plausible

ALL = ({"tensor": "*", "low": -1.0, "high": 3.0},)


def conv(x: Any, name: str, channels: int = 4, *, seed: int = 0) -> Any:
    return mb.conv(x=x, weight=weights(channels, x.shape[1], 3, 3, seed=seed), pad_type="same", name=name)


def image(body: Callable[[Any], Any], opset: Any = IOS17) -> Any:
    return build_program(body, opset, x=fp16(1, 4, 6, 8))


def two_convs(x: Any) -> Any:
    return conv(mb.relu(x=conv(x, "first"), name="r"), "second", seed=1)


def run(program: Any, **options: Any) -> RunResult:
    return PassManager(program_pipeline(InsertQuantizeDequantize(**options))).run(program)


def codes(result: RunResult) -> dict[str, str]:
    return {remark.op: remark.code for remark in result.remarks if remark.code != "pair"}


def quantized(program: Any, op: str, parameter: str = "x") -> Any:
    """The `quantize` that an op's input comes through."""
    return find_op(program, op).inputs[parameter].op.input.op


# --- ranges and codes


def test_ranges_come_from_statistics() -> None:
    program = image(two_convs)
    after = inserted(program, calibration=given(program, x=(-2, 1), r=(0, 4), second=(-1, 1)))
    assert quantized(after, "first").scale.val == np.float16(2 / 127)
    assert quantized(after, "second").scale.val == np.float16(4 / 127)
    assert quantized(after, "second").zero_point is None


def test_affine_codes_have_a_zero_point() -> None:
    program = image(two_convs)
    found = given(program, x=(-2, 1), r=(0, 4), second=(-1, 1))
    after = inserted(program, calibration=found, activation_mode="affine", dtype="uint8")
    made = quantized(after, "first")
    assert (made.scale.val, made.zero_point.val, made.output_dtype.val) == (np.float16(3 / 255), np.uint8(170), "uint8")
    assert find_op(after, "first").x.op.zero_point.val == np.uint8(170)


def test_codes_behind_a_relu_are_unsigned_if_asked_for() -> None:
    program = image(two_convs)
    found = given(program, x=(0, 1), r=(0, 4), second=(-1, 1))
    after = inserted(program, calibration=found, activation_mode="unsigned-after-relu")
    made = quantized(after, "second")
    assert (made.output_dtype.val, made.scale.val) == ("uint8", np.float16(4 / 255))
    assert quantized(after, "first").output_dtype.val == "int8"  # measured above 0, which another input need not be


def test_an_observer_decides_on_the_range() -> None:
    program = image(two_convs)
    value = values_in(program.functions["main"])["x"]
    elements = np.concatenate([np.linspace(-1, 1, 10_000), [100.0]]).astype(np.float32)
    more = {"histogram": GridHistogram.of(elements), "elements": elements.size}
    found = statistics({"x": statistics_of(value, -1.0, 100.0, **more)})
    for observer, greatest in (("", 100.0), ("percentile{99.9}", 1.0)):
        given_r = ({"tensor": "r", "low": 0, "high": 1},)
        after = inserted(program, calibration=found, observer=observer, ranges=given_r, max_vanishing=1)
        assert float(quantized(after, "first").scale.val) * 127 == pytest.approx(greatest, rel=0.02)


def test_ranges_that_an_op_gives_take_the_place_of_measured_ones_or_limit_them() -> None:
    def body(x: Any) -> Any:
        return mb.matmul(x=mb.sigmoid(x=x, name="p"), y=mb.relu6(x=x, name="q"), transpose_y=True, name="y")

    program = image(body)
    found = given(program, p=(0.001, 0.25), q=(0, 9))
    fixed = inserted(program, calibration=found)
    assert [quantized(fixed, "y", each).scale.val for each in "xy"] == [np.float16(1 / 127), np.float16(6 / 127)]
    limited = inserted(program, calibration=found, fixed_ranges=False)
    assert [quantized(limited, "y", each).scale.val for each in "xy"] == [np.float16(0.25 / 127), np.float16(6 / 127)]


def test_a_softmax_is_measured_within_its_limits() -> None:
    """Of 197 equal numbers that sum to 1, each is 0.005: nearer to 0 than to 1 / 127."""

    def body(x: Any) -> Any:
        return mb.matmul(x=mb.softmax(x=x, name="p"), y=x, transpose_y=True, name="y")

    program = image(body)
    found = {name: given(program, x=(-1, 1), **measured) for name, measured in
             {"measured": {"p": (0.0, 0.01)}, "unknown": {}}.items()}  # fmt: skip
    scales = {name: quantized(inserted(program, calibration=each), "y").scale.val for name, each in found.items()}
    assert scales == {"measured": np.float16(0.01 / 127), "unknown": np.float16(1 / 127)}


def test_nothing_goes_below_the_limit_of_an_op() -> None:
    program = image(two_convs)
    found = given(program, x=(-2, 1), r=(-8, 4), second=(-1, 1))  # such as statistics of before a relu was added
    assert quantized(inserted(program, calibration=found), "second").scale.val == np.float16(4 / 127)


# --- choices for some ops


def test_an_op_can_be_skipped_by_name_and_by_type() -> None:
    program = image(two_convs)
    by_name = inserted(program, ranges=ALL, overrides=({"op": "sec*", "skip": True},))
    assert find_op(by_name, "first").x.op.op_type == "dequantize"
    assert find_op(by_name, "second").x.op.op_type == "relu"
    by_type = inserted(program, ranges=ALL, overrides=({"op_type": "conv", "skip": True},))
    assert first_difference(by_type, program) is None


def test_the_first_override_that_matches_holds() -> None:
    overrides = ({"op": "r", "activation_mode": "affine"}, {"op_type": "r*", "activation_mode": "unsigned-after-relu"})
    after = inserted(image(two_convs), ranges=ALL, overrides=overrides)
    assert quantized(after, "second").zero_point is not None
    assert quantized(after, "first").zero_point is None


def test_an_input_has_the_type_input() -> None:
    after = inserted(
        image(two_convs), ranges=ALL, overrides=({"op_type": "input", "op": "x", "activation_mode": "affine"},)
    )
    assert quantized(after, "first").zero_point is not None


def test_what_follows_a_skipped_op_is_quantized() -> None:
    program = image(lambda x: conv(conv(x, "first"), "second"))
    after = inserted(program, ranges=ALL, overrides=({"op": "first", "skip": True},))
    assert find_op(after, "first").x.op is None
    assert find_op(after, "second").x.op.op_type == "dequantize"


def test_an_override_of_an_observer_is_for_what_the_op_makes() -> None:
    program = image(two_convs)
    values = values_in(program.functions["main"])
    elements = np.concatenate([np.linspace(0, 1, 10_000), [100.0]]).astype(np.float32)
    more = {"histogram": GridHistogram.of(elements), "elements": elements.size}
    found = statistics({name: statistics_of(values[name], 0.0, 100.0, **more) for name in ("x", "r")})
    overrides = ({"op_type": "relu", "observer": "percentile{99.9}"},)
    after = inserted(program, calibration=found, overrides=overrides, max_vanishing=1)
    assert float(quantized(after, "first").scale.val) * 127 == pytest.approx(100, rel=0.02)
    assert float(quantized(after, "second").scale.val) * 127 == pytest.approx(1, rel=0.02)


# --- what is left alone


def test_an_op_of_which_a_range_is_missing_is_left_alone() -> None:
    program = image(two_convs)
    result = run(program, calibration=given(program, r=(0, 1), second=(-1, 1)))
    assert codes(result) == {"first": "no-statistics", "second": "output"}
    assert find_op(result.program, "first").x.op is None
    assert find_op(result.program, "second").x.op.op_type == "dequantize"


def test_a_range_of_a_value_that_was_only_moved_is_enough() -> None:
    program = image(lambda x: conv(mb.transpose(x=x, perm=[0, 1, 3, 2], name="t"), "first"))
    assert quantized(inserted(program, calibration=given(program, t=(-4, 1))), "first").scale.val == np.float16(4 / 127)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"not_finite": 3}, "non-finite"),
        ({"elements": 0, "samples": 0, "minimum": np.inf, "maximum": -np.inf}, "never-computed"),
        ({"dtype": "fp32"}, "other-type"),
        ({"shape_words": "[1, 5, 6, 8]"}, "other-type"),
    ],
)
def test_statistics_that_say_too_little(more: dict[str, Any], code: str) -> None:
    import attrs

    program = image(two_convs)
    values = values_in(program.functions["main"])
    tensors = {name: statistics_of(values[name], 0.0, 1.0) for name in ("x", "r", "second")}
    tensors["x"] = attrs.evolve(tensors["x"], **more)
    assert codes(run(program, calibration=statistics(tensors)))["first"] == code


@pytest.mark.parametrize(("name", "op", "is_made"), [("x", "first", False), ("r", "second", True)])
def test_infinities_are_advised_on_by_where_they_come_from(name: str, op: str, is_made: bool) -> None:  # noqa: FBT001
    program = image(two_convs)
    values = values_in(program.functions["main"])
    tensors = {each: statistics_of(values[each], 0.0, 1.0) for each in ("x", "r", "second")}
    tensors[name] = statistics_of(values[name], 0.0, 1.0, not_finite=3)
    remarks = run(program, calibration=statistics(tensors)).remarks
    advice = next(remark.suggestion for remark in remarks if remark.op == op and remark.code == "non-finite")
    assert advice.startswith("mend or leave out the samples with such numbers, and calibrate again")
    assert ("masks" in advice) is is_made


LEFT_ALONE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "constant-operand": (lambda x: mb.add(x=x, y=weights(1, 4, 6, 8), name="op"), "op"),
    "computed-weight": (lambda x: mb.conv(x=x, weight=mb.reshape(x=x, shape=(12, 4, 2, 2)), name="op"), "op"),
    "not-fused": (lambda x: mb.relu(x=mb.mul(x=conv(x, "op"), y=np.float16(2))), "op"),
    "float-readers": (lambda x: mb.softmax(x=conv(x, "op")), "op"),
    "idle": (lambda x: mb.exp(x=mb.concat(values=[x, mb.sin(x=x)], axis=1, name="op")), "op"),
    "output": (lambda x: conv(x, "op"), "op"),
}


@pytest.mark.parametrize("code", LEFT_ALONE)
def test_the_reason_is_told(code: str) -> None:
    body, op = LEFT_ALONE[code]
    result = run(image(body), ranges=ALL)
    assert codes(result)[op] == code
    assert find_op(result.program, op).outputs[0].child_ops[:1] != ["quantize"]


@pytest.mark.parametrize("op", [mb.add, mb.mul])
def test_a_value_with_itself_is_no_constant_that_could_be_fused(op: Callable[..., Any]) -> None:
    def body(x: Any) -> Any:
        first = conv(x, "first")
        return conv(op(x=first, y=first, name="twice"), "second")

    result = run(image(body), ranges=ALL)
    assert "not-fused" not in codes(result).values()
    assert find_op(result.program, "twice").x.op.op_type == "dequantize"


def powers(x: Any) -> Any:
    """A power spectrum: two squares, their sum, and its root."""
    real, imaginary = conv(x, "real"), conv(x, "imaginary", seed=1)
    total = mb.add(x=mb.square(x=real), y=mb.mul(x=imaginary, y=imaginary, name="m"), name="sum")
    return mb.sqrt(x=total, name="root")


def test_powers_whose_root_is_taken_stay_float_unless_forced() -> None:
    program = image(powers)
    result = run(program, ranges=ALL)
    assert {name: code for name, code in codes(result).items() if code == "power"} == {"sum": "power", "m": "power"}
    assert "dequantize" not in {value.op.op_type for value in (find_op(result.program, "sum").x,)}
    forced = inserted(program, ranges=ALL, overrides=({"op_type": "add", "force": True},))
    assert find_op(forced, "sum").x.op.op_type == "dequantize"


def test_an_op_that_would_lose_most_small_numbers_is_left_alone() -> None:
    program = image(two_convs)
    values = values_in(program.functions["main"])
    spread = np.concatenate([np.zeros(1000), np.full(600, 0.001), np.full(400, 1.0)])  # of those but 0, 60 % vanish
    even = np.linspace(-1, 1, 1000)
    tensors = {}
    for name, elements in (("x", even), ("r", spread), ("second", even)):
        more = {"histogram": GridHistogram.of(elements), "elements": elements.size}
        tensors[name] = statistics_of(values[name], float(elements.min()), float(elements.max()), **more)
    result = run(program, calibration=statistics(tensors))
    assert codes(result) == {"first": "vanishing", "second": "vanishing"}
    message = next(remark.message for remark in result.remarks if remark.op == "second")
    assert message == "60% of the numbers in 'r' would become 0, being so small beside the greatest"
    assert not counts(result.program)["quantize"]
    assert counts(inserted(program, calibration=statistics(tensors), max_vanishing=0.61))["quantize"] == 2
    forced = inserted(program, calibration=statistics(tensors), overrides=({"op": "second", "force": True},))
    assert [
        find_op(forced, name).x.op is None or find_op(forced, name).x.op.op_type for name in ("first", "second")
    ] == [
        True,
        "dequantize",
    ]


def test_values_of_very_different_sizes_do_not_share_a_scale_unless_forced() -> None:
    def body(x: Any) -> Any:
        both = mb.concat(values=[conv(x, "small"), conv(x, "great", seed=1)], axis=1, name="z")
        return conv(both, "last")

    program = image(body)
    values, tensors = values_in(program.functions["main"]), {}
    for name, size in (("x", 1.0), ("small", 0.01), ("great", 4.0), ("last", 1.0), ("z", 1.0)):
        elements = np.linspace(-size, size, 1001)
        more = {"histogram": GridHistogram.of(elements), "elements": elements.size}
        tensors[name] = statistics_of(values[name], -size, size, **more)
    found = statistics(tensors)
    result = run(program, calibration=found)
    assert codes(result)["z"] == "vanishing"
    scales = {each.op.name: float(each.op.scale.val) for each in find_op(result.program, "z").values}
    assert [*scales.values()] == pytest.approx([0.01 / 127, 4 / 127], rel=0.01)
    forced = inserted(program, calibration=found, overrides=({"op": "z", "force": True},))
    assert len({float(each.op.scale.val) for each in find_op(forced, "z").values}) == 1


def test_a_pair_is_told_with_its_figures() -> None:
    program = image(two_convs)
    result = run(program, calibration=given(program, x=(-2, 1), r=(0, 4), second=(-1, 1)))
    pair = next(remark for remark in result.remarks if remark.op == "r")
    assert pair.message == "'r' gets a pair: int8, scale 0.03149, for conv"
    assert pair.data["range"] == [0, 4]
    assert pair.data["range_source"] == "measured"


def test_what_is_done_is_counted() -> None:
    found = Statistics()
    program = image(lambda x: (two_convs(x), mb.add(x=x, y=np.float16(2), name="sum")))
    inserted(program, found, ranges=ALL)
    counted = {each["name"]: each["value"] for each in found.as_json("flat")["passes"][0]["statistics"]}
    assert {name: counted[name] for name in ("pairs", "ops", "left-alone")} == {"pairs": 2, "ops": 2, "left-alone": 1}


@pytest.mark.parametrize("limit", range(3))
def test_a_limit_stops_it_after_any_pair(limit: int) -> None:
    after = inserted(image(two_convs), RewriteLimit(limit), ranges=ALL)
    assert counts(after)["quantize"] == counts(after)["dequantize"] == limit


# --- mistakes of users


def test_targets_before_ios17_are_refused() -> None:
    with pytest.raises(PassFailure, match=r"iOS16 has no ops for quantized activations.*raise-opset"):
        run(image(two_convs, IOS16), ranges=ALL)


def test_statistics_of_another_model_are_refused() -> None:
    program, other = image(two_convs), image(lambda x: conv(conv(conv(x, "one"), "two"), "three"))
    found = given(program, x=(-1, 1), r=(0, 1), second=(-1, 1))
    with pytest.raises(PassFailure, match=r"the statistics have 1 of the 3 values .*calibrate this model"):
        run(other, calibration=found)


def test_statistics_of_other_functions_are_refused() -> None:
    import attrs

    found = attrs.evolve(statistics({}), functions={"prefill": statistics({}).functions["main"]})
    with pytest.raises(PassFailure, match="of other functions: prefill"):
        run(image(two_convs), calibration=found)


def test_statistics_that_are_not_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(MiloptError, match=r"nowhere\.json"):
        run(image(two_convs), calibration=tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": 5}, "the path of calibration statistics"),
        ({"calibration": "(statistics in memory)"}, "in the memory of another program"),
        ({"observer": "mso"}, "there is no observer 'mso'"),
        ({"activation_mode": "signed"}, "takes one of symmetric, affine, unsigned-after-relu"),
        ({"overrides": ({"name": "x"},)}, "has no option 'name'"),
        ({"ranges": ({"tensor": "x", "low": 2, "high": 1},)}, "the range of 'x' is empty"),
        ({"ranges": ({"tensor": "x", "low": 0, "high": float("inf")},)}, "a range has finite limits"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        InsertQuantizeDequantize(**options)


def test_statistics_in_memory_print_as_what_can_not_be_read_again() -> None:
    program = image(two_convs)
    text = str(program_pipeline(InsertQuantizeDequantize(calibration=given(program, x=(-1, 1)))))
    with pytest.raises(MiloptError, match=r"CalibrationStatistics\.save"):
        parse_pipeline(text)


def test_options_go_through_text_and_back() -> None:
    made = InsertQuantizeDequantize(
        calibration="my stats.json", observer="percentile{99.9}", outputs=True, fixed_ranges=False,
        overrides=({"op": "a*", "skip": True},), ranges=({"tensor": "x", "low": -1, "high": 2.5},),
    )  # fmt: skip
    pipeline = program_pipeline(made)
    assert parse_pipeline(str(pipeline)) == pipeline


def test_it_runs_from_a_file_in_coremltools_too(tmp_path: Path) -> None:
    program = image(two_convs)
    given(program, x=(-2, 1), r=(0, 4), second=(-1, 1)).save(tmp_path / "stats.json")
    text = f"program(insert-quantize-dequantize{{calibration={tmp_path / 'stats.json'}}})"
    ours = PassManager(parse_pipeline(text)).run(program).program
    registration.register_all()
    name = "milopt::insert_quantize_dequantize"
    options = {"insert_quantize_dequantize": {"calibration": str(tmp_path / "stats.json")}}
    theirs = applied(image(two_convs), name, **options)
    assert counts(ours) == counts(theirs)
    assert quantized(theirs, "second").scale.val == np.float16(4 / 127)


# --- numbers


def network(x: Any) -> Any:
    def weight(*shape: int, seed: int) -> np.ndarray:
        return weights(*shape, dtype="float32" if x.dtype.__name__ == "fp32" else "float16", seed=seed)

    def convolved(value: Any, name: str, seed: int) -> Any:
        return mb.conv(x=value, weight=weight(8, value.shape[1], 3, 3, seed=seed), pad_type="same", name=name)

    first = mb.relu(x=convolved(x, "first", 0), name="r")
    total = mb.relu(x=mb.add(x=convolved(first, "second", 1), y=first, name="sum"), name="rs")
    both = mb.concat(values=[total, mb.tanh(x=convolved(total, "third", 2), name="t")], axis=1, name="z")
    pooled = mb.max_pool(x=both, kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", name="pool")
    flat = mb.reshape(x=mb.transpose(x=pooled, perm=[0, 2, 3, 1]), shape=(12, 16), name="flat")
    mixed = mb.matmul(x=flat, y=flat, transpose_y=True, name="mixed")
    return mb.linear(x=mb.gelu(x=mixed, name="g"), weight=weight(10, 12, seed=3), name="y")


def samples(dtype: str, count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    return [{"x": plausible(rng, (1, 4, 6, 8), dtype)} for _ in range(count)]


@pytest.mark.parametrize(("kind", "dtype"), [(fp16, "float16"), (fp32, "float32")])
@pytest.mark.parametrize("mode", ["symmetric", "affine", "unsigned-after-relu"])
def test_programs_compute_about_the_same(kind: Callable[..., Any], dtype: str, mode: str) -> None:
    program = build_program(network, IOS17, x=kind(1, 4, 6, 8))
    data = samples(dtype, 8)
    after = inserted(program, calibration=measured(program, data), activation_mode=mode)
    found = [decibels(Session(program).run(each)["y"], Session(after).run(each)["y"]) for each in data]
    assert min(found) > 24
    assert max(found) < 60  # it is quantized


def test_unsigned_codes_gain_a_bit_behind_relu() -> None:
    """One relu between two linear ops: codes below 0 are lost to symmetric ones, half of all."""

    def body(x: Any) -> Any:
        hidden = mb.relu(x=x, name="r")
        return mb.linear(x=hidden, weight=weights(64, 64), name="y")

    program = build_program(body, IOS17, x=fp16(50, 64))
    data = [{"x": plausible(np.random.default_rng(1), (50, 64), "float16")}]
    found = measured(program, data)
    expected = Session(program).run(data[0])["y"]
    ratio = {
        mode: decibels(expected, Session(inserted(program, calibration=found, activation_mode=mode)).run(data[0])["y"])
        for mode in ("symmetric", "unsigned-after-relu", "affine")
    }
    assert ratio["unsigned-after-relu"] - ratio["symmetric"] > 5
    assert ratio["affine"] - ratio["symmetric"] > 5


def undone(operation: Any, rewriter: Any) -> bool:
    quantize = operation.inputs["input"].op
    rewriter.replace(operation, quantize.inputs["input"])
    return True


@pytest.mark.parametrize("outputs", [False, True])
def test_a_program_without_its_pairs_is_what_it_was(outputs: bool) -> None:  # noqa: FBT001
    program = build_program(network, IOS17, x=fp16(1, 4, 6, 8))
    after = inserted(program, ranges=ALL, outputs=outputs)
    assert counts(after)["dequantize"] == 8 + outputs
    rewrite(after, [Pattern(name="undone", ops=("dequantize",), rewrite=undone)])
    assert first_difference(after, program) is None

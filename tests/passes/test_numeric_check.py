"""The numeric check: what it measures after each pass, what fails, and what it does not run at all."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import CheckFailure, OptionError, PassFailure, RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.passes.base import UNCHANGED, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.numeric_check import NumericCheck
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.proving.fidelity import OutputDistance, Values, compared, worst_of
from milopt.passes.proving.reference import Random, Reference
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from milopt.runtime import registry
from milopt.runtime import session as session_module
from milopt.runtime.random_samples import RandomSamples
from milopt.runtime.samples import read_samples
from milopt.runtime.session import Session
from support.editing import find_op, replace_constant
from support.passes import CHANGED, doing, made, run_passes
from support.program_registry import build_program, fp16, int32
from support.programs import PROGRAMS

QUANTIZE = QuantizeWeights(min_elements=0)


def checked(program: Any, *passes: Pass, **settings: Any) -> NumericCheck:
    """The check after a run of these passes."""
    check = NumericCheck(**settings)
    run_passes(program, *passes, around=(check, VerifyEach()))
    return check


def only(check: NumericCheck) -> OutputDistance:
    ((found,),) = [each.distances for each in check.measured]
    return found


def scaling(name: str, factor: float, *, word: str = "Scale") -> Pass:
    """A pass that multiplies a constant."""

    def scale(root: Any) -> None:
        constant = find_op(root, name)
        value = constant.outputs[0].val
        with np.errstate(invalid="ignore", over="ignore"):
            replace_constant(constant, value * value.dtype.type(factor))

    return doing(scale, word)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that sessions were opened for."""
    names: list[str] = []

    class Counting(Session):
        def __init__(self, program: Any, function: str, **settings: Any) -> None:
            names.append(function)
            super().__init__(program, function, **settings)

    monkeypatch.setattr(session_module, "Session", Counting)
    return names


# --- what is measured


def test_distance_is_that_of_the_outputs_of_both_programs() -> None:
    program = PROGRAMS["linear_chain"]()
    samples = list(RandomSamples(program.functions["main"], 4))
    after = run_passes(program, QUANTIZE).program
    was, now = (
        np.concatenate([Session(each).run(sample)["second"].reshape(-1) for sample in samples]).astype(np.float64)
        for each in (program, after)
    )
    found = only(checked(program, QUANTIZE))
    assert found.sqnr_db == pytest.approx(10 * math.log10(np.sum(was**2) / np.sum((was - now) ** 2)))
    assert found.max_abs == np.abs(was - now).max()
    assert (found.function, found.output, found.not_finite, found.problem) == ("main", "second", 0, "")
    assert 40 < found.sqnr_db < 60


def test_outputs_are_compared_with_the_program_before_all_passes() -> None:
    check = checked(PROGRAMS["matmul"](), scaling("matmul_y_0", 2), scaling("matmul_y_0", 0.5))
    twice, back = (each.distances[0] for each in check.measured)
    assert twice.sqnr_db == pytest.approx(0)  # off by as much as there was
    assert (back.sqnr_db, back.max_abs) == (math.inf, 0)


def test_every_output_of_every_function_is_measured() -> None:
    check = checked(PROGRAMS["two_functions"](), QUANTIZE)
    assert [(each.function, each.output) for each in check.measured[0].distances] == [
        ("encode", "encode"),
        ("decode", "decode"),
    ]
    assert [each.output for each in checked(PROGRAMS["two_heads"](), QUANTIZE).measured[0].distances] == [
        "confidence",
        "coordinates",
    ]


def test_one_function_can_be_chosen(opened: list[str]) -> None:
    check = checked(PROGRAMS["two_functions"](), QUANTIZE, function="decode")
    assert only(check).function == "decode"
    assert set(opened) == {"decode"}


def test_state_after_the_run_is_measured_and_begins_with_zeros() -> None:
    program = PROGRAMS["states"]()
    check = checked(program, QUANTIZE)
    assert [each.output for each in check.measured[0].distances] == ["twice", "state 'cache'"]
    session = Session(program)
    fresh = [session.run(sample, session.make_state()) for sample in RandomSamples(program.functions["main"], 4)]
    elements = np.concatenate([each["twice"].reshape(-1) for each in fresh])
    recorded = Reference(program, Random())._recorded["main"].outputs["twice"].elements
    assert np.array_equal(recorded, elements)


def test_samples_of_a_file_are_run(tmp_path: Path) -> None:
    inputs = np.random.default_rng(5).standard_normal((3, 10, 40)).astype(np.float16)
    np.savez(tmp_path / "x.npz", x=inputs, unused=np.zeros(3))
    program = PROGRAMS["linear"]()
    found = only(checked(program, QUANTIZE, samples=read_samples(tmp_path / "x.npz")))
    was, now = (
        np.stack([Session(each).run({"x": x})["linear"] for x in inputs]).astype(np.float64)
        for each in (program, run_passes(program, QUANTIZE).program)
    )
    assert found.max_abs == np.abs(was - now).max()


def test_precision_is_that_of_the_session() -> None:
    program = PROGRAMS["linear_chain"]()
    full, half = (only(checked(program, QUANTIZE, precision=each)) for each in ("float32", "float16"))
    assert full.sqnr_db != half.sqnr_db
    assert half.sqnr_db == pytest.approx(full.sqnr_db, abs=1)


def test_seed_and_count_choose_the_random_samples() -> None:
    first, same, other, more = (
        only(checked(PROGRAMS["linear"](), QUANTIZE, samples=Random(*each))).sqnr_db
        for each in ((2, 0), (2, 0), (2, 1), (3, 0))
    )
    assert first == same
    assert len({first, other, more}) == 3


def test_sizes_that_are_not_known_are_tried() -> None:
    def body(x: Any) -> Any:
        return mb.max_pool(x=x, kernel_sizes=[33, 33], strides=[1, 1], pad_type="valid", name="y")

    program = build_program(body, IOS17, x=fp16(1, 2, None, None))
    assert [each.shapes for each in Reference(program, Random(1))._recorded["main"].outputs.values()] == [
        ((1, 2, 32, 32),)
    ]


def test_magnitudes_are_tried_where_signs_leave_nothing_finite() -> None:
    def body(x: Any) -> Any:
        return mb.reduce_sum(x=mb.sqrt(x=x), axes=[0, 1], name="y")

    program = build_program(body, IOS17, x=fp16(8, 8))
    (found,) = Reference(program, Random(2))._recorded["main"].outputs.values()
    assert np.isfinite(found.elements).all()
    with_signs = Reference(program, list(RandomSamples(program.functions["main"], 2)))
    assert with_signs._recorded["main"].outputs["y"].tells_nothing


def test_several_programs_are_counted() -> None:
    check = NumericCheck()
    for name in ("linear", "conv"):
        run_passes(PROGRAMS[name](), QUANTIZE, around=(check,))
    assert [(each.program, each.path) for each in check.measured] == [
        (0, "program/quantize-weights{min-elements=0}"),
        (1, "program/quantize-weights{min-elements=0}"),
    ]


# --- values that are not plain floats


def test_elements_that_are_no_longer_finite_are_told() -> None:
    found = only(checked(PROGRAMS["tiny_linear"](), scaling("y_weight_0", math.inf)))
    assert found.sqnr_db == -math.inf
    assert found.not_finite > 0
    assert f"{found.not_finite} elements changed between finite and not" in str(found)


def test_whole_numbers_are_measured_as_numbers() -> None:
    program = build_program(lambda x: mb.add(x=x, y=np.int32(3), name="y"), IOS17, x=int32(4))
    found = only(checked(program, scaling("y_y_0", 2)))
    assert found.max_abs == 3
    was = np.concatenate([each["x"] for each in RandomSamples(program.functions["main"], 4)]) + 3.0
    assert found.sqnr_db == pytest.approx(10 * math.log10(np.sum(was**2) / (9 * was.size)))


@pytest.mark.parametrize(
    ("before", "after", "sqnr", "not_finite"),
    [
        ([0.0, 0.0], [0.0, -0.0], math.inf, 0),
        ([0.0, 0.0], [0.0, 1.0], -math.inf, 0),
        ([1.0, math.nan], [1.0, math.nan], math.inf, 0),
        ([1.0, math.inf], [1.0, math.inf], math.inf, 0),
        ([1.0, 2.0], [1.0, math.nan], -math.inf, 1),
        ([10.0, 0.0], [10.0, 1.0], 20.0, 0),
        ([True, False], [True, True], 0.0, 0),
        ([10, 0], [10, 1], 20.0, 0),
        (["cat", "dog"], ["cat", "dog"], math.inf, 0),
        (["cat", "dog"], ["cat", "cow"], -math.inf, 0),
    ],
)
def test_distances(before: list[Any], after: list[Any], sqnr: float, not_finite: int) -> None:
    found = compared("main", "y", *(Values.of([np.asarray(each)]) for each in (before, after)))
    assert found.sqnr_db == pytest.approx(sqnr)
    assert (found.not_finite, found.problem) == (not_finite, "")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_output_that_is_nowhere_finite_says_so(value: float) -> None:
    nowhere, somewhere = (Values.of([np.asarray([value, each])]) for each in (value, 1.0))
    found = compared("main", "y", nowhere, nowhere)
    assert found.words == "output 'y' is nowhere finite on these samples, before and after: nothing was compared"
    assert compared("main", "y", nowhere, somewhere).sqnr_db == -math.inf
    assert not compared("main", "y", somewhere, nowhere).problem


def test_worst_output_has_the_least_ratio_then_the_largest_error() -> None:
    rows = [
        OutputDistance("f", "a", 30.0, 1.0),
        OutputDistance("f", "b", 20.0, 0.1),
        OutputDistance("f", "c", 20.0, 0.2),
        OutputDistance("f", "d", math.inf),
    ]
    assert worst_of(rows) is rows[2]
    assert worst_of([]) is None


# --- programs whose surface changes


def rename_outputs(root: Any) -> None:
    for index, var in enumerate(root.functions["main"].outputs):
        var.name = f"renamed_{index}"


def test_outputs_with_new_names_are_known_by_their_places() -> None:
    found = checked(PROGRAMS["two_heads"](), doing(rename_outputs)).measured[0].distances
    assert [(each.output, each.sqnr_db) for each in found] == [("confidence", math.inf), ("coordinates", math.inf)]


def test_inputs_with_new_names_are_known_by_their_places() -> None:
    def rename_input(root: Any) -> None:
        function = root.functions["main"]
        (var,) = function.inputs.values()
        var.name = "image"
        function._input_dict = {"image": var}

    assert only(checked(PROGRAMS["linear"](), doing(rename_input))).sqnr_db == math.inf


def drop_output(root: Any) -> None:
    function = root.functions["main"]
    function.set_outputs(function.outputs[:1])


def test_output_that_is_gone_is_a_problem() -> None:
    kept, gone = checked(PROGRAMS["two_heads"](), doing(drop_output)).measured[0].distances
    assert kept.sqnr_db == math.inf
    assert (gone.sqnr_db, gone.problem) == (-math.inf, "is gone")


def add_axis(root: Any) -> None:
    function = root.functions["main"]
    with function:
        name = function.outputs[0].name
        function.outputs[0].name = "inner"
        function.set_outputs([mb.expand_dims(x=function.outputs[0], axes=[0], name=name)])


def test_output_of_another_shape_is_a_problem() -> None:
    found = only(checked(PROGRAMS["linear"](), doing(add_axis)))
    assert str(found) == "in function 'main', output 'linear' has the shape [1, 10, 64], and had [10, 64]"
    assert found.sqnr_db == -math.inf


def test_function_that_is_gone_is_a_problem() -> None:
    def drop(root: Any) -> None:
        del root.functions["decode"]

    encode, decode = checked(PROGRAMS["two_functions"](), doing(drop)).measured[0].distances
    assert encode.sqnr_db == math.inf
    assert (decode.function, decode.problem) == ("decode", "is gone")


# --- failures


def test_pass_fails_whose_output_is_too_far_off() -> None:
    program = PROGRAMS["linear_chain"]()
    with pytest.raises(PassFailure) as caught:
        checked(program, RaiseOpset(target="iOS18"), QUANTIZE, min_sqnr=60)
    assert isinstance(caught.value.__cause__, CheckFailure)
    message = str(caught.value)
    assert message.startswith("pass 'quantize-weights{min-elements=0}', function 'main': output 'second' is at 4")
    assert message.endswith("(at least 60.0 dB are asked for)")
    assert first_difference(program, PROGRAMS["linear_chain"]()) is None


def test_threshold_is_met_by_what_equals_it() -> None:
    reached = only(checked(PROGRAMS["linear"](), QUANTIZE)).sqnr_db
    checked(PROGRAMS["linear"](), QUANTIZE, min_sqnr=reached)
    with pytest.raises(PassFailure):
        checked(PROGRAMS["linear"](), QUANTIZE, min_sqnr=math.nextafter(reached, math.inf))


def test_infinite_threshold_asks_for_equal_outputs() -> None:
    checked(PROGRAMS["linear_fp32"](), RaiseOpset(target="iOS18"), min_sqnr=math.inf)
    with pytest.raises(PassFailure):
        checked(PROGRAMS["linear"](), QUANTIZE, min_sqnr=math.inf)


def test_worst_output_decides() -> None:
    by_name = {each.output: each.sqnr_db for each in checked(PROGRAMS["two_heads"](), QUANTIZE).measured[0].distances}
    assert by_name["coordinates"] < by_name["confidence"]
    with pytest.raises(PassFailure, match=r"output 'coordinates' is at"):
        checked(PROGRAMS["two_heads"](), QUANTIZE, min_sqnr=(sum(by_name.values()) / 2))


def test_pass_inside_another_is_named() -> None:
    outer = made("Outer", lambda _, context: CHANGED if context.run_pipeline(program_pipeline(QUANTIZE)) else UNCHANGED)
    with pytest.raises(PassFailure, match=r"^pass 'quantize-weights\{min-elements=0\}', function"):
        checked(PROGRAMS["linear"](), outer, min_sqnr=60)


def test_failed_measurement_is_in_the_report() -> None:
    check = NumericCheck(min_sqnr=60)
    with pytest.raises(PassFailure):
        run_passes(PROGRAMS["linear"](), QUANTIZE, around=(check,))
    assert 40 < only(check).sqnr_db < 60


def test_threshold_that_is_no_number_is_refused() -> None:
    with pytest.raises(OptionError, match="decibels"):
        NumericCheck(min_sqnr=math.nan)


def count_runs(into: list[str]) -> Pass:
    def run(_: Any, context: PassContext) -> Any:
        into.append(context.pass_name)
        return UNCHANGED

    return made("Count", run)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": [{"y": np.zeros((10, 40))}]}, r"^function 'main', sample 0, input 'x': it is missing"),
        ({"samples": [{"x": np.zeros((10, 41))}]}, r"^function 'main', sample 0, input 'x': it has the shape"),
        ({"samples": []}, r"^function 'main': there are no samples"),
        ({"function": "mian"}, r"^there is no function 'mian' \(did you mean 'main'"),
    ],
)
def test_program_that_can_not_be_run_fails_before_any_pass(settings: dict[str, Any], message: str) -> None:
    runs: list[str] = []
    with pytest.raises(RunError, match=message):
        checked(PROGRAMS["linear"](), count_runs(runs), **settings)
    assert runs == []


def test_op_that_the_runtime_does_not_know_fails_before_any_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.runnable_ops()  # reads all lowerings
    monkeypatch.delitem(registry._LOWERINGS, "linear")
    runs: list[str] = []
    with pytest.raises(RunError, match="linear"):
        checked(PROGRAMS["linear"](), count_runs(runs))
    assert runs == []


def test_program_that_can_not_be_run_any_more_fails_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.runnable_ops()
    monkeypatch.delitem(registry._LOWERINGS, "expand_dims")
    with pytest.raises(PassFailure, match=r"^pass 'doing', .*expand_dims"):
        checked(PROGRAMS["linear"](), doing(add_axis))


# --- what is not run


def test_program_that_did_not_change_is_not_run_again(opened: list[str]) -> None:
    check = checked(PROGRAMS["linear"](), doing(lambda _: None, "Boast"))
    assert (opened, check.measured) == (["main"], [])


def test_pass_around_others_is_not_measured_again(opened: list[str]) -> None:
    def run(_: Any, context: PassContext) -> Any:
        context.run_pipeline(program_pipeline(QUANTIZE))
        return CHANGED

    check = checked(PROGRAMS["linear"](), made("Outer", run))
    assert [each.path for each in check.measured] == ["program/outer/program/quantize-weights{min-elements=0}"]
    assert opened == ["main", "main"]


def test_pass_on_a_function_has_that_function_run_alone(opened: list[str]) -> None:
    def change(function: Any, context: PassContext) -> Any:
        if context.run.function != "decode":
            return UNCHANGED
        function.operations[-1].outputs[0].name = "renamed"
        return CHANGED

    check = NumericCheck()
    pipeline = program_pipeline(Pipeline("function", (made("Change", change, anchor="function"),)))
    PassManager(pipeline, (check,)).run(PROGRAMS["two_functions"]())
    assert opened == ["encode", "decode", "decode"]
    assert [each.path for each in check.measured] == ["program/function(decode)/change"]


def test_program_is_told_of_while_it_runs() -> None:
    told: list[str] = []

    def working(what: str) -> Any:
        told.append(what)
        return nullcontext()

    checked(PROGRAMS["linear"](), QUANTIZE, working=working)
    assert told == [
        "running the program before the passes",
        "running the program after program/quantize-weights{min-elements=0}",
    ]


# --- reports


def test_json_has_finite_numbers_only() -> None:
    check = checked(PROGRAMS["linear"](), RaiseOpset(target="iOS18"), QUANTIZE)
    first, second = json.loads(json.dumps(check.as_json(), allow_nan=False))
    assert [each["pass"] for each in (first, second)] == [
        "program/raise-opset{target=iOS18}",
        "program/quantize-weights{min-elements=0}",
    ]
    assert 40 < second["outputs"][0]["sqnr_db"] < 60
    assert first["outputs"][0] == {
        "function": "main",
        "output": "linear",
        "sqnr_db": None,
        "equal": True,
        "max_abs": 0.0,
        "not_finite": 0,
        "problem": "",
    }


def test_json_tells_equal_from_broken() -> None:
    check = checked(PROGRAMS["tiny_linear"](), scaling("y_weight_0", math.inf))
    (row,) = json.loads(json.dumps(check.as_json(), allow_nan=False))[0]["outputs"]
    assert (row["sqnr_db"], row["equal"]) == (None, False)

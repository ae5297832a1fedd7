"""Bisection: the first pass and the first rewrite that go wrong, however the program is looked at."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import PassFailure, RunError
from milopt.ir.pymil import Program, mb
from milopt.ir.targets import IOS17
from milopt.passes.base import UNCHANGED, Anchor, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.proving.bisection import Culprit, bisect
from milopt.passes.proving.reference import Random, Reference
from milopt.runtime.random_samples import RandomSamples
from support.editing import find_op, ops_of_type, replace_constant
from support.passes import CHANGED, doing, made
from support.program_registry import build_program, fp32
from support.programs import PROGRAMS

COUNT = 12
NAMES = [f"y{index}" for index in range(COUNT)]


def products() -> Program:
    """A dozen products with ones, one after the other."""

    def body(x: Any) -> Any:
        for name in NAMES:
            x = mb.mul(x=x, y=np.float32(1), name=name)
        return x

    return build_program(body, IOS17, x=fp32(3))


def setting(factors: dict[str, float], *, name: str = "Set", anchor: Anchor = "program") -> Pass:
    """A pass that gives each product another factor, 1 if none is given; each is one rewrite."""

    def run(root: Any, context: PassContext) -> Any:
        done = 0
        for operation in ops_of_type(root, "mul"):
            if context.admits("set-factor", operation):
                replace_constant(operation.y.op, np.float32(factors.get(operation.name, 1)))
                done += 1
        return CHANGED if done else UNCHANGED

    return made(name, run, anchor=anchor)


def factors_after(program: Any, pipeline: Pipeline, limit: int) -> list[float]:
    result = PassManager(pipeline, (RewriteLimit(limit),)).run(program).program
    return [float(find_op(result, name).y.val) for name in NAMES]


def found_in(*passes: Pass | Pipeline, min_sqnr: float | None = 40, **settings: Any) -> Culprit:
    found = bisect(products(), program_pipeline(*passes), min_sqnr=min_sqnr, **settings)
    assert found is not None
    return found


# --- the first rewrite


@pytest.mark.parametrize("index", range(COUNT))
def test_the_one_rewrite_is_found(index: int) -> None:
    found = found_in(setting({}, name="Harmless"), setting({NAMES[index]: 2}))
    assert found.rewrite is not None
    assert (found.path, found.rewrite.op, found.rewrite.op_type) == ("program/set", NAMES[index], "mul")
    assert (found.number, found.number_in_pass, found.count_in_pass) == (COUNT + index + 1, index + 1, COUNT)
    assert (found.before.sqnr_db, found.after.sqnr_db) == (math.inf, pytest.approx(0))


@pytest.mark.parametrize("index", [0, 5, COUNT - 1])
def test_limits_that_are_told_show_it(index: int) -> None:
    pipeline = program_pipeline(setting({}, name="Harmless"), setting({NAMES[index]: 2}))
    found = bisect(products(), pipeline, min_sqnr=40)
    assert found is not None
    assert found.number is not None
    assert factors_after(products(), pipeline, found.number - 1) == [1] * COUNT
    assert factors_after(products(), pipeline, found.number)[index] == 2


def test_few_rewrites_are_measured() -> None:
    measured: list[int] = []

    def measure(program: Any) -> float:
        measured.append(1)
        return 0.0 if float(find_op(program, "y7").y.val) != 1 else 99.0

    pipeline = program_pipeline(setting({}, name="Harmless"), setting({"y7": 2}))
    found = bisect(products(), pipeline, measure, min_sqnr=40)
    assert found is not None
    assert found.rewrite is not None
    assert (found.rewrite.op, found.before.sqnr_db, found.after.sqnr_db) == ("y7", 99.0, 0.0)
    assert found.after.words == "the program is at 0.0 dB"
    # Two passes, before and behind the second, and as often as a dozen can be halved.
    assert len(measured) <= 2 + 2 + math.ceil(math.log2(COUNT))


@pytest.mark.parametrize(
    "spoiling", [{2: 2, 5: 0.5, 8: 2}, {0: 4, 1: 0.25, 10: 3}, {3: 2, 4: 0.5, 6: 2, 7: 0.5, 11: 2}]
)
def test_pair_is_found_where_rewrites_mend_each_other(spoiling: dict[int, float]) -> None:
    pipeline = program_pipeline(setting({NAMES[index]: factor for index, factor in spoiling.items()}))
    found = bisect(products(), pipeline, min_sqnr=40)
    assert found is not None
    assert found.number is not None
    without, with_it = (math.prod(factors_after(products(), pipeline, found.number - each)) for each in (1, 0))
    assert without == 1
    assert with_it != 1


def test_rewrite_that_leaves_a_program_that_does_not_run_is_found() -> None:
    def measure(program: Any) -> float:
        if float(find_op(program, "y4").y.val) != 1:
            raise RunError("no")
        return 99.0

    with pytest.raises(PassFailure, match=r"^pass 'set': no$"):
        bisect(products(), program_pipeline(setting({"y4": 2})), measure, min_sqnr=40)


# --- the first pass


def test_first_pass_counts_even_if_a_later_one_mends_it() -> None:
    found = found_in(setting({"y3": 2}, name="Spoil"), setting({"y3": 1}, name="Mend"))
    assert found.path == "program/spoil"


def test_pass_that_does_not_ask_is_the_culprit_itself() -> None:
    def spoil(root: Any) -> None:
        replace_constant(find_op(root, "y5").y.op, np.float32(2))

    found = found_in(setting({}, name="Harmless"), doing(spoil, "Spoil"))
    assert (found.pass_text, found.rewrite, found.number, found.count_in_pass) == ("spoil", None, None, 0)
    assert found.before.sqnr_db == math.inf


def test_pass_that_spoils_beside_its_rewrites_is_the_culprit_itself() -> None:
    def run(root: Any, context: PassContext) -> Any:
        replace_constant(find_op(root, "y5").y.op, np.float32(2))
        context.admits("nothing", find_op(root, "y1"))
        return CHANGED

    found = found_in(made("Sly", run))
    assert (found.pass_text, found.rewrite, found.count_in_pass) == ("sly", None, 1)


def test_pass_on_functions_is_found_in_its_function() -> None:
    def spoil(function: Any, context: PassContext) -> Any:
        if not context.admits("spoil", function.operations[-1]) or context.run.function != "decode":
            return UNCHANGED
        weight = function.operations[-1].y
        replace_constant(weight.op, weight.val * np.float16(2))
        return CHANGED

    pipeline = program_pipeline(Pipeline("function", (made("Spoil", spoil, anchor="function"),)))
    found = bisect(PROGRAMS["two_functions"](), pipeline, min_sqnr=40)
    assert found is not None
    assert found.rewrite is not None
    assert (found.path, found.rewrite.function) == ("program/function(decode)/spoil", "decode")
    assert (found.number, found.number_in_pass) == (2, 1)


def test_innermost_pass_is_found() -> None:
    def run(_: Any, context: PassContext) -> Any:
        context.run_pipeline(program_pipeline(setting({}, name="Harmless")))
        context.run_pipeline(program_pipeline(setting({"y2": 2}, name="Spoil")))
        return CHANGED

    found = found_in(made("Outer", run))
    assert (found.path, found.number, found.number_in_pass) == ("program/outer/program/spoil", COUNT + 3, 3)


def test_pass_of_coremltools_is_found() -> None:
    pipeline = parse_pipeline("program(raise-opset{target=iOS17}, common::add_fp16_cast)")
    program = PROGRAMS["linear_fp32"]()
    assert bisect(program, pipeline, min_sqnr=100) is None  # rounds nothing
    found = bisect(program, pipeline, Reference(program, Random(), precision="float16"), min_sqnr=100)
    assert found is not None
    assert found.path == "program/common::add_fp16_cast"
    assert (found.number, found.number_in_pass, found.count_in_pass) == (2, 1, 1)


@pytest.mark.parametrize("min_sqnr", [40, None])
def test_nothing_is_found_where_nothing_is(min_sqnr: float | None) -> None:
    program = products()
    assert bisect(program, program_pipeline(setting({})), min_sqnr=min_sqnr) is None
    assert bisect(program, program_pipeline(), min_sqnr=min_sqnr) is None


def test_program_stays_as_it_is() -> None:
    program = products()
    assert bisect(program, program_pipeline(setting({"y1": 2})), min_sqnr=40)
    assert first_difference(program, products()) is None


def test_reference_and_samples_can_be_given() -> None:
    sample = {"x": np.float32([0, 0, 0])}
    assert bisect(products(), program_pipeline(setting({"y1": 2})), [sample], min_sqnr=40) is None
    reference = Reference(products(), Random(1))
    assert bisect(products(), program_pipeline(setting({"y1": 2})), reference, min_sqnr=40) is not None


def test_pass_that_fails_ends_the_search_for_numbers() -> None:
    def fail(_: Any) -> None:
        raise ValueError("boom")

    with pytest.raises(PassFailure, match="boom"):
        bisect(products(), program_pipeline(doing(fail, "Fail"), setting({"y1": 2})), min_sqnr=40)


# --- failures


def failing_at(name: str, action: Callable[[Any], object]) -> Pass:
    """A pass that does something bad at one of its rewrites."""

    def run(root: Any, context: PassContext) -> Any:
        for operation in ops_of_type(root, "mul"):
            if context.admits("look", operation) and operation.name == name:
                action(operation)
        return CHANGED

    return made("Look", run)


def raise_error(_: Any) -> None:
    raise ValueError("boom")


def repeat_name(operation: Any) -> None:
    operation.outputs[0].name = "y0"


@pytest.mark.parametrize("index", range(1, COUNT - 1))
@pytest.mark.parametrize(
    ("action", "words"), [(raise_error, "it fails: failed with ValueError: boom"), (repeat_name, "is not valid: ")]
)
def test_rewrite_at_which_a_pass_fails_is_found(index: int, action: Callable[[Any], object], words: str) -> None:
    found = found_in(setting({}, name="Harmless"), failing_at(NAMES[index], action), min_sqnr=None)
    assert found.rewrite is not None
    assert (found.rewrite.op, found.number, found.number_in_pass) == (NAMES[index], COUNT + index + 1, index + 1)
    assert found.before.is_fine
    assert words in found.after.words
    assert found.after.sqnr_db is None


def test_pass_that_always_fails_is_the_culprit_itself() -> None:
    found = found_in(setting({}, name="Harmless"), doing(raise_error, "Fail"), min_sqnr=None)
    assert (found.path, found.rewrite) == ("program/fail", None)


def test_failure_that_a_pass_deals_with_is_none() -> None:
    def run(_: Any, context: PassContext) -> Any:
        try:
            context.run_pipeline(program_pipeline(doing(raise_error, "Fail")))
        except PassFailure:
            return UNCHANGED
        return CHANGED

    careful = made("Careful", run)
    assert bisect(products(), program_pipeline(careful)) is None
    found = bisect(products(), program_pipeline(careful, doing(raise_error, "Fail")))
    assert found is not None
    assert found.path == "program/fail"


# --- what is told


def test_culprit_in_words() -> None:
    found = found_in(setting({"y3": 2}))
    assert str(found) == (
        "rewrite 4, set-factor on op 'y3' (mul) in main {set}: in function 'main', output 'y11' is at 0.0 dB, its "
        f"largest error is {largest_error():.4g}, inf dB before it"
    )


def largest_error() -> float:
    return max(float(np.abs(each["x"]).max()) for each in RandomSamples(products().functions["main"], 4))


def test_culprit_as_json() -> None:
    found = json.loads(json.dumps(found_in(setting({"y3": 2})).as_json(), allow_nan=False))
    assert (found["pass"], found["number"], found["number_in_pass"], found["count_in_pass"]) == (
        "program/set",
        4,
        4,
        COUNT,
    )
    assert found["rewrite"] == {
        "pass_name": "set",
        "name": "set-factor",
        "function": "main",
        "op": "y3",
        "op_type": "mul",
    }
    assert (found["before"]["fine"], found["after"]["fine"]) == (True, False)
    assert found["before"]["sqnr_db"] is None
    assert found["after"]["sqnr_db"] == pytest.approx(0)

"""What milopt finds out about coremltools' passes: whether they changed anything, and what they must leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
from milopt.ir.edit_watch import watching_edits
from milopt.ir.errors import PassFailure
from milopt.ir.structure import structural_hash
from milopt.ir.walking import walk
from milopt.passes.base import Outcome
from milopt.passes.foreign.pipelines import passes_of
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.runs import PassRun
from support.coremltools_cases.all_cases import CASES
from support.editing import find_op
from support.programs import PROGRAMS

# --- whether anything changed


class Told(Instrumentation):
    """Keeps the passes that say that they changed something."""

    def __init__(self) -> None:
        self.changing: list[str] = []

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        self.changing += [str(run.pass_)] if outcome.changed else []


def changing_passes(program: Any, pipeline: Pipeline, *around: Instrumentation) -> list[str]:
    told = Told()
    PassManager(pipeline, (told, *around)).run(program)
    return told.changing


def test_passes_that_changed_something_are_known() -> None:
    found = changing_passes(PROGRAMS["conv_batch_norm"](), program_pipeline(*passes_of(ct.PassPipeline.DEFAULT)))
    assert found == ["common::fuse_conv_batchnorm", "common::dead_code_elimination"]


def test_edits_that_lead_back_are_no_change() -> None:
    pipeline = parse_pipeline("program(common::reduce_transposes)")
    with watching_edits() as edits:
        assert changing_passes(PROGRAMS["linear"](), pipeline) == []
    assert edits.count


class ReplaceInput(AbstractGraphPass):  # type: ignore[misc] # coremltools is untyped
    """Changes an op in a way that sets no attribute of it."""

    def apply(self, prog: Any) -> None:
        operation = find_op(prog, "linear")
        operation._input_vars["x"] = operation._input_vars["weight"]


@pytest.fixture
def foreign() -> Iterator[str]:
    PASS_REGISTRY.add("tests", ReplaceInput, override=True, name="replace_input")
    yield "tests::replace_input"
    del PASS_REGISTRY.passes["tests::replace_input"]


def test_pass_of_unknown_origin_is_compared_though_it_sets_no_attribute(foreign: str) -> None:
    assert changing_passes(PROGRAMS["linear"](), parse_pipeline(f"program({foreign})")) == [foreign]


def test_whole_pass_is_one_rewrite() -> None:
    pipeline = parse_pipeline("program(common::fuse_conv_batchnorm, common::dead_code_elimination)")
    program = PROGRAMS["conv_batch_norm"]()
    unlimited, none = RewriteLimit(), RewriteLimit(0)
    assert changing_passes(program, pipeline, unlimited) == [str(each) for each in pipeline.passes()]
    assert [str(each) for each in unlimited.admitted] == [
        "run {common::fuse_conv_batchnorm}",
        "run {common::dead_code_elimination}",
    ]
    assert changing_passes(program, pipeline, none) == []


# --- what they can not run on


def refused(text: str, program: Any, message: str) -> None:
    with pytest.raises(PassFailure) as caught:
        PassManager(parse_pipeline(f"program({text})")).run(program)
    assert str(caught.value) == f"pass '{text}': {message}"


def test_program_that_wants_no_passes_is_refused() -> None:
    program = PROGRAMS["linear"]()
    program.skip_all_passes = True
    message = "the program says that passes of coremltools must not run on it (clear its `skip_all_passes`)"
    refused("common::noop_elimination", program, message)


@pytest.mark.parametrize("name", ["insert_image_preprocessing_ops", "sanitize_name_strings"])
def test_program_without_main_is_taken(name: str) -> None:
    program = PROGRAMS["linear"]()
    program.functions["prefill"] = program.functions.pop("main")
    program.default_function_name = "prefill"
    PassManager(parse_pipeline(f"program(mil_backend::{name})")).run(program)


class NeedsMain(AbstractGraphPass):  # type: ignore[misc] # coremltools is untyped
    """Looks for `main`, as some passes do."""

    def apply(self, prog: Any) -> None:
        assert prog.functions["main"]


def test_pass_that_needs_main_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PASS_REGISTRY.passes, "tests::needs_main", NeedsMain)
    program = PROGRAMS["linear"]()
    program.functions["prefill"] = program.functions.pop("main")
    refused("tests::needs_main", program, "it works on a function named 'main'; the program has 'prefill'")


# --- what they leave behind


def test_option_that_is_kept_in_a_class_does_not_last() -> None:
    def threshold() -> Any:
        return PASS_REGISTRY["common::const_deduplication"].const_threshold

    before = threshold()
    pipeline = parse_pipeline("program(common::const_deduplication{const_threshold=7})")
    assert threshold() == before
    PassManager(pipeline).run(PROGRAMS["linear"]())
    assert threshold() == before != 7


def test_option_that_is_kept_in_a_class_takes_effect() -> None:
    program = CASES["equal_constants"].program()
    sizes = {"100": True, "1000": False}
    for size, changed in sizes.items():
        pipeline = parse_pipeline(f"program(common::const_deduplication{{const_threshold={size}}})")
        assert PassManager(pipeline).run(program).changed == changed


@pytest.mark.parametrize("read_only", [False, True])
def test_arrays_that_a_pass_overwrites_are_as_before(read_only: bool) -> None:  # noqa: FBT001
    program = CASES["conv_minus"].program()
    (constant,) = (each.outputs[0].val for each in walk(program) if each.name == "sub_0_y_0")
    constant.flags.writeable = not read_only
    before = constant.copy()
    PassManager(parse_pipeline("program(common::fuse_conv_bias)")).run(program, in_place=True)
    np.testing.assert_array_equal(constant, before)


def test_constant_that_a_pass_overwrites_and_leaves_is_as_before() -> None:
    program = CASES["conv_minus_constant_used_elsewhere"].program()
    (before,) = (
        each.outputs[0].val.copy() for each in walk(program) if each.op_type == "const" and each.name == "const_0"
    )
    result = PassManager(parse_pipeline("program(common::fuse_conv_bias)")).run(program).program
    np.testing.assert_array_equal(find_op(result, "const_0").outputs[0].val, before)


def test_weights_that_a_compression_scales_in_place_are_as_before() -> None:
    config = "{config_type=OpPalettizerConfig global_config={mode=uniform nbits=4 enable_per_channel_scale=true}}"
    program = PROGRAMS["linear_ios18"]()
    before = structural_hash(program)
    pipeline = parse_pipeline(f"program(compression::palettize_weights{{config={config}}})")
    result = PassManager(pipeline).run(program)
    assert result.changed
    assert structural_hash(program) == before


# --- names


def test_names_that_a_pass_gives_twice_are_given_anew() -> None:
    program = CASES["written_and_given"].program()
    result = PassManager(program_pipeline(*passes_of("default"))).run(program).program
    names = [var.name for each in walk(result) for var in each.outputs]
    assert len(names) == len(set(names))
    given = [var.name for var in result.functions["main"].outputs]
    assert given == [var.name for var in program.functions["main"].outputs]

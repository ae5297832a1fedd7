"""coremltools' passes under our manager: verified, named by their ids, with fresh names for what they make."""

from __future__ import annotations

from typing import Any

import coremltools as ct
import pytest
from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
from coremltools.converters.mil.mil.scope import ScopeSource
from milopt.ir.errors import PassFailure
from milopt.ir.walking import names_in, walk
from milopt.passes.foreign.passes import coremltools_pass, coremltools_pass_ids
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.canonical import canonical
from support.coremltools_cases.all_cases import CASES
from support.editing import find_op
from support.programs import PROGRAMS


def default_pipeline() -> Pipeline:
    return program_pipeline(*(coremltools_pass(name, {}) for name in ct.PassPipeline.DEFAULT.passes))


@pytest.mark.parametrize("name", ["attention", "cond", "conv_batch_norm", "states"])
def test_default_pipeline_does_what_it_does_in_coremltools(name: str) -> None:
    theirs = PROGRAMS[name]()
    PassPipelineManager.apply_pipeline(theirs, ct.PassPipeline.DEFAULT)
    mine = PassManager(default_pipeline()).run(PROGRAMS[name]()).program
    assert canonical(mine) == canonical(theirs)


NEEDS_OPTIONS = {"common::materialize_symbolic_shape_program", "common::WeightRandomizer"}
COMMON = [each for each in coremltools_pass_ids() if each.startswith("common::") and each not in NEEDS_OPTIONS]


@pytest.mark.parametrize("pass_id", COMMON)
def test_each_common_pass_of_coremltools_runs_verified(pass_id: str) -> None:
    pipeline = program_pipeline(coremltools_pass(pass_id, {}))
    for name in ("conv_batch_norm", "cond"):
        PassManager(pipeline).run(PROGRAMS[name]())


@pytest.mark.parametrize(
    ("text", "name", "before", "after"),
    [
        ("common::fuse_conv_batchnorm", "conv_batch_norm", ["conv", "batch_norm", "relu"], ["conv", "relu"]),
        ("common::add_fp16_cast", "linear_fp32", ["linear"], ["cast", "cast", "cast", "linear", "cast"]),
        ("common::add_fp16_cast{skip_ops_by_type=linear}", "linear_fp32", ["linear"], ["linear"]),
    ],
)
def test_pass_of_coremltools_takes_effect(text: str, name: str, before: list[str], after: list[str]) -> None:
    program = PROGRAMS[name]()
    result = PassManager(parse_pipeline(f"program({text})")).run(program).program
    assert [op.op_type for op in walk(program) if op.op_type != "const"] == before
    assert [op.op_type for op in walk(result) if op.op_type != "const"] == after


def test_failing_pass_of_coremltools_is_named_by_its_id() -> None:
    pipeline = parse_pipeline("program(common::fuse_linear_bias)")
    with pytest.raises(
        PassFailure, match=r"^pass 'common::fuse_linear_bias', function 'main', op 'linear_0' \(linear\): "
    ):
        PassManager(pipeline).run(CASES["linear_of_one_output_plus_number"].program())


# --- names and scopes of new ops


@pytest.mark.parametrize("name", ["attention", "cond", "conv_batch_norm", "two_functions", "while_loop"])
def test_new_names_are_unique_and_equal_in_two_runs(name: str) -> None:
    pipeline = program_pipeline(*default_pipeline().passes(), QuantizeWeights(min_elements=0))
    first, second = (PassManager(pipeline).run(PROGRAMS[name]()).program for _ in range(2))
    assert list(names_in(first)) == list(names_in(second))
    for function in first.functions.values():
        names = [each.name for each in walk(function)]
        assert len(names) == len(set(names))


def graph_pass_scope_of(operation: Any) -> list[str]:
    found: list[str] = operation.scopes.get(ScopeSource.COREMLTOOLS_GRAPH_PASS, [])
    return found


def new_ops(before: Any, after: Any) -> list[Any]:
    known = set(names_in(before))
    return [each for each in walk(after) if each.name not in known]


@pytest.mark.parametrize(
    ("text", "name", "scope"),
    [
        ("quantize-weights", "linear", ["quantize-weights"]),
        ("quantize-weights{dtype=uint8}", "linear", ["quantize-weights"]),
        ("common::fuse_conv_batchnorm", "conv_batch_norm", ["fuse_conv_batchnorm"]),
        ("common::add_fp16_cast", "linear_fp32", ["add_fp16_cast"]),
    ],
)
def test_new_ops_remember_the_pass_that_made_them(text: str, name: str, scope: list[str]) -> None:
    program = PROGRAMS[name]()
    result = PassManager(parse_pipeline(f"program({text})")).run(program).program
    made_by_pass = new_ops(program, result)
    assert made_by_pass
    assert [graph_pass_scope_of(each) for each in made_by_pass] == [scope] * len(made_by_pass)


def test_op_in_the_place_of_a_constant_remembers_the_pass() -> None:
    result = PassManager(program_pipeline(QuantizeWeights())).run(PROGRAMS["linear"]())
    assert graph_pass_scope_of(find_op(result.program, "linear_weight_0")) == ["quantize-weights"]
    assert graph_pass_scope_of(find_op(result.program, "linear")) == []

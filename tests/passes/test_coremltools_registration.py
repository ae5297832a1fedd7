"""milopt's passes inside coremltools: registered by an import, given options, used in conversions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import attrs
import coremltools as ct
import milopt.passes.coremltools_registration as registration
import pytest
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
from coremltools.converters.mil.mil.scope import ScopeSource
from coremltools.models.utils import _apply_graph_pass
from milopt.ir.equality import first_difference
from milopt.ir.errors import OptionError, PassFailure
from milopt.ir.pymil import opset_of
from milopt.ir.targets import IOS18
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from milopt.passes.base import Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import pass_class, pass_names
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.editing import find_op, ops_of_type
from support.in_coremltools import applied, ops_of, set_up
from support.programs import PROGRAMS

QUANTIZE, RAISE = "milopt::quantize_weights", "milopt::raise_opset"
TARGETS = {"iOS16": ct.target.iOS16, "iOS17": ct.target.iOS17, "iOS18": ct.target.iOS18}


@pytest.mark.parametrize("name", ["quantize-weights", "raise-opset"])
def test_import_makes_every_pass_known_to_coremltools(name: str) -> None:
    assert name in pass_names()
    graph_pass = PASS_REGISTRY[f"milopt::{name.replace('-', '_')}"]
    assert isinstance(graph_pass, AbstractGraphPass)
    assert str(graph_pass) == name.replace("-", "_")


def test_documentation_is_that_of_the_pass() -> None:
    assert PASS_REGISTRY.passes[QUANTIZE].__doc__ == QuantizeWeights.__doc__


def test_registering_again_is_harmless() -> None:
    before = sorted(PASS_REGISTRY.passes)
    registration.register_all()
    assert sorted(PASS_REGISTRY.passes) == before


# --- options


@pytest.mark.parametrize(
    "options",
    [
        {"min_elements": "0", "dtype": "uint8", "mode": "affine", "granularity": "per-tensor"},
        {"min_elements": 0, "dtype": "uint8", "mode": "affine", "granularity": "per-tensor"},
        {"min-elements": 0.0, "dtype": "uint8", "mode": "affine", "granularity": "per-tensor"},
    ],
    ids=["strings", "values", "dashes"],
)
def test_options_do_what_they_do_in_milopt(options: dict[str, Any]) -> None:
    theirs = applied(PROGRAMS["gru"](), QUANTIZE, quantize_weights=options)
    ours = QuantizeWeights(min_elements=0, dtype="uint8", mode="affine", granularity="per-tensor")
    assert first_difference(theirs, PassManager(program_pipeline(ours)).run(PROGRAMS["gru"]()).program) is None
    assert len(ops_of_type(theirs, "constexpr_affine_dequantize")) == 2


def test_no_options_are_the_defaults() -> None:
    theirs = applied(PROGRAMS["linear"](), QUANTIZE)
    mine = PassManager(program_pipeline(QuantizeWeights())).run(PROGRAMS["linear"]()).program
    assert first_difference(theirs, mine) is None


def test_option_that_must_be_given_comes_through() -> None:
    assert opset_of(applied(PROGRAMS["linear"](), RAISE, raise_opset={"target": "macOS15"})) == IOS18


def test_options_of_one_run_are_forgotten_in_the_next() -> None:
    set_up(QUANTIZE, dtype="uint8")
    set_up(QUANTIZE)(program := PROGRAMS["linear"]())
    assert find_op(program, "linear_weight_0").quantized_data.val.dtype == "int8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int4"}, "pass 'quantize-weights', option 'dtype': takes one of int8, uint8, not 'int4'"),
        ({"min_elements": "many"}, "pass 'quantize-weights', option 'min-elements': takes a whole number, not 'many'"),
        ({"min_elements": -1}, "pass 'quantize-weights', option 'min-elements': takes a number of at least 0, not -1"),
        ({"mode": None}, "pass 'quantize-weights', option 'mode': takes a word, not None"),
        ({"min_element": "1"}, "pass 'quantize-weights': has no option 'min_element' (did you mean 'min-elements'?)"),
    ],
)
def test_wrong_option_is_an_error_when_it_is_set(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        set_up(QUANTIZE, **options)
    assert str(caught.value) == message


def test_wrong_option_stops_a_pipeline_before_anything_changes() -> None:
    program = PROGRAMS["linear"]()
    with pytest.raises(OptionError, match="option 'dtype'"):
        applied(program, QUANTIZE, quantize_weights={"dtype": "int4"})
    assert first_difference(program, PROGRAMS["linear"]()) is None


def test_option_that_must_be_given_is_asked_for() -> None:
    with pytest.raises(OptionError, match=r"^pass 'raise-opset': needs the option 'target'$"):
        applied(PROGRAMS["linear"](), RAISE)


@pytest.mark.parametrize("families", [("identities", "casts"), ["identities", "casts"], "identities,casts"])
def test_lists_mean_what_they_mean_in_milopt(families: Any) -> None:
    program = PROGRAMS["conv_batch_norm"]()
    graph_pass = set_up("milopt::canonicalize", families=families, without="[]")
    graph_pass(program)
    text = "program(function(canonicalize{families=identities,casts without=[]}))"
    (ours,) = parse_pipeline(text).passes()
    assert pass_class("canonicalize").from_options(graph_pass.options) == ours
    mine = PassManager(parse_pipeline(text)).run(PROGRAMS["conv_batch_norm"]()).program
    assert first_difference(program, mine) is None


def test_wrong_item_of_a_list_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^pass 'canonicalize', option 'families': takes one of .*, not 'cats'"):
        set_up("milopt::canonicalize", families="identities,cats")


# --- running


def test_pass_changes_the_program_itself() -> None:
    program = PROGRAMS["linear"]()
    set_up(QUANTIZE)(program)
    assert find_op(program, "linear_weight_0").op_type == "constexpr_affine_dequantize"
    assert verify(program) == []


def test_pass_is_applied_to_a_model_as_the_compression_tools_apply_theirs() -> None:
    graph_pass = set_up(QUANTIZE, min_elements="0")
    model = _apply_graph_pass(converted("linear", "iOS17"), graph_pass)
    assert ops_of(model.get_spec()) == ["constexpr_affine_dequantize", "linear"]
    assert [each.op for each in graph_pass.remarks if each.kind == "passed"] == ["linear_weight_0"]


def test_what_was_said_stays_with_the_pass() -> None:
    graph_pass = set_up(QUANTIZE)
    graph_pass(PROGRAMS["linear"]())
    assert [(each.kind, each.op) for each in graph_pass.remarks] == [
        ("passed", "linear_weight_0"),
        ("analysis", "linear_bias_0"),
    ]


def test_what_was_said_comes_through_to_our_own_manager() -> None:
    result = PassManager(parse_pipeline(f"program({QUANTIZE}{{min_elements=0}})")).run(PROGRAMS["linear"]())
    assert ops_of_type(result.program, "constexpr_affine_dequantize")
    assert [each.code for each in result.remarks] == ["quantized", "rank"]


def test_refusal_of_a_pass_is_its_own_error() -> None:
    with pytest.raises(PassFailure, match=r"^pass 'quantize-weights': iOS15 has no op for compressed weights"):
        applied(PROGRAMS["linear_fp32"](), QUANTIZE)


def test_new_ops_name_the_pass_once() -> None:
    program = applied(PROGRAMS["linear"](), QUANTIZE)
    for name in ("linear_weight_0", "linear_weight_0_scale_0"):
        (said,) = find_op(program, name).scopes[ScopeSource.COREMLTOOLS_GRAPH_PASS]
        assert said.replace("_", "-") == "quantize-weights"


@attrs.frozen(kw_only=True)
class MarkFunctions(Pass):
    """Gives every function a mark."""

    anchor: ClassVar[Anchor] = "function"
    mark: int = option(1, help="the mark")

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        root.mark = self.mark
        return Outcome(changed=True)


@pytest.fixture
def mark_functions(registered: Callable[[type[Pass]], type[Pass]]) -> Iterator[str]:
    registered(MarkFunctions)
    registration.register_all()
    yield "milopt::mark_functions"
    del PASS_REGISTRY.passes["milopt::mark_functions"]


def test_pass_that_is_registered_later_is_known_after_registering_all(mark_functions: str) -> None:
    assert mark_functions in PASS_REGISTRY


def test_pass_on_functions_runs_on_each(mark_functions: str) -> None:
    program = applied(PROGRAMS["two_functions"](), mark_functions, mark_functions={"mark": "7"})
    assert [function.mark for function in program.functions.values()] == [7, 7]


def test_pass_on_functions_does_the_same_in_our_own_manager(mark_functions: str) -> None:
    assert mark_functions
    pipeline = program_pipeline(Pipeline("function", (MarkFunctions(mark=7),)))
    program = PassManager(pipeline).run(PROGRAMS["two_functions"]()).program
    assert [function.mark for function in program.functions.values()] == [7, 7]


# --- conversions


def converted(name: str, target: str, *passes: str, at: int | None = None, **options: dict[str, Any]) -> Any:
    """What coremltools converts a program to, with its default passes and these, at the end or at a place."""
    pipeline = ct.PassPipeline.DEFAULT
    for pass_id in passes:
        pipeline.insert_pass(len(pipeline.passes) if at is None else at, pass_id)
        if pass_id.partition("::")[2] in options:
            pipeline.set_options(pass_id, options[pass_id.partition("::")[2]])
    return ct.convert(PROGRAMS[name](), pass_pipeline=pipeline, convert_to="mlprogram", skip_model_load=True,
                      minimum_deployment_target=TARGETS[target])  # fmt: skip


def opened_again(model: Any, folder: Path) -> Any:
    model.save(str(folder / "model.mlpackage"))
    return ct.models.MLModel(str(folder / "model.mlpackage"), skip_model_load=True)


@pytest.mark.parametrize(
    ("name", "target", "version", "ops"),
    [
        ("conv", "iOS16", 7, ["constexpr_affine_dequantize", "conv"]),
        ("lstm", "iOS16", 7, ["constexpr_affine_dequantize", "constexpr_affine_dequantize", "lstm"]),
        ("linear", "iOS17", 8, ["constexpr_affine_dequantize", "linear"]),
        ("matmul", "iOS17", 8, ["constexpr_affine_dequantize", "matmul"]),
        ("linear_ios18", "iOS18", 9, ["constexpr_blockwise_shift_scale", "linear"]),
    ],
)
def test_conversion_compresses_the_weights(
    name: str, target: str, version: int, ops: list[str], tmp_path: Path
) -> None:
    model = converted(name, target, QUANTIZE)
    specification = opened_again(model, tmp_path).get_spec()
    assert specification.specificationVersion == version
    assert [each for each in ops_of(specification) if each not in ("cast", "transpose", "squeeze")] == ops


@pytest.mark.parametrize("target", ["iOS16", "iOS17", "iOS18"])
def test_program_is_raised_and_compressed_for_the_target_of_the_conversion(target: str, tmp_path: Path) -> None:
    model = converted("linear_fp32", target, RAISE, QUANTIZE, raise_opset={"target": target})
    specification = opened_again(model, tmp_path).get_spec()
    op = "constexpr_blockwise_shift_scale" if target == "iOS18" else "constexpr_affine_dequantize"
    assert ops_of(specification) == [op, "cast", "linear", "cast"]
    assert specification.mlProgram.functions["main"].opset == f"CoreML{int(target[3:]) - 10}"


def test_weights_that_were_compressed_first_survive_the_default_passes() -> None:
    specification = converted("linear", "iOS17", QUANTIZE, at=0).get_spec()
    assert ops_of(specification) == ["constexpr_affine_dequantize", "linear"]


def test_options_reach_the_pass_in_a_conversion() -> None:
    model = converted("gru", "iOS16", QUANTIZE, quantize_weights={"min_elements": "0", "mode": "affine"})
    assert ops_of(model.get_spec()).count("constexpr_affine_dequantize") == 2


def test_wrong_option_stops_the_conversion() -> None:
    with pytest.raises(OptionError, match="option 'granularity': takes one of per-channel, per-tensor, not 'per-row'"):
        converted("linear", "iOS17", QUANTIZE, quantize_weights={"granularity": "per-row"})


def test_weights_are_as_small_as_milopt_makes_them(tmp_path: Path) -> None:
    plain, small = converted("linear", "iOS17"), converted("linear", "iOS17", QUANTIZE)
    sizes = []
    for name, model in (("plain", plain), ("small", small)):
        model.save(str(tmp_path / f"{name}.mlpackage"))
        (weights,) = (tmp_path / f"{name}.mlpackage").rglob("weight.bin")
        sizes.append(weights.stat().st_size)
    assert sizes[0] - sizes[1] > 64 * 40 - 64 * 8


def test_constants_are_what_they_are_without_coremltools() -> None:
    theirs = applied(PROGRAMS["conv"](), QUANTIZE)
    mine = PassManager(program_pipeline(QuantizeWeights(), RaiseOpset(target="iOS16"))).run(PROGRAMS["conv"]()).program
    assert [each.name for each in walk(theirs)] == [each.name for each in walk(mine)]
    assert first_difference(theirs, mine) is None

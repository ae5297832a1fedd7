"""Options of coremltools' passes: from text and from Python, what they become, and what is refused."""

from __future__ import annotations

from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import pytest
from milopt.ir.errors import MiloptError, OptionError
from milopt.passes.foreign.passes import (
    coremltools_pass,
    coremltools_pass_doc,
    coremltools_pass_ids,
    coremltools_pass_options,
)
from milopt.passes.foreign.pipelines import passes_of
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.editing import ops_of_type
from support.programs import PROGRAMS

PALETTIZE, CAST = "compression::palettize_weights", "common::add_fp16_cast"


def only_pass(text: str) -> Any:
    (found,) = parse_pipeline(f"program({text})").passes()
    return found


def option_of(text: str) -> Any:
    ((_, value),) = only_pass(text).options
    return value


# --- what text becomes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (CAST + "{skip_ops_by_type=linear}", "linear"),
        (CAST + "{skip_ops_by_type=conv,linear}", "conv,linear"),
        (CAST + "{skip-ops-by-type=conv}", "conv"),
        ("common::const_elimination{skip_const_by_size=1e6}", "1e6"),
        ("common::const_deduplication{const_threshold=7}", 7),
        ("common::scaled_dot_product_attention_sliced_q{min_seq_length=64}", 64),
        ("common::add_int16_cast{target_dtype=uint16}", "uint16"),
    ],
)
def test_text_becomes_what_the_option_takes(text: str, value: Any) -> None:
    found = option_of(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("word", "value"), [("true", True), ("false", False)])
@pytest.mark.parametrize("name", ["joint_compression", "fake_compression"])
def test_truth_values_are_truth_values(name: str, word: str, value: bool) -> None:  # noqa: FBT001
    taken = dict(only_pass(f"{PALETTIZE}{{config={{config_type=OpPalettizerConfig}} {name}={word}}}").options)
    assert taken[name] is value


def test_shapes_of_inputs_are_tuples_also_of_one_size() -> None:
    given = "function_name_to_materialization_map={one={x=3} two={x=4,40}}"
    found = option_of(f"common::materialize_symbolic_shape_program{{{given}}}")
    assert found == {"one": {"x": (3,)}, "two": {"x": (4, 40)}}


CONFIGURATIONS = {
    "{config_type=OpPalettizerConfig global_config={mode=unique}}": cto.OptimizationConfig(
        cto.OpPalettizerConfig(mode="unique")
    ),
    "{config_type=OpPalettizerConfig global_config={nbits=4 granularity=per_grouped_channel group_size=16}"
    " op_type_configs={conv={nbits=2} linear=none}}": cto.OptimizationConfig(
        cto.OpPalettizerConfig(nbits=4, granularity="per_grouped_channel", group_size=16),
        {"conv": cto.OpPalettizerConfig(nbits=2), "linear": None},
    ),
    "{config_type=OpLinearQuantizerConfig global_config={mode=linear dtype=uint4 granularity=per_block}}": (
        cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear", dtype="uint4", granularity="per_block"))
    ),
    "{config_type=OpMagnitudePrunerConfig global_config={n_m_ratio=3,4 dim=1}"
    " op_name_configs={w={config_type=OpThresholdPrunerConfig threshold=0.1}}}": cto.OptimizationConfig(
        cto.OpMagnitudePrunerConfig(n_m_ratio=(3, 4)), None, {"w": cto.OpThresholdPrunerConfig(threshold=0.1)}
    ),
}
_PASSES = {"OpPa": PALETTIZE, "OpLi": "compression::linear_quantize_weights", "OpMa": "compression::prune_weights"}


@pytest.mark.parametrize("text", CONFIGURATIONS)
def test_configurations_are_text_and_back(text: str) -> None:
    pass_id = _PASSES[text.removeprefix("{config_type=")[:4]]
    made = coremltools_pass(pass_id, {"config": CONFIGURATIONS[text]})
    assert only_pass(f"{pass_id}{{config={text}}}") == made
    assert dict(made.options)["config"] == CONFIGURATIONS[text]
    assert str(made) == f"{pass_id}{{config={text}}}"
    assert only_pass(str(made)) == made


def test_configuration_of_text_takes_effect() -> None:
    config = "{config_type=OpPalettizerConfig global_config={mode=uniform nbits=2 weight_threshold=0}}"
    text = f"{PALETTIZE}{{config={config}}}"
    result = PassManager(parse_pipeline(f"program({text})")).run(PROGRAMS["linear"]()).program
    (op,) = ops_of_type(result, "constexpr_lut_to_dense")
    assert op.outputs[0].name.startswith("linear_weight_0")


def test_function_of_python_is_taken_and_does_not_read_as_text() -> None:
    made = coremltools_pass(CAST, {"op_selector": lambda operation: operation.op_type != "linear"})
    result = PassManager(program_pipeline(made)).run(PROGRAMS["linear_fp32"]()).program
    assert not ops_of_type(result, "cast")
    with pytest.raises(OptionError, match="option 'op_selector': takes a function of Python, not '<function"):
        parse_pipeline(f"program({made})")


# --- what is refused


REFUSALS = {
    CAST + "{skip_op=1}": "has no option 'skip_op' (did you mean 'skip_ops_by_type'?)",
    CAST + "{target_dtype=fp16}": "has no option 'target_dtype' (it has op_selector, skip_ops_by_type)",
    CAST + "{apply=1}": "has no option 'apply' (it has op_selector, skip_ops_by_type)",
    PALETTIZE: "needs the option 'config'",
    "common::materialize_symbolic_shape_program": "needs the option 'function_name_to_materialization_map'",
}
REFUSED_VALUES = {
    CAST + "{op_selector=all}": "takes a function of Python, not 'all'",
    CAST + "{skip_ops_by_type={program()}}": "takes no pipeline: program()",
    "common::add_int16_cast{target_dtype=int17}": "The target_dtype in add_int16_cast must be int16 or uint16",
    PALETTIZE
    + "{config=4}": "takes options in braces such as {config_type=OpPalettizerConfig global_config={nbits=4}}, not '4'",
    PALETTIZE + "{config={global_config={nbits=4}}}": "config_type must be provided with type of string.",
    PALETTIZE + "{config={config_type=OpPalettizerConfig global_config={nbit=4}}}": (
        "Extra fields in constructor for OpPalettizerConfig: nbit"
    ),
    PALETTIZE + "{fake_compression=maybe}": "takes true or false, not 'maybe'",
}


def refusal(text: str) -> str:
    with pytest.raises(OptionError) as caught:
        parse_pipeline(f"program({text})")
    _, message = str(caught.value).split(": ", 1)  # the place stands in front
    return message


@pytest.mark.parametrize("text", REFUSALS)
def test_refused_options_are_one_line(text: str) -> None:
    assert refusal(text) == f"pass '{text.partition('{')[0]}': {REFUSALS[text]}"


@pytest.mark.parametrize("text", REFUSED_VALUES)
def test_refused_values_are_one_line(text: str) -> None:
    pass_id, _, rest = text.partition("{")
    assert refusal(text) == f"pass '{pass_id}', option '{rest.partition('=')[0]}': {REFUSED_VALUES[text]}"


def test_refusals_of_python_have_no_place() -> None:
    with pytest.raises(OptionError) as caught:
        coremltools_pass("common::const_deduplication", {"const_threshold": 1.5})
    assert str(caught.value).startswith("pass 'common::const_deduplication', option 'const_threshold': Expect option")


def test_fault_stands_at_the_value() -> None:
    text = "program(common::const_deduplication{const_threshold=many})"
    with pytest.raises(OptionError) as caught:
        parse_pipeline(text)
    assert str(caught.value).startswith(f"<pipeline>:1:{text.index('many') + 1}: ")


@pytest.mark.parametrize("ask", [coremltools_pass_doc, coremltools_pass_options])
def test_unknown_pass_is_told_with_the_nearest(ask: Any) -> None:
    with pytest.raises(MiloptError, match=r"coremltools has no pass 'common::noop_eliminatio' \(did you mean"):
        ask("common::noop_eliminatio")


# --- what is known of them


def test_options_and_documentation_are_known() -> None:
    assert coremltools_pass_options("common::const_deduplication") == {"const_threshold": 100}
    assert coremltools_pass_options("compression::WeightDecompressor") == {}  # can not be made by its name
    assert "comma-separated" in coremltools_pass_doc(CAST)


@pytest.mark.parametrize("pass_id", coremltools_pass_ids())
def test_every_pass_tells_its_options(pass_id: str) -> None:
    assert all(not name.startswith("_") for name in coremltools_pass_options(pass_id))


# --- coremltools' pipelines


@pytest.mark.parametrize("name", ct.PassPipeline.list_available_pipelines())
def test_pipelines_of_coremltools_are_text_and_back(name: str) -> None:
    pipeline = program_pipeline(*passes_of(name))
    assert parse_pipeline(str(pipeline)) == pipeline
    assert [each.id for each in pipeline.passes()] == ct.PassPipeline.get_pipeline(name).passes


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("default_palettization", ct.PassPipeline.DEFAULT_PALETTIZATION),
        ("default_sparsification", ct.PassPipeline.DEFAULT_PRUNING),
    ],
)
def test_presets_bring_their_options(name: str, given: Any) -> None:
    assert passes_of(name) == passes_of(given)
    assert passes_of(name)[0].options


def test_options_of_a_pipeline_come_along() -> None:
    given = ct.PassPipeline.EMPTY
    for pass_id in ("common::const_elimination", "milopt::quantize_weights", "milopt::canonicalize"):
        given._pass_names.append(pass_id)
    given.set_options("common::const_elimination", {"skip_const_by_size": "100"})
    given.set_options("milopt::quantize_weights", {"min_elements": "5"})
    plain, quantize, canonicalize = passes_of(given)
    assert plain == coremltools_pass("common::const_elimination", {"skip_const_by_size": 100})
    assert quantize == QuantizeWeights(min_elements=5)
    assert isinstance(canonicalize, Pipeline)
    assert str(canonicalize) == "function(canonicalize)"


def test_unknown_pipeline_is_told_with_the_nearest() -> None:
    with pytest.raises(MiloptError, match=r"^coremltools has no pipeline 'defaults' \(did you mean 'default'\?\)$"):
        passes_of("defaults")

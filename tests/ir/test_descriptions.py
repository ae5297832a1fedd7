"""What a program tells of a model's description, compared with the descriptions that packages have."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from milopt.ir.descriptions.describing import arrange_inputs, describe, specification_of
from milopt.ir.descriptions.features import feature_words, interface_parts
from milopt.ir.errors import MiloptError, ProgramError
from milopt.ir.model_parts import ml_programs
from milopt.ir.text.parser import parse_proto
from support.mutation import mutate
from support.packages import Shelf, read_specification
from support.refusals import refusal
from support.source_tree import ROOT

SHARED_TEXTS = ROOT.parent / "shared" / "mil"
KINDS = ("input", "output", "state")


def words(description: Any, kind: str = "input") -> dict[str, str]:
    """The features of a kind, by name, or by function and name."""
    return {
        f"{function}.{feature.name}" if function else feature.name: feature_words(feature)
        for function, part in interface_parts(description).items()
        for feature in getattr(part, kind)
    }


def program_of(inputs: str = "tensor<fp16, [2, 3]> x", *, attributes: str = "", body: str = "", out: str = "x") -> Any:
    """A program of one function, written as text."""
    text = f"program(1.3)\n[buildInfo = dict<string, string>({{}})]\n{{ func main<ios17>({inputs}) {attributes} "
    return parse_proto(f"{text}{{ {body} }} -> ({out}); }}").program


def flexible_program(inputs: str, choices: str, kind: str) -> Any:
    """A program with the attribute that tells of flexible shapes."""
    first = "tuple<string, dict<string, tensor<int32, [?]>>>"
    second = {
        "RangeDims": "tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>",
        "EnumeratedShapes": "tuple<string, dict<string, dict<string, tensor<int32, [?]>>>>",
    }[kind]
    return program_of(inputs, attributes=f"[FlexibleShapeInformation = tuple<{first}, {second}>(({choices}))]")


# --- against real descriptions


def test_description_is_that_of_the_package(package: Path) -> None:
    for _, model in ml_programs(read_specification(package)):
        own = model.description
        told = describe(model.mlProgram, function_order=[function.name for function in own.functions])
        assert (told.defaultFunctionName, told.predictedFeatureName, told.predictedProbabilitiesName) == (
            own.defaultFunctionName, own.predictedFeatureName, own.predictedProbabilitiesName)  # fmt: skip
        mine, theirs = interface_parts(told), interface_parts(own)
        assert list(mine) == list(theirs)
        for name, part in mine.items():
            for kind in KINDS:
                ours, owned = getattr(part, kind), getattr(theirs[name], kind)
                assert [feature.name for feature in ours] == [feature.name for feature in owned]
                for feature, other in zip(ours, owned, strict=True):
                    assert_as_told(feature.type, other.type)


def assert_as_told(told: Any, own: Any) -> None:
    """Equal, but for what a program does not tell."""
    own.ClearField("isOptional")
    kind = own.WhichOneof("Type")
    if kind == "imageType":
        assert list(told.multiArrayType.shape)[-2:] == [own.imageType.height, own.imageType.width]
        return
    if kind == "multiArrayType":
        for default in ("intDefaultValue", "floatDefaultValue", "doubleDefaultValue"):
            own.multiArrayType.ClearField(default)
        forget_flexibility(told.multiArrayType, own.multiArrayType)
        if list(own.multiArrayType.shape) == [1] and not told.multiArrayType.shape:
            own.multiArrayType.ClearField("shape")  # Core ML's word for an output without an axis
    assert told == own


def forget_flexibility(told: Any, own: Any) -> None:
    """An unknown dimension is told as 1 or more; every other one must be as in the package."""
    flexible = own.WhichOneof("ShapeFlexibility")
    assert bool(flexible) == told.HasField("shapeRange")
    for place, size in enumerate(told.shapeRange.sizeRanges):
        limits = size.lowerBound, size.upperBound
        if limits != (1, -1):
            assert limits == (own.shape[place], own.shape[place])
            if flexible == "shapeRange":
                assert size == own.shapeRange.sizeRanges[place]
        told.shape[place] = own.shape[place]
    for array in (told, own):
        array.ClearField("shapeRange")
        array.ClearField("enumeratedShapes")


def test_shapes_told_by_a_real_text_are_described() -> None:
    file = SHARED_TEXTS / "FluidAudio__parakeet_eou_preprocessor-1280ms.mil"
    if not file.is_file():
        pytest.skip("the shared texts are absent")
    told = describe(parse_proto(file.read_text("utf-8")).program)
    assert words(told) == {"audio_length": "int32 [1]", "audio_signal": "float32 [1, 1] in [[1, 1], [1, 32000]]"}
    assert words(told, "output") == {"mel": "float32 []", "mel_length": "int32 [1]"}


# --- flexible shapes


def test_ranges_and_defaults_are_described() -> None:
    choices = '("DefaultShapes", {{"x", [4, 7]}}), ("RangeDims", {{"x", [[0, 9], [7, 7]]}})'
    told = describe(flexible_program("tensor<fp32, [?, 7]> x, tensor<int32, [?]> y", choices, "RangeDims"))
    assert words(told) == {"x": "float32 [4, 7] in [[0, 9], [7, 7]]", "y": "int32 [1] in [[1, -1]]"}


def test_default_shape_without_ranges_is_described() -> None:
    choices = '("DefaultShapes", {{"x", [4]}}), ("RangeDims", {})'
    told = describe(flexible_program("tensor<fp32, [?]> x", choices, "RangeDims"))
    assert words(told) == {"x": "float32 [4] in [[1, -1]]"}


def test_enumerated_shapes_are_described_with_the_default_first() -> None:
    entries = '{"543d0f94", {{"x", [1]}}}, {"697b758f", {{"x", [2]}}}, {"9e38c1a4", {{"x", [4]}}}'
    choices = f'("DefaultShapes", {{{{"x", [4]}}}}), ("EnumeratedShapes", {{{entries}}})'
    told = describe(flexible_program("tensor<fp32, [?]> x", choices, "EnumeratedShapes"))
    assert words(told) == {"x": "float32 [4] of [[4], [1], [2]]"}


def test_enumerated_shapes_of_several_inputs_stay_together() -> None:
    entries = '{"a", {{"x", [1]}, {"y", [5]}}}, {"b", {{"x", [2]}, {"y", [5]}}}'
    choices = f'("DefaultShapes", {{{{"x", [2]}}, {{"y", [5]}}}}), ("EnumeratedShapes", {{{entries}}})'
    inputs = "tensor<fp32, [?]> x, tensor<fp32, [?]> y"
    told = describe(flexible_program(inputs, choices, "EnumeratedShapes"))
    assert words(told) == {"x": "float32 [2] of [[2], [1]]", "y": "float32 [5] of [[5], [5]]"}


# --- types


def test_states_and_single_numbers_are_described() -> None:
    program = program_of("state<tensor<fp16, [1, 4]>> cache, int32 count, tensor<fp64, [2]> x", out="count, x")
    told = describe(program)
    assert words(told) == {"count": "int32 [1]", "x": "double [2]"}
    assert words(told, "state") == {"cache": "state of float16 [1, 4]"}
    assert words(told, "output") == {"count": "int32 []", "x": "double [2]"}


def test_functions_are_described_in_order() -> None:
    function = "func {}<ios18>(tensor<int8, [{}]> x) {{ }} -> (x);"
    text = f"program(1.3) [] {{ {function.format('second', 2)} {function.format('first', 1)} }}"
    parsed = parse_proto(text.replace("[]", "[buildInfo = dict<string, string>({})]"))
    told = describe(parsed.program, function_order=parsed.functions)
    assert told.defaultFunctionName == "second"
    assert words(told) == {"second.x": "int8 [2]", "first.x": "int8 [1]"}
    assert list(words(describe(parsed.program))) == ["first.x", "second.x"]
    assert specification_of(parsed.program).specificationVersion == 9


def test_main_is_the_default_function() -> None:
    program = program_of()
    program.functions["again"].CopyFrom(program.functions["main"])
    assert describe(program).defaultFunctionName == "main"


def test_only_function_of_another_name_is_named() -> None:
    program = program_of()
    program.functions["run"].CopyFrom(program.functions["main"])
    del program.functions["main"]
    told = describe(program)
    assert (told.defaultFunctionName, words(told)) == ("run", {"run.x": "float16 [2, 3]"})


REFUSED = {
    "truth values": ("tensor<bool, [2]> x", r"^function 'main', input 'x': it is of type bool.*cast it to one of fp32"),
    "many labels": ("tensor<string, [2]> x", r"input 'x': it is of type string"),
    "an unknown rank": ("tensor<fp16, [...]> x", r"input 'x': its number of dimensions is unknown"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_types_that_models_have_not_are_refused(kind: str) -> None:
    inputs, pattern = REFUSED[kind]
    program = program_of() if "..." in inputs else program_of(inputs)
    if "..." in inputs:
        tensor = program.functions["main"].inputs[0].type.tensorType
        del tensor.dimensions[:]
        tensor.dimensions.add().unknown.variadic = True
    refusal(lambda: describe(program), ProgramError, pattern)


def test_program_without_functions_is_refused() -> None:
    program = program_of()
    del program.functions["main"]
    refusal(lambda: describe(program), ProgramError, "the program has no functions")


def test_output_that_nothing_defines_is_refused() -> None:
    program = program_of()
    program.functions["main"].block_specializations["CoreML7"].outputs[0] = "z"
    refusal(lambda: describe(program), ProgramError, "output 'z': no op defines it")


BAD_SHAPES = {
    "default of another rank": ('("DefaultShapes", {{"x", [4, 1]}}), ("RangeDims", {})', r"sizes \[4, 1\].* 1 dim"),
    "ranges of another rank": (
        '("DefaultShapes", {}), ("RangeDims", {{"x", [[1, 2], [3, 4]]}})',
        r"sizes \[1, 3\].* 1 dim",
    ),
    "a negative least size": ('("DefaultShapes", {}), ("RangeDims", {{"x", [[-1, 2]]}})', r"input 'x': it is damaged"),
}


@pytest.mark.parametrize("kind", BAD_SHAPES)
def test_bad_flexible_shapes_are_refused(kind: str) -> None:
    choices, pattern = BAD_SHAPES[kind]
    program = flexible_program("tensor<fp32, [?]> x", choices, "RangeDims")
    refusal(lambda: describe(program), ProgramError, pattern)


def test_attribute_of_another_kind_is_refused() -> None:
    program = program_of(attributes='[FlexibleShapeInformation = string("any")]')
    refusal(lambda: describe(program), ProgramError, "FlexibleShapeInformation is not built as it should be")


def test_damaged_programs_are_refused_in_one_line(shelf: Shelf) -> None:
    rng = random.Random(7)  # noqa: S311 - nothing secret
    choices = '("DefaultShapes", {{"x", [4]}}), ("RangeDims", {{"x", [[0, 9]]}})'
    programs = [flexible_program("tensor<fp32, [?]> x", choices, "RangeDims")]
    programs += [read_specification(shelf[name]).mlProgram for name in ("classifier_strings", "states")]
    found = [error_of_damaged(rng.choice(programs), rng) for _ in range(300)]
    errors = [error for error in found if error]
    assert 0 < len(errors) < len(found)
    assert [error for error in errors if "\n" in error] == []


def error_of_damaged(program: Any, rng: random.Random) -> str | None:
    """What describing a damaged copy of a program is refused with."""
    damaged = type(program)()
    damaged.CopyFrom(program)
    mutate(damaged, rng)
    try:
        specification_of(damaged)
    except MiloptError as error:
        return str(error)
    return None


# --- the specification, and the order of inputs


def test_specification_takes_the_description_and_the_newest_version() -> None:
    program = program_of()
    description = describe(program)
    description.metadata.author = "A. Name"
    found = specification_of(program, description)
    assert (found.specificationVersion, found.description.metadata.author) == (8, "A. Name")
    assert found.mlProgram == program
    assert specification_of(program, description, version=9).specificationVersion == 9
    assert specification_of(program, description, version=6).specificationVersion == 8


def test_specification_names_what_a_classifier_predicts(shelf: Shelf) -> None:
    own = read_specification(shelf["classifier_integers"])
    description = type(own.description)()
    description.CopyFrom(own.description)
    description.ClearField("predictedFeatureName")
    description.ClearField("predictedProbabilitiesName")
    assert specification_of(own.mlProgram, description).description == own.description
    description.predictedFeatureName = "named already"
    assert specification_of(own.mlProgram, description).description.predictedFeatureName == "named already"


def test_inputs_are_arranged_as_described(shelf: Shelf) -> None:
    own = read_specification(shelf["states_written_only"])
    inputs = own.mlProgram.functions["main"].inputs
    expected = [value.name for value in inputs]
    inputs.sort(key=lambda value: value.name)
    assert [value.name for value in inputs] != expected
    arrange_inputs(own.mlProgram, own.description)
    assert [value.name for value in own.mlProgram.functions["main"].inputs] == expected


def test_description_of_another_model_is_refused(shelf: Shelf) -> None:
    states, functions = (read_specification(shelf[name]) for name in ("states", "two_functions"))
    for part, pattern in (
        ("input", "function 'main': the program has the inputs and states x, cache; the description lists cache"),
        ("output", "the program has the outputs twice; the description lists none"),
        ("state", "the description lists x"),
    ):
        description = type(states.description)()
        description.CopyFrom(states.description)
        description.ClearField(part)
        refusal(lambda given=description: arrange_inputs(states.mlProgram, given), ProgramError, pattern)
    refusal(lambda: arrange_inputs(functions.mlProgram, states.description), ProgramError, "the functions .*decode")
    refusal(lambda: specification_of(states.mlProgram, functions.description), ProgramError, "the functions main;")

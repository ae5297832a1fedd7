"""The signature check: silent on what coremltools writes, one diagnostic for each fault of a description."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.descriptions.io_checks import check_io_types
from milopt.ir.descriptions.signatures import check_signature
from milopt.ir.diagnostics import Diagnostic
from milopt.ir.model_parts import ml_programs
from milopt.ir.pymil import mb, proto
from milopt.ir.targets import IOS15, IOS17, IOS18, IOS26, OPSETS, Opset
from support.mutation import mutate
from support.packages import Shelf, package_of, proto_operations, read_specification
from support.program_registry import Input, build_program

Edit = Callable[[Any], object]
COLORS = ct.colorlayout


def faults(specification: Any) -> list[Diagnostic]:
    """What the check finds; it must leave the specification as it was."""
    before = specification.SerializeToString(deterministic=True)
    found = [*check_signature(specification)]
    assert specification.SerializeToString(deterministic=True) == before
    return found


def main(specification: Any) -> Any:
    return specification.mlProgram.functions["main"]


def array(specification: Any, place: int = 0) -> Any:
    """The array that describes an input."""
    return specification.description.input[place].type.multiArrayType


# --- what is in order


def test_every_package_is_clean(package: Path) -> None:
    programs = [*ml_programs(read_specification(package))]
    assert programs
    assert [faults(specification) for _, specification in programs] == [[] for _ in programs]


def image(layout: str, *size: Any, **options: Any) -> Any:
    channels = 3 if layout in (COLORS.RGB, COLORS.BGR) else 1
    return ct.ImageType(name="x", shape=(1, channels, *(size or (20, 30))), color_layout=layout, **options)


def enumerated(*shapes: tuple[int, ...]) -> Any:
    return ct.EnumeratedShapes([*shapes], default=shapes[-1])


def same(x: Any) -> Any:
    return mb.identity(x=x, name="same_x")


def both_same(x: Any, y: Any) -> Any:
    return same(x), mb.identity(x=y, name="same_y")


SIZES = ct.RangeDim(10, 50, default=20)
CONVERSIONS: dict[str, tuple[Opset, dict[str, Input], list[Any]]] = {
    "gray image": (IOS15, {"x": Input((1, 1, 20, 30), "fp32")}, [image(COLORS.GRAYSCALE)]),
    "gray fp16 image": (IOS17, {"x": Input((1, 1, 20, 30))}, [image(COLORS.GRAYSCALE_FLOAT16)]),
    "color image as fp16": (IOS17, {"x": Input((1, 3, 20, 30))}, [image(COLORS.RGB)]),
    "range of image sizes": (IOS17, {"x": Input((1, 3, None, 30), "fp32")}, [image(COLORS.BGR, SIZES, 30)]),
    "enumerated image sizes": (
        IOS17,
        {"x": Input((1, 3, None, None), "fp32")},
        [ct.ImageType(name="x", shape=enumerated((1, 3, 9, 8), (1, 3, 7, 6)), color_layout=COLORS.RGB)],
    ),
    "int8": (IOS26, {"x": Input((10, 40), "int8")}, [ct.TensorType(name="x", shape=(10, 40), dtype=np.int8)]),
    "int32 of unknown sizes": (IOS17, {"x": Input((None, None), "int32")}, []),
    "two enumerated inputs": (
        IOS18,
        {"x": Input((None, 40)), "y": Input((None, 40))},
        [ct.TensorType(name=name, shape=enumerated((2, 40), (4, 40))) for name in "xy"],
    ),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_what_coremltools_describes_is_clean(name: str, tmp_path: Path) -> None:
    opset, inputs, described = CONVERSIONS[name]
    program = build_program(same if len(inputs) == 1 else both_same, opset, **inputs)
    specification = read_specification(package_of(program, tmp_path, **({"inputs": described} if described else {})))
    assert faults(specification) == []
    assert [*check_io_types(specification)] == []


def test_order_is_no_fault(shelf: Shelf) -> None:
    specification = read_specification(shelf["constants"])
    for part in (specification.description.input, specification.description.output):
        part.sort(key=lambda feature: feature.name)
    assert [feature.name for feature in specification.description.input] == ["ids", "x"]
    assert faults(specification) == []


def test_outputs_need_no_shape(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    specification.description.output[0].type.multiArrayType.ClearField("shape")
    assert faults(specification) == []


def test_state_among_the_inputs_is_taken_for_one(shelf: Shelf) -> None:
    specification = read_specification(shelf["states"])
    specification.description.input.extend(specification.description.state)
    del specification.description.state[:]
    assert faults(specification) == []


def test_the_only_function_need_not_be_main(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    specification.mlProgram.functions["other"].CopyFrom(main(specification))
    del specification.mlProgram.functions["main"]
    assert faults(specification) == []
    specification.description.input[0].type.multiArrayType.dataType = 65568
    (found,) = faults(specification)
    assert found.where == "function 'other', input 'x'"


@pytest.mark.parametrize("rank", [-1, 1])
def test_a_rank_that_is_unknown_fits_every_shape(rank: int, shelf: Shelf) -> None:
    specification = read_specification(shelf["unknown_rank"])
    (filled,) = (
        output for each in proto_operations(specification) for output in each.outputs if output.name == "filled"
    )
    filled.type.tensorType.rank = rank
    if rank == -1:
        del filled.type.tensorType.dimensions[:]
    specification.description.output[0].type.multiArrayType.shape[:] = (2, 3, 4)
    assert faults(specification) == []


def test_an_output_may_be_an_input(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    main(specification).block_specializations["CoreML7"].outputs.append("x")
    specification.description.output.add().CopyFrom(specification.description.input[0])
    assert faults(specification) == []
    specification.description.output[1].type.multiArrayType.dataType = 65568
    (found,) = faults(specification)
    assert str(found).startswith("function 'main', output 'x': the description says FLOAT32, the program gives fp16")


def test_a_model_without_an_ml_program_is_not_judged() -> None:
    assert faults(proto.Model_pb2.Model()) == []


# --- one fault each


def sets(part: Callable[[Any], Any], **fields: Any) -> Edit:
    """Sets fields of a part of the specification."""

    def edit(specification: Any) -> None:
        for name, value in fields.items():
            setattr(part(specification), name, value)

    return edit


def size(specification: Any, place: int = 0) -> Any:
    """A dimension of the first input in the program."""
    return main(specification).inputs[0].type.tensorType.dimensions[place].constant


def ranges(specification: Any, place: int = 0) -> Any:
    return array(specification).shapeRange.sizeRanges[place]


def feature(part: str, place: int = 0) -> Callable[[Any], Any]:
    return lambda specification: getattr(specification.description, part)[place]


def function(name: str) -> Callable[[Any], Any]:
    def find(specification: Any) -> Any:
        return next(each for each in specification.description.functions if each.name == name)

    return find


def add_feature(part: str, name: str) -> Edit:
    """Describes what is not there, as a copy of what is."""

    def edit(specification: Any) -> None:
        features = getattr(specification.description, part)
        features.add().CopyFrom(features[0])
        features[-1].name = name

    return edit


def drop(part: str) -> Edit:
    return lambda specification: getattr(specification.description, part).pop()


def as_kind(part: str, kind: str) -> Edit:
    """Describes the first feature of a part as another kind."""
    return lambda specification: getattr(feature(part)(specification).type, kind).SetInParent()


def add_choice(*shape: int) -> Edit:
    return lambda specification: array(specification).enumeratedShapes.shapes.add().shape.extend(shape)


def add_function(specification: Any) -> None:
    specification.mlProgram.functions["third"].CopyFrom(specification.mlProgram.functions["encode"])


def default_function(specification: Any) -> None:
    add_function(specification)
    specification.description.defaultFunctionName = "third"


def no_main(specification: Any) -> None:
    """Two functions, neither of them main, and a description without functions."""
    functions = specification.mlProgram.functions
    for name in ("one", "two"):
        functions[name].CopyFrom(functions["main"])
    del functions["main"]


def outside(specification: Any) -> None:
    specification.description.input.add().CopyFrom(specification.description.functions[0].input[0])


def move_to_states(specification: Any) -> None:
    specification.description.state.add().CopyFrom(specification.description.input.pop())


def flexible_state(specification: Any) -> None:
    specification.description.state[0].type.stateType.arrayType.shapeRange.sizeRanges.add()


def with_dtype(dtype: int) -> Edit:
    """The program takes another element type."""
    return sets(lambda specification: main(specification).inputs[0].type.tensorType, dataType=dtype)


def with_shape(*shape: int) -> Edit:
    """The description says another shape."""

    def edit(specification: Any) -> None:
        array(specification).shape[:] = shape

    return edit


def drop_channels(specification: Any) -> None:
    tensor = main(specification).inputs[0].type.tensorType
    tensor.rank = 3
    del tensor.dimensions[1]


def any_size() -> Any:
    """A range of image sizes without bounds."""
    result = proto.FeatureTypes_pb2.ImageFeatureType.ImageSizeRange()
    result.widthRange.upperBound = result.heightRange.upperBound = -1
    return result


def with_block_of_another_opset(specification: Any) -> None:
    main(specification).opset = "CoreML6"


FAULTS: dict[str, tuple[str, Edit, str, str]] = {
    # names
    "an input too many": ("linear", add_feature("input", "zzzzz"), "function 'main', input 'zzzzz'",
                          r"not in the program \(which has 'x'\)"),
    "an output too many": ("linear", add_feature("output", "zzzzz"), "function 'main', output 'zzzzz'",
                           r"not in the program \(which has 'linear'\)"),
    "an input missing": ("constants", drop("input"), "function 'main', input 'ids'", "in the program, but not"),
    "an output missing": ("constants", drop("output"), "function 'main', output 'widened'", "in the program, but not"),
    "a state missing": ("states", drop("state"), "function 'main', state 'cache'", "in the program, but not"),
    "an input misspelt": ("image", sets(feature("input"), name="imgae"), "function 'main', input 'imgae'",
                          r"not in the program \(did you mean 'image'\?\)"),
    "an output misspelt": ("linear", sets(feature("output"), name="Linear"), "function 'main', output 'Linear'",
                           r"not in the program \(did you mean 'linear'\?\)"),
    "a state misspelt": ("states", sets(feature("state"), name="cash"), "function 'main', state 'cash'",
                         r"not in the program \(did you mean 'cache'\?\)"),
    "an input twice": ("linear", add_feature("input", "x"), "function 'main', input 'x'", "described 2 times"),
    "no label": ("image_classifier", sets(lambda s: s.description, predictedFeatureName="kidn"), "function 'main'",
                 r"predicted feature, 'kidn', is no output \(did you mean 'kind'\?\)"),
    "no probabilities": ("image_classifier", sets(lambda s: s.description, predictedProbabilitiesName="zzz"),
                         "function 'main'", r"predicted probabilities, 'zzz', is no output \(the outputs are 'kind'"),
    # functions
    "a function misspelt": ("two_functions", sets(function("decode"), name="decoed"), "function 'decoed'",
                            r"not in the program \(did you mean 'decode'\?\)"),
    "a function missing": ("two_functions", add_function, "function 'third'", "in the program, but not"),
    "a default that is not described": ("two_functions", default_function, "function 'third'",
                                        "in the program, but not described"),
    "a default that is none": ("two_functions", sets(lambda s: s.description, defaultFunctionName="encoed"),
                               "the description", r"default function 'encoed' does not exist .*mean 'encode'"),
    "no default": ("two_functions", sets(lambda s: s.description, defaultFunctionName=""), "the description",
                   r"default function '' does not exist \(the functions are 'decode', 'encode'\)"),
    "a feature outside": ("two_functions", outside, "the description, input 'x'", "outside of the functions"),
    "no main": ("linear", no_main, "the program", "which of its functions it describes: 'one', 'two'"),
    "no functions": ("linear", lambda s: s.mlProgram.ClearField("functions"), "the program", "has no functions"),
    "no block": ("linear", with_block_of_another_opset, "function 'main'", "opset CoreML6 and blocks for CoreML7"),
    # types
    "described as fp32": ("linear", sets(array, dataType=65568), "function 'main', input 'x'",
                          r"says FLOAT32, the program takes fp16 \(describe it as FLOAT16\)"),
    "described without type": ("linear", sets(array, dataType=0), "function 'main', input 'x'",
                               r"says no element type \(0\), the program takes fp16 \(describe it as FLOAT16\)"),
    "computed in fp32": ("linear", with_dtype(11), "function 'main', input 'x'",
                         r"says FLOAT16, the program takes fp32 \(describe it as FLOAT32\)"),
    "computed as bool": ("linear", with_dtype(1), "function 'main', input 'x'",
                         r"says FLOAT16, the program takes bool \(no array holds bool: cast it in the program\)"),
    "computed as fp64": ("linear", with_dtype(12), "function 'main', input 'x'",
                         r"says FLOAT16, the program takes fp64 \(no array holds fp64: cast it in the program\)"),
    "an unknown type": ("linear", with_dtype(99), "function 'main', input 'x'", "unknown element type number 99"),
    "an output of int32": ("linear", sets(lambda s: feature("output")(s).type.multiArrayType, dataType=131104),
                           "function 'main', output 'linear'", "says INT32, the program gives fp16"),
    "a state of fp32": ("states", sets(lambda s: feature("state")(s).type.stateType.arrayType, dataType=65568),
                        "function 'main', state 'cache'", "says FLOAT32, the program takes fp16"),
    "an image of int32": ("image_classifier", with_dtype(23), "function 'main', input 'image'",
                          r"tensors of fp32 or fp16, the program has int32 \(cast it"),
    "a color image of uint8": ("image_classifier", with_dtype(31), "function 'main', input 'image'",
                               "tensors of fp32 or fp16, the program has uint8"),
    "no color space": ("image_classifier", sets(lambda s: feature("input")(s).type.imageType, colorSpace=0),
                       "function 'main', input 'image'", "color space, 0, is unknown"),
    "a list": ("linear", lambda s: main(s).inputs[0].type.listType.SetInParent(), "function 'main', input 'x'",
               "description has an array, the program takes a list"),
    "no type in the program": ("linear", lambda s: main(s).inputs[0].type.Clear(), "function 'main', input 'x'",
                               "description has an array, the program takes a value without type"),
    "no type at all": ("linear", lambda s: feature("input")(s).ClearField("type"), "function 'main', input 'x'",
                       "description has no type, the program takes a tensor"),
    "an array as a state": ("states", as_kind("input", "stateType"), "function 'main', state 'x'",
                            "description has a state, the program takes a tensor"),
    "a state as an array": ("states", as_kind("state", "multiArrayType"), "function 'main', state 'cache'",
                            r"among its states an array, the program takes a state \(describe it as stateType\)"),
    "an array among the states": ("constants", move_to_states, "function 'main', state 'ids'",
                                  r"among its states an array.* a tensor \(describe it among the inputs\)"),
    "an array as a double": ("total", as_kind("output", "doubleType"), "function 'main', output 'total'",
                             "description has a double, the program gives a tensor"),
    "a label as an array": ("classifier_integers", as_kind("output", "multiArrayType"),
                            "function 'main', output 'classify_0'", "has an array, the program gives an int64 number"),
    "a label of another kind": ("classifier_integers", as_kind("output", "stringType"),
                                "function 'main', output 'classify_0'", r"has a string.*describe it as int64Type"),
    "keys of another kind": (
        "classifier_strings", lambda s: feature("output", 1)(s).type.dictionaryType.int64KeyType.SetInParent(),
        "function 'main', output 'classify_1'", r"keys of type int64, the program gives string .*stringKeyType"),
    "keys of no kind": (
        "classifier_strings", lambda s: feature("output", 1)(s).type.dictionaryType.ClearField("KeyType"),
        "function 'main', output 'classify_1'", "keys of type none, the program gives string"),
    # shapes
    "another size described": ("linear", with_shape(10, 41), "function 'main', input 'x'",
                               r"says \[10, 41\], the program takes \[10, 40\] \(describe it as \[10, 40\]\)"),
    "another rank described": ("linear", with_shape(10, 40, 1), "function 'main', input 'x'",
                               r"has rank 3, \[10, 40, 1\]; the program takes rank 2, \[10, 40\]"),
    "no shape": ("linear", with_shape(), "function 'main', input 'x'", "lacks its shape"),
    "a negative size": ("linear", with_shape(-10, 40), "function 'main', input 'x'", "holds a negative size"),
    "another size computed": ("linear", sets(size, size=11), "function 'main', input 'x'",
                              r"says \[10, 40\], the program takes \[11, 40\]"),
    "another rank said": ("linear", sets(lambda s: main(s).inputs[0].type.tensorType, rank=3),
                          "function 'main', input 'x'", "says rank 3 and lists 2 dimensions"),
    "an output of another size": (
        "linear", lambda s: feature("output")(s).type.multiArrayType.shape.append(1),
        "function 'main', output 'linear'", "has rank 3, .*; the program gives rank 2"),
    "a state of another size": (
        "states", lambda s: feature("state")(s).type.stateType.arrayType.shape.__setitem__(0, 7),
        "function 'main', state 'cache'", r"says \[7, 64\], the program takes \[1, 64\]"),
    "a flexible state": ("states", flexible_state, "function 'main', state 'cache'", "can not be flexible"),
    "an empty range": ("shape_range", sets(ranges, lowerBound=10), "function 'main', input 'x'",
                       "dimension 0 begins at 10 and ends at 9"),
    "a range that ends at 0": ("shape_range", sets(ranges, upperBound=0), "function 'main', input 'x'",
                               "dimension 0 begins at 2 and ends at 0"),
    "a default below its range": ("shape_range", sets(ranges, lowerBound=5), "function 'main', input 'x'",
                                  r"default shape \[3, 40\] is not among those that it allows: \[5..9, 40\]"),
    "a default above its range": ("shape_range", sets(ranges, upperBound=2), "function 'main', input 'x'",
                                  r"default shape \[3, 40\] is not among"),
    "a range too few": ("shape_range", lambda s: array(s).shapeRange.sizeRanges.pop(), "function 'main', input 'x'",
                        r"default shape \[3, 40\] is not among those that it allows: \[2..9\]"),
    "a range of what is fixed": (
        "shape_range", sets(lambda s: ranges(s, 1), upperBound=-1), "function 'main', input 'x'",
        r"says \[2..9, 40..\], the program takes \[\?, 40\] .*a range or several shapes for \?"),
    "a default that is no choice": ("enumerated_shapes", with_shape(5, 40), "function 'main', input 'x'",
                                    r"default shape \[5, 40\] is not among those that it allows: \[4, 40\] or "),
    "no choice": ("enumerated_shapes", lambda s: array(s).enumeratedShapes.ClearField("shapes"),
                  "function 'main', input 'x'", "enumerated shapes are none"),
    "a choice of another size": ("enumerated_shapes", add_choice(4, 41), "function 'main', input 'x'",
                                 r"says .* or \[4, 41\], the program takes \[\?, 40\]"),
    "a choice of another rank": ("enumerated_shapes", add_choice(4), "function 'main', input 'x'",
                                 r"has rank 1 or 2, .*; the program takes rank 2"),
    "an image of another size": ("image_classifier", sets(lambda s: feature("input")(s).type.imageType, width=31),
                                 "function 'main', input 'image'", r"says \[1, 3, 20, 31\], .* \[1, 3, 20, 30\]"),
    "an image without size": ("image_classifier", sets(lambda s: feature("input")(s).type.imageType, width=0),
                              "function 'main', input 'image'", "lacks its shape"),
    "an image of another color": ("image_classifier", sets(lambda s: feature("input")(s).type.imageType, colorSpace=10),
                                  "function 'main', input 'image'", r"says \[1, 1, 20, 30\], .* \[1, 3, 20, 30\]"),
    "an image without channels": ("image_classifier", drop_channels, "function 'main', input 'image'",
                                  r"has rank 4, .*; the program takes rank 3, \[1, 20, 30\]"),
    "an image of any size": (
        "image_classifier", lambda s: feature("input")(s).type.imageType.imageSizeRange.MergeFrom(any_size()),
        "function 'main', input 'image'", r"says \[1, 3, 0.., 0..\], the program takes \[1, 3, 20, 30\]"),
    "an image output of another size": (
        "image_output", sets(lambda s: feature("output")(s).type.imageType, height=21),
        "function 'main', output 'brighter'", r"says \[1, 3, 21, 30\], the program gives \[1, 3, 20, 30\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_alone_gives_one_diagnostic(name: str, shelf: Shelf) -> None:
    package, edit, where, pattern = FAULTS[name]
    specification = read_specification(shelf[package])
    edit(specification)
    (found,) = faults(specification)
    assert found.where == where
    assert found.severity == "error"
    assert found.hint
    assert re.search(pattern, str(found)), str(found)


def test_faults_of_several_values_are_all_found_in_order(shelf: Shelf) -> None:
    specification = read_specification(shelf["constants"])
    array(specification).shape[:] = (20, 31)
    array(specification, 1).dataType = 65568
    add_feature("output", "zzzzz")(specification)
    assert [found.where for found in faults(specification)] == [
        "function 'main', input 'x'",
        "function 'main', input 'ids'",
        "function 'main', output 'zzzzz'",
    ]


def test_what_is_described_twice_is_judged_once(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    array(specification).dataType = 65568
    add_feature("input", "x")(specification)
    assert [found.message for found in faults(specification)] == [
        "it is described 2 times",
        "the description says FLOAT32, the program takes fp16",
    ]


def test_an_output_may_be_described_by_wider_ranges(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    described = specification.description.output[0].type.multiArrayType
    for _ in range(2):
        described.shapeRange.sizeRanges.add(lowerBound=1, upperBound=-1)
    assert faults(specification) == []
    described.shapeRange.sizeRanges[0].upperBound = 9
    described.ClearField("shape")
    (found,) = faults(specification)
    assert found.message == "the description says [1..9, 1..], the program gives [10, 64]"


# --- damage

DAMAGED = ("linear", "states", "two_functions", "image_classifier", "shape_range", "enumerated_shapes", "lists")


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(DAMAGED), seed=st.integers(0, 2**32), edits=st.integers(1, 8))
def test_damage_gives_diagnostics_and_nothing_else(name: str, seed: int, edits: int, shelf: Shelf) -> None:
    rng, specification = random.Random(seed), read_specification(shelf[name])  # noqa: S311 - damage, no secrets
    for _ in range(edits):
        functions = [*specification.mlProgram.functions.values()]
        parts = [specification.description, specification, *(each for each in functions if each.ByteSize())]
        inputs = [each.type for function in functions for each in function.inputs if each.type.ByteSize()]
        mutate(rng.choice([part for part in (*parts, *inputs) if part.ByteSize()]), rng)
    found = [*faults(specification), *check_io_types(specification)]
    found += [each for opset in OPSETS for each in check_io_types(specification, opset)]
    for diagnostic in found:
        assert diagnostic.hint
        assert len(str(diagnostic).splitlines()) == 1

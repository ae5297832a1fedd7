"""The check of a model's border against a deployment target: each thing by the first target that has it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from milopt.ir.descriptions.io_checks import check_io_types
from milopt.ir.descriptions.io_types import ARRAY_TYPES, COLOR_SPACES, FUNCTION_DTYPES, array_type
from milopt.ir.descriptions.signatures import check_signature
from milopt.ir.diagnostics import Diagnostic
from milopt.ir.dtypes import DTYPES
from milopt.ir.model_parts import ml_programs
from milopt.ir.pymil import mb, proto
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, IOS26, OPSETS, Opset
from support.packages import PACKAGES, Shelf, package_of, read_specification
from support.program_registry import Input, build_program


def check(specification: Any, opset: Opset | None = None) -> list[Diagnostic]:
    """What the check finds; it must leave the specification as it was."""
    before = specification.SerializeToString(deterministic=True)
    found = [*check_io_types(specification, opset)]
    assert specification.SerializeToString(deterministic=True) == before
    return found


def one(specification: Any, opset: Opset | None = None) -> str:
    """The only diagnostic, in words."""
    (found,) = check(specification, opset)
    assert found.hint
    return str(found)


def main(specification: Any) -> Any:
    return specification.mlProgram.functions["main"]


# --- the tables


def test_tables_are_those_of_the_file_format() -> None:
    arrays = proto.FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.items()
    colors = proto.FeatureTypes_pb2.ImageFeatureType.ColorSpace.items()
    assert {(each.name, each.number) for each in ARRAY_TYPES} == {item for item in arrays if item[1]}
    assert {(each.name, each.number) for each in COLOR_SPACES} == {item for item in colors if item[1]}
    assert {each.dtype for each in ARRAY_TYPES} | set(FUNCTION_DTYPES) <= {each.name for each in DTYPES}


def test_array_types_are_found_by_number_and_by_dtype() -> None:
    assert array_type(65552) is array_type("fp16")
    assert array_type(0) is None
    assert array_type("bool") is None


@pytest.mark.parametrize("dtype", ["fp16", "fp32", "int32", "int8"])
def test_first_targets_are_coremltools_own(dtype: str, tmp_path: Path) -> None:
    """For earlier targets coremltools refuses a type that is asked for, or makes another of it."""
    numpy_type = {"fp16": np.float16, "fp32": np.float32, "int32": np.int32, "int8": np.int8}[dtype]
    kept = []
    for opset in OPSETS:
        program = build_program(lambda x: mb.identity(x=x, name="same"), opset, x=Input((10, 40), dtype))
        described = ct.TensorType(name="x", shape=(10, 40), dtype=numpy_type)
        try:
            path = package_of(program, tmp_path, name=opset.ios, inputs=[described])
        except (TypeError, ValueError, NotImplementedError):
            continue
        kept += [opset] if described_dtype(read_specification(path)) == dtype else []
    found = array_type(dtype)
    assert found is not None
    assert kept[0] == found.first
    assert kept == [opset for opset in OPSETS if found.first is not None and opset >= found.first]


def described_dtype(specification: Any) -> str | None:
    found = array_type(specification.description.input[0].type.multiArrayType.dataType)
    return found.dtype if found else None


# --- what is in order


def test_every_package_fits_its_own_target_and_later_ones(package: Path) -> None:
    for _, specification in ml_programs(read_specification(package)):
        assert check(specification) == []
        later = [opset for opset in OPSETS if opset.specification_version >= specification.specificationVersion]
        assert [check(specification, opset) for opset in later] == [[] for _ in later]


def test_a_model_without_an_ml_program_is_not_judged() -> None:
    assert check(proto.Model_pb2.Model(), IOS15) == []


# --- what a target lacks


def test_fp16_arrays_came_with_ios16(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    assert [str(found) for found in check(specification, IOS15)] == [
        f"function 'main', {place}: iOS15 has no fp16 {side}s (iOS16 is the first target that has them: "
        "cast in the program and describe it as FLOAT32, or raise the target)"
        for side, place in (("input", "input 'x'"), ("output", "output 'linear'"))
    ]
    assert check(specification, IOS16) == []


def test_int8_arrays_came_with_ios26(shelf: Shelf) -> None:
    specification = read_specification(shelf["total"])
    specification.description.input[0].type.multiArrayType.dataType = 131080
    assert re.search("input 'x': iOS18 has no int8 inputs .*describe it as INT32", one(specification, IOS18))
    assert check(specification, IOS26) == []


def test_no_target_has_fp64_arrays(shelf: Shelf) -> None:
    specification = read_specification(shelf["total"])
    specification.description.output[0].type.multiArrayType.dataType = 65600
    assert re.search("output 'total': no ML program has fp64 outputs", one(specification, IOS26))


def test_states_came_with_ios18_and_are_named_once(shelf: Shelf) -> None:
    specification = read_specification(shelf["states"])
    assert re.search("state 'cache': iOS17 has no states .*iOS18 is the first", one(specification, IOS17))
    specification.description.input.extend(specification.description.state)
    del specification.description.state[:]
    assert re.search("state 'cache': iOS17 has no states", one(specification, IOS17))


def test_states_are_fp16(shelf: Shelf) -> None:
    specification = read_specification(shelf["states"])
    state = specification.description.state[0].type.stateType.arrayType
    state.dataType = 65568
    assert re.search("state 'cache': no ML program has fp32 states", one(specification))


def test_several_functions_came_with_ios18(shelf: Shelf) -> None:
    specification = read_specification(shelf["two_functions"])
    assert re.search("^the model: iOS17 has no models of several functions", one(specification, IOS17))


def test_gray_fp16_images_came_with_ios16(shelf: Shelf) -> None:
    specification = read_specification(shelf["image_output"])
    specification.description.output[0].type.imageType.colorSpace = 40
    assert re.search("output 'brighter': iOS15 has no GRAYSCALE_FLOAT16 images", one(specification, IOS15))
    assert check(specification, IOS16) == []


def test_uint8_images_came_with_ios17(shelf: Shelf) -> None:
    specification = read_specification(shelf["image_classifier"])
    specification.description.input[0].type.imageType.colorSpace = 10
    tensor = main(specification).inputs[0].type.tensorType
    tensor.dataType, tensor.dimensions[1].constant.size = 31, 1
    assert [*check_signature(specification)] == []
    assert re.search("input 'image': iOS16 has no images as uint8 tensors", one(specification))
    assert check(specification, IOS17) == []


def test_functions_without_inputs_came_with_ios18(shelf: Shelf) -> None:
    specification = read_specification(shelf["total"])
    del specification.description.input[:]
    assert re.search("^function 'main': iOS17 has no models without inputs", one(specification, IOS17))
    assert check(specification, IOS18) == []


def test_several_enumerated_inputs_came_with_ios18(shelf: Shelf) -> None:
    specification = read_specification(shelf["enumerated_shapes"])
    specification.description.input.add().CopyFrom(specification.description.input[0])
    assert re.search(
        "^function 'main': iOS17 has no models with several inputs of enumerated", one(specification, IOS17)
    )
    assert check(specification, IOS18) == []
    specification.description.input[0].type.multiArrayType.enumeratedShapes.shapes.pop()
    assert re.search("its inputs enumerate 2 and 3 shapes", one(specification, IOS18))
    assert re.search("iOS17 has no models with several", one(specification, IOS17))


# --- what no target has


def set_optional(part: str) -> Callable[[Any], None]:
    def edit(specification: Any) -> None:
        getattr(specification.description, part)[0].type.isOptional = True

    return edit


def set_default(dtype: int, **default: float) -> Callable[[Any], None]:
    def edit(specification: Any) -> None:
        array = specification.description.input[0].type.multiArrayType
        array.dataType = dtype
        for name, value in default.items():
            setattr(array, name, value)

    return edit


def set_state_default(specification: Any) -> None:
    specification.description.state[0].type.stateType.arrayType.floatDefaultValue = 1


NOWHERE = {
    "optional output": ("linear", set_optional("output"), "output 'linear': outputs can not be optional"),
    "optional state": ("states", set_optional("state"), "state 'cache': states can not be optional"),
    "state with a default": ("states", set_state_default, "state 'cache': states have no default values"),
    "float default of int32": (
        "total", set_default(131104, floatDefaultValue=1), "its floatDefaultValue is not of its type, INT32"),
    "int default of fp32": (
        "total", set_default(65568, intDefaultValue=1), "its intDefaultValue is not of its type, FLOAT32"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOWHERE)
def test_what_no_target_has(name: str, shelf: Shelf) -> None:
    package, edit, pattern = NOWHERE[name]
    specification = read_specification(shelf[package])
    edit(specification)
    assert re.search(pattern, one(specification, IOS26))


def test_defaults_of_their_type_are_in_order(shelf: Shelf) -> None:
    specification = read_specification(shelf["default_value"])
    assert specification.description.input[0].type.isOptional
    assert check(specification) == []
    set_default(131104, intDefaultValue=1)(specification)
    assert check(specification) == []


# --- against which target


def test_without_a_target_the_older_of_opset_and_version_counts(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    specification.specificationVersion = 6
    assert len(check(specification)) == 2
    specification.specificationVersion = 10
    assert check(specification) == []
    function = main(specification)
    function.block_specializations["CoreML5"].CopyFrom(function.block_specializations[function.opset])
    del function.block_specializations[function.opset]
    function.opset = "CoreML5"
    assert len(check(specification)) == 2
    assert check(specification, IOS16) == []


def test_an_unknown_version_is_one_diagnostic(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    specification.specificationVersion = 99
    assert re.search("^the model: specification version 99", one(specification))
    assert check(specification, IOS26) == []


def test_an_unknown_opset_is_one_diagnostic(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    main(specification).opset = "CoreML0"
    assert re.search("^function 'main': unknown opset 'CoreML0'", one(specification))


def test_a_function_that_is_not_described_is_judged_by_its_program(shelf: Shelf) -> None:
    specification = read_specification(shelf["linear"])
    functions = specification.mlProgram.functions
    functions["helper"].CopyFrom(functions["main"])
    tensor = functions["helper"].inputs[0].type.tensorType
    assert check(specification) == []
    for number, dtype in ((22, "int16"), (31, "uint8")):
        tensor.dataType = number
        assert re.search(f"^function 'helper', input 'x': iOS16 has no {dtype} inputs", one(specification, IOS16))
        assert check(specification, IOS17) == []
    tensor.dataType = 24
    assert re.search("^function 'helper', input 'x': no function takes int64 inputs", one(specification, IOS17))


def test_stages_of_a_pipeline_are_judged_alone(shelf: Shelf) -> None:
    assert "pipeline" in PACKAGES
    stages = dict(ml_programs(read_specification(shelf["pipeline"])))
    assert {label: len(check(stage, IOS15)) for label, stage in stages.items()} == {"0": 2, "1": 2}

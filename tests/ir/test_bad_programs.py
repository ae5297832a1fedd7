"""Programs that can not be read are refused in one line that names the op, and never with a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.errors import ProgramError, TargetError
from support.mutation import mutate
from support.packages import Shelf, copy_package, edit_specification, proto_operations
from support.refusals import assert_load_refused

Edit = Callable[[Any], object]


def operation_named(specification: Any, output: str) -> Any:
    return next(op for op in proto_operations(specification) if op.outputs[0].name == output)


def linear(specification: Any) -> Any:
    return operation_named(specification, "linear")


def function(specification: Any) -> Any:
    return specification.mlProgram.functions["main"]


def rename_opset(specification: Any) -> None:
    main = function(specification)
    main.block_specializations["CoreML42"].CopyFrom(main.block_specializations[main.opset])
    del main.block_specializations[main.opset]
    main.opset = "CoreML42"


def add_block(specification: Any) -> None:
    main = function(specification)
    main.block_specializations["CoreML8"].CopyFrom(main.block_specializations[main.opset])


def as_immediate(specification: Any, count: int) -> Any:
    """The bias of `linear` as a literal of `count` elements."""
    value = operation_named(specification, "linear_bias_0").attributes["val"]
    value.ClearField("blobFileValue")
    value.immediateValue.tensor.bytes.values = bytes(2 * count)
    return value


def as_bytes(specification: Any) -> Any:
    """The bias of `linear` as a literal of signed bytes."""
    value = as_immediate(specification, 64)
    value.type.tensorType.dataType = 21
    return value


def block(specification: Any) -> Any:
    return function(specification).block_specializations["CoreML7"]


PROGRAM_EDITS: dict[str, tuple[Edit, type[milopt.MiloptError], str]] = {
    "unknown op": (
        lambda s: setattr(linear(s), "type", "linaer"),
        ProgramError,
        r"op that defines 'linear': unknown op 'linaer' \(did you mean 'linear'\?\)",
    ),
    "op of a later opset": (
        lambda s: setattr(linear(s), "type", "scaled_dot_product_attention"),
        ProgramError,
        r"'linear': op 'scaled_dot_product_attention' is not in the opset iOS17 \(it came with iOS18\)",
    ),
    "unknown opset": (rename_opset, TargetError, r"function 'main': unknown opset 'CoreML42' \(milopt knows CoreML5"),
    "two blocks": (add_block, ProgramError, r"function 'main': .*blocks for CoreML7, CoreML8"),
    "no block": (
        lambda s: function(s).ClearField("block_specializations"),
        ProgramError,
        r"function 'main': .*blocks for none",
    ),
    "future version": (lambda s: setattr(s, "specificationVersion", 42), TargetError, r"version 42 .*newer milopt"),
    "version before ML programs": (lambda s: setattr(s, "specificationVersion", 4), TargetError, r"version 4 is none"),
    "use before definition": (
        lambda s: setattr(linear(s).inputs["x"].arguments[0], "name", "later"),
        ProgramError,
        r"op 'linear': 'later' is not defined",
    ),
    "output that nothing defines": (
        lambda s: block(s).outputs.__setitem__(0, "nothing"),
        ProgramError,
        r"outputs: 'nothing' is not defined",
    ),
    "missing input": (
        lambda s: linear(s).inputs.__delitem__("weight"),
        ProgramError,
        r"op 'linear': its required input 'weight' is missing",
    ),
    "unknown input": (
        lambda s: linear(s).inputs["wieght"].CopyFrom(linear(s).inputs["weight"]),
        ProgramError,
        r"op 'linear': linear has no input 'wieght' in the opset iOS17",
    ),
    "inputs that do not fit": (
        lambda s: setattr(linear(s).inputs["weight"].arguments[0], "name", "linear_bias_0"),
        ProgramError,
        r"op 'linear': op of type 'linear' is not valid: ",
    ),
    "too many outputs": (
        lambda s: linear(s).outputs.add(name="second").type.CopyFrom(linear(s).outputs[0].type),
        ProgramError,
        r"op 'linear': linear has 1 output, not 2",
    ),
    "another output type": (
        lambda s: setattr(linear(s).outputs[0].type.tensorType.dimensions[1].constant, "size", 63),
        ProgramError,
        r"op 'linear': output 'linear' is declared as .*63.* but inferred as .*64",
    ),
    "rank that does not fit": (
        lambda s: setattr(linear(s).outputs[0].type.tensorType, "rank", 3),
        ProgramError,
        r"op 'linear': a tensor type says rank 3 and lists 2 dimensions",
    ),
    "unknown element type": (
        lambda s: setattr(linear(s).outputs[0].type.tensorType, "dataType", 99),
        ProgramError,
        r"op 'linear': unknown element type number 99",
    ),
    "unknown element type of a weight": (
        lambda s: setattr(operation_named(s, "linear_weight_0").attributes["val"].type.tensorType, "dataType", 99),
        ProgramError,
        r"(linear_weight_0|weights/weight\.bin).*: unknown element type number 99",
    ),
    "constant too short": (
        lambda s: as_immediate(s, 63),
        ProgramError,
        r"op 'linear_bias_0': a constant of shape \[64\] has 63 elements",
    ),
    "constant without a value": (
        lambda s: operation_named(s, "linear_bias_0").attributes["val"].ClearField("blobFileValue"),
        ProgramError,
        r"op 'linear_bias_0': a constant has no value",
    ),
    "constant of 64-bit integers": (
        lambda s: setattr(as_immediate(s, 64).type.tensorType, "dataType", 24),
        ProgramError,
        r"op 'linear_bias_0': int64 constants can not be held",
    ),
    "constant cut inside an element": (
        lambda s: setattr(as_immediate(s, 64).immediateValue.tensor.bytes, "values", bytes(127)),
        ProgramError,
        r"op 'linear_bias_0': ",
    ),
    "text where there should be numbers": (
        lambda s: as_immediate(s, 64).immediateValue.tensor.strings.values.append("text"),
        ProgramError,
        r"op 'linear_bias_0': ",
    ),
    "number too large for its type": (
        lambda s: as_bytes(s).immediateValue.tensor.ints.values.extend([300] * 64),
        ProgramError,
        r"op 'linear_bias_0': ",
    ),
    "constant of unknown size": (
        lambda s: as_immediate(s, 64).type.tensorType.dimensions[0].unknown.SetInParent(),
        ProgramError,
        r"op 'linear_bias_0': a constant has an unknown dimension",
    ),
    "weight of unknown size": (
        lambda s: (
            operation_named(s, "linear_weight_0").attributes["val"].type.tensorType.dimensions[0].unknown.SetInParent()
        ),
        ProgramError,
        r"(linear_weight_0|weights/weight\.bin).*: a constant has an unknown dimension",
    ),
    "no functions": (
        lambda s: s.mlProgram.ClearField("functions"),
        ProgramError,
        r"^(linear\.mlpackage|the program).* no functions",
    ),
    "attribute of a block": (
        lambda s: block(s).attributes["note"].SetInParent(),
        ProgramError,
        r"function 'main'.*attribute 'note'|attribute 'note'.*function 'main'",
    ),
    "input of a kind that PyMIL lacks": (
        lambda s: function(s).inputs[0].type.tupleType.SetInParent(),
        ProgramError,
        r"input 'x': values of type 'tupleType' are not supported",
    ),
}


@pytest.mark.parametrize(("edit", "kind", "pattern"), PROGRAM_EDITS.values(), ids=PROGRAM_EDITS)
def test_bad_program_is_refused(
    edit: Edit, kind: type[milopt.MiloptError], pattern: str, shelf: Shelf, tmp_path: Path
) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    edit_specification(package, edit)
    assert_load_refused(package, kind, pattern)


def test_functions_of_different_opsets_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["two_functions"], tmp_path)

    def lower(specification: Any) -> None:
        decode = specification.mlProgram.functions["decode"]
        decode.block_specializations["CoreML7"].CopyFrom(decode.block_specializations["CoreML8"])
        del decode.block_specializations["CoreML8"]
        decode.opset = "CoreML7"

    edit_specification(package, lower)
    assert_load_refused(package, ProgramError, r"function 'decode': .*opset")


STATE_EDITS: dict[str, tuple[Edit, str]] = {
    "read without its state": (
        lambda s: operation_named(s, "read").inputs.__delitem__("input"),
        r"op 'read': ",
    ),
    "write without its value": (
        lambda s: next(op for op in proto_operations(s) if op.type == "write_state").inputs.__delitem__("data"),
        r"op 'updated.*': ",
    ),
}


@pytest.mark.parametrize(("edit", "pattern"), STATE_EDITS.values(), ids=STATE_EDITS)
def test_bad_use_of_a_state_is_refused(edit: Edit, pattern: str, shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["states"], tmp_path)
    edit_specification(package, edit)
    assert_load_refused(package, ProgramError, pattern)


CLASS_EDITS: dict[str, Edit] = {
    "label without a value": lambda labels: labels[3].immediateValue.tensor.ClearField("longInts"),
    "no labels": lambda labels: labels.__delitem__(slice(None)),
}


@pytest.mark.parametrize("edit", CLASS_EDITS.values(), ids=CLASS_EDITS)
def test_bad_class_labels_are_refused(edit: Edit, shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["classifier_integers"], tmp_path)

    def edit_labels(specification: Any) -> None:
        classify = next(op for op in proto_operations(specification) if op.type == "classify")
        edit(classify.inputs["classes"].arguments[0].value.immediateValue.list.values)

    edit_specification(package, edit_labels)
    assert_load_refused(package, ProgramError, r"op 'classify.*': ")


MUTATED = (
    "affine_int8",
    "classifier_integers",
    "cond",
    "conv",
    "flexible_reshape",
    "list_in_loop",
    "lstm",
    "lut_4_bits",
    "pipeline",
    "sparse_int4",
    "states",
    "two_functions",
    "while_loop",
)


def reading_error(package: Path) -> milopt.MiloptError | None:
    """What loading a package whole is refused with, if it is; any other exception passes."""
    try:
        model = milopt.load(package)
        assert len(model.programs) == len(model.stages)
        assert model.opset
    except milopt.MiloptError as error:
        return error
    return None


@pytest.mark.parametrize("name", MUTATED)
def test_damaged_program_is_read_or_refused_with_a_place(name: str, shelf: Shelf, tmp_path: Path) -> None:
    rng = random.Random(name)  # noqa: S311 - nothing secret
    found = []
    for index in range(40):
        (tmp_path / str(index)).mkdir()
        package = copy_package(shelf[name], tmp_path / str(index))
        edit_specification(package, lambda specification: mutate(specification, rng))
        found.append(reading_error(package))
    errors = [error for error in found if error is not None]
    assert 0 < len(errors) < len(found)
    assert [error for error in errors if error.where is None or "\n" in str(error)] == []

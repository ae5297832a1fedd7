"""Packages in and out: what is not touched comes back as it was, what is changed is all that changes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import coremltools as ct
import milopt
import numpy as np
import pytest
from coremltools.converters.mil.frontend.milproto.load import load as read_with_coremltools
from milopt.ir.checking import blob_references
from milopt.ir.equality import first_difference
from milopt.ir.pymil import dtype_of
from milopt.ir.walking import walk
from milopt.ir.weights.files import WeightFile
from support.canonical import canonical
from support.editing import find_op, replace_constant
from support.packages import (
    MODEL_FOLDER,
    SPECIFICATION,
    WEIGHTS,
    Shelf,
    contents,
    copy_package,
    edit_specification,
    proto_operations,
    read_specification,
)
from support.programs import weights
from support.saving import (
    assert_same_programs,
    loaded_whole,
    saved,
    without_programs,
)

# --- nothing is lost


def test_untouched_model_is_saved_as_it_was(package: Path, tmp_path: Path) -> None:
    model = milopt.load(package)
    before, after = contents(package), contents(saved(model, tmp_path))
    assert list(after) == list(before)
    assert {name: data for name, data in after.items() if name != SPECIFICATION} == {
        name: data for name, data in before.items() if name != SPECIFICATION
    }
    assert read_specification(tmp_path / "saved.mlpackage") == read_specification(package)


def test_model_that_was_only_looked_at_keeps_every_file(package: Path, tmp_path: Path) -> None:
    before, after = contents(package), contents(saved(loaded_whole(package), tmp_path))
    assert {name: data for name, data in after.items() if name != SPECIFICATION} == {
        name: data for name, data in before.items() if name != SPECIFICATION
    }
    assert without_programs(read_specification(tmp_path / "saved.mlpackage")) == without_programs(
        read_specification(package)
    )


def test_program_survives_saving_and_loading(package: Path, tmp_path: Path) -> None:
    model = loaded_whole(package)
    again = loaded_whole(saved(model, tmp_path))
    assert_same_programs(model, again)
    assert again.specification.specificationVersion == model.specification.specificationVersion


def test_loading_twice_gives_equal_programs(package: Path) -> None:
    assert_same_programs(loaded_whole(package), loaded_whole(package))


def test_same_model_is_saved_as_the_same_bytes(package: Path, tmp_path: Path) -> None:
    model = loaded_whole(package)
    first, second = (contents(saved(model, tmp_path, name)) for name in ("first", "second"))
    assert first == second
    assert contents(saved(loaded_whole(package), tmp_path, "third")) == first


def test_coremltools_opens_what_milopt_saves_and_reads_the_same(package: Path, tmp_path: Path) -> None:
    model = loaded_whole(package)
    path = saved(model, tmp_path)
    opened = ct.models.MLModel(str(path), skip_model_load=True)
    assert opened.get_spec() == read_specification(path)
    if package.stem in ("unknown_rank", "scalar_input"):
        pytest.skip("coremltools' reader of programs has no unknown ranks, nor inputs of rank 0")
    again = milopt.load(path)
    for stage in again.stages:
        theirs = read_with_coremltools(
            stage.specification, stage.specification.specificationVersion, str(path / MODEL_FOLDER / "weights")
        )
        assert canonical(theirs) == canonical(model.programs[stage.label])


def test_reading_keeps_the_names_of_the_specification(package: Path) -> None:
    model = milopt.load(package)
    for stage in model.stages:
        for name, function in stage.program.functions.items():
            mine = [operation.name for operation in function.operations if operation.op_type != "const"]
            theirs = [_name_of(operation) for operation in proto_operations(stage.specification, name)
                      if operation.type not in ("const", "write_state")]  # fmt: skip
            assert [each for each in mine if each in theirs] == theirs


def _name_of(operation: Any) -> str:
    if "name" not in operation.attributes:
        return str(operation.outputs[0].name)
    return str(operation.attributes["name"].immediateValue.tensor.strings.values[0])


# --- weights are not copied


def owners(array: np.ndarray) -> Iterator[object]:
    owner: object = array
    while isinstance(owner, np.ndarray | memoryview):
        yield owner
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    yield owner


def test_weights_are_read_only_views_of_the_mapped_file(package: Path) -> None:
    model = loaded_whole(package)
    references = {reference for stage in model.stages for reference in blob_references(stage.specification.mlProgram)}
    found = set()
    for stage in model.stages:
        for operation in walk(stage.program):
            if operation.op_type != "const" or not isinstance(operation.outputs[0].val, np.ndarray):
                continue
            array, dtype = operation.outputs[0].val, dtype_of(operation.outputs[0])
            reference = model.weights.find(array, dtype)
            if reference is None:
                continue
            found.add(reference)
            assert not array.flags.writeable
            assert dtype.is_sub_byte or any(isinstance(owner, mmap.mmap) for owner in owners(array))
    assert found == references


# --- the model as a whole


def test_model_replaces_the_package_that_it_came_from(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear_chain"], tmp_path)
    model = milopt.load(package)
    replace_constant(find_op(model.program, "first_weight_0"), weights(64, 40, seed=9))
    model.save(package, overwrite=True)
    assert list(tmp_path.iterdir()) == [package]
    assert first_difference(milopt.load(package).program, model.program) is None
    model.save(tmp_path / "again.mlpackage")
    assert contents(tmp_path / "again.mlpackage") == contents(package)


def test_copy_of_a_model_is_saved_without_the_changes_of_the_original(shelf: Shelf, tmp_path: Path) -> None:
    model = loaded_whole(shelf["linear"])
    copied = model.copy()
    replace_constant(find_op(model.program, "linear_weight_0"), weights(64, 40, seed=9))
    model.specification.description.metadata.author = "somebody else"
    path = saved(copied, tmp_path)
    assert contents(path)[WEIGHTS] == contents(shelf["linear"])[WEIGHTS]
    assert not read_specification(path).description.metadata.author
    assert first_difference(milopt.load(path).program, milopt.load(shelf["linear"]).program) is None


def test_changed_metadata_is_saved(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["image_classifier"])
    model.specification.description.metadata.shortDescription = "Tells kinds apart, in half the space."
    again = milopt.load(saved(model, tmp_path)).specification.description
    assert again.metadata.shortDescription == "Tells kinds apart, in half the space."
    assert again.metadata.author == "A. Name"
    assert again.predictedFeatureName == "kind"


def test_functions_keep_their_order_and_their_default(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["two_functions"])
    assert list(model.program.functions) == ["encode", "decode"]
    assert model.program.default_function_name == "encode"
    again = milopt.load(saved(model, tmp_path))
    assert list(again.program.functions) == ["encode", "decode"]
    assert again.specification.description.defaultFunctionName == "encode"


def test_attributes_without_a_place_in_pymil_survive(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    text = next(op for op in proto_operations(read_specification(package)) if op.type == "linear").attributes["name"]

    def annotate(specification: Any) -> None:
        program = specification.mlProgram
        linear = next(op for op in proto_operations(specification) if op.type == "linear")
        for attributes in (program.attributes, program.functions["main"].attributes, linear.attributes):
            attributes["buildInfo"].CopyFrom(text)
        program.docString = "made by hand"

    edit_specification(package, annotate)
    path = saved(loaded_whole(package), tmp_path)
    program = read_specification(path).mlProgram
    linear = next(op for op in proto_operations(read_specification(path)) if op.type == "linear")
    assert program.attributes["buildInfo"] == text
    assert program.functions["main"].attributes["buildInfo"] == text
    assert linear.attributes["buildInfo"] == text
    assert program.docString == "made by hand"


def test_model_of_coremltools_is_loaded_from_its_package(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    model = milopt.load(ct.models.MLModel(str(package), skip_model_load=True))
    assert first_difference(model.program, milopt.load(shelf["linear"]).program) is None


def test_saved_package_can_be_read_by_those_whom_the_umask_allows(shelf: Shelf, tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        path = saved(milopt.load(shelf["linear"]), tmp_path)
    finally:
        os.umask(previous)
    assert {oct(each.stat().st_mode & 0o777) for each in [path, *path.rglob("*")]} == {"0o750", "0o640"}


def test_relative_paths_are_taken_from_the_working_folder(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_package(shelf["linear"], tmp_path)
    monkeypatch.chdir(tmp_path)
    milopt.load("linear.mlpackage").save("again.mlpackage")
    assert (
        WeightFile(tmp_path / "again.mlpackage" / WEIGHTS).size
        == (tmp_path / "linear.mlpackage" / WEIGHTS).stat().st_size
    )

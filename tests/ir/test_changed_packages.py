"""Changed packages: what is changed is all that changes, and weights that are shared stay shared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import milopt
import numpy as np
import pytest
from milopt.ir.dtypes import DTYPES
from milopt.ir.equality import first_difference
from milopt.ir.model import Model
from milopt.ir.pymil import dtype_of
from milopt.ir.targets import IOS16, IOS18
from milopt.ir.upgrading import raise_opset
from milopt.ir.walking import walk
from milopt.ir.weights.store import WeightStore
from support.canonical import canonical
from support.editing import find_op, replace_constant
from support.packages import (
    MODEL_FOLDER,
    WEIGHTS,
    Shelf,
    contents,
    read_specification,
)
from support.programs import PROGRAMS, weights
from support.saving import (
    all_constants,
    blob_count,
    blob_offsets,
    differing,
    saved,
    without_programs,
)


def largest_weight(model: Any) -> Any:
    """The op of the largest weight in a file, of whole bytes, of the first stage that has one."""
    for stage in model.stages:
        candidates = [
            operation
            for operation in walk(stage.program)
            if operation.op_type == "const"
            and isinstance(operation.outputs[0].val, np.ndarray)
            and not dtype_of(operation.outputs[0]).is_sub_byte
            and model.weights.find(operation.outputs[0].val, dtype_of(operation.outputs[0]))
        ]
        if candidates:
            return max(candidates, key=lambda operation: operation.outputs[0].val.size)
    return pytest.skip("the package has no weight in a file")


def test_changed_weight_is_all_that_changes(package: Path, tmp_path: Path) -> None:
    before = contents(package)
    model, untouched = milopt.load(package), all_constants(milopt.load(package))
    operation = largest_weight(model)
    name = operation.outputs[0].name
    replace_constant(operation, operation.outputs[0].val[..., ::-1] + operation.outputs[0].val.dtype.type(1))
    path = saved(model, tmp_path)

    changed = differing(untouched, all_constants(milopt.load(path)))
    assert [each.split("/")[-1] for each in changed] == [name]
    assert without_programs(read_specification(path)) == without_programs(read_specification(package))
    assert contents(package) == before
    assert contents(path) == contents(saved(model, tmp_path, "again"))
    ct.models.MLModel(str(path), skip_model_load=True)


def test_two_references_to_one_blob_stay_one_blob(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["shared_blob"])
    assert blob_count(shelf["shared_blob"] / WEIGHTS) == 4
    replace_constant(find_op(model.program, "left_bias_0"), weights(64, seed=9))
    path = saved(model, tmp_path)
    offsets = blob_offsets(path)
    assert offsets["left_weight_0"] == offsets["right_weight_0"] != offsets["left_bias_0"]
    assert blob_count(path / WEIGHTS) == 3


def test_equal_weights_at_two_places_stay_two(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["equal_weights"])
    replace_constant(find_op(model.program, "left_bias_0"), weights(64, seed=9))
    assert blob_count(saved(model, tmp_path) / WEIGHTS) == 4


def test_changing_one_of_two_references_leaves_the_other(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["shared_blob"])
    replace_constant(find_op(model.program, "left_weight_0"), weights(64, 40, seed=9))
    again = milopt.load(saved(model, tmp_path)).program
    np.testing.assert_array_equal(find_op(again, "left_weight_0").outputs[0].val, weights(64, 40, seed=9))
    np.testing.assert_array_equal(find_op(again, "right_weight_0").outputs[0].val, weights(64, 40))


def test_functions_go_on_sharing_a_weight(shelf: Shelf, tmp_path: Path) -> None:
    assert blob_count(shelf["multifunction"] / WEIGHTS) == 5
    model = milopt.load(shelf["multifunction"])
    second = next(op for op in walk(model.program.functions["long"]) if op.outputs[0].name == "second_weight_0")
    replace_constant(second, weights(50, 64, seed=9))
    assert blob_count(saved(model, tmp_path) / WEIGHTS) == 5


def test_new_array_used_by_two_functions_is_written_once(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["matmul_inputs"])
    model.stages[0].replace(PROGRAMS["two_functions"]())
    assert blob_count(saved(model, tmp_path) / WEIGHTS) == 2  # the weight, and the bias of one function


def test_sub_byte_weights_survive_a_rewrite(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["sub_byte_types"])
    kinds = {dtype_of(op.outputs[0]) for op in walk(model.program) if op.op_type == "const"}
    assert {dtype for dtype in DTYPES if dtype.is_sub_byte} <= kinds
    before = all_constants(model)
    replace_constant(find_op(model.program, "dense_weight_0"), weights(66, 41, seed=9))
    path = saved(model, tmp_path)
    assert (path / WEIGHTS).read_bytes() != (shelf["sub_byte_types"] / WEIGHTS).read_bytes()
    assert differing(before, all_constants(milopt.load(path))) == ["/main/dense_weight_0"]


def test_new_sub_byte_weights_are_written_as_coremltools_writes_them(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["states"])
    model.stages[0].replace(PROGRAMS["sub_byte_types"]())
    assert contents(saved(model, tmp_path))[WEIGHTS] == contents(shelf["sub_byte_types"])[WEIGHTS]


def test_untouched_weight_file_is_kept_when_another_changes(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["two_weight_files"])
    before = contents(shelf["two_weight_files"])
    replace_constant(find_op(model.program, "second_bias_0"), weights(50, seed=9))
    after = contents(saved(model, tmp_path))
    more = f"{MODEL_FOLDER}/weights/more.bin"
    assert after[more] == before[more]
    assert after[WEIGHTS] != before[WEIGHTS]


def test_changed_stage_leaves_the_other_stages_weights(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["pipeline"])
    before = contents(shelf["pipeline"])
    assert list(model.programs) == ["0", "1"]
    replace_constant(find_op(model.programs["1"], "after_weight_0"), weights(50, 64, seed=9))
    path = saved(model, tmp_path)
    after = contents(path)
    assert list(after) == list(before)
    assert after[f"{MODEL_FOLDER}/weights/0-weight.bin"] == before[f"{MODEL_FOLDER}/weights/0-weight.bin"]
    again = find_op(milopt.load(path).programs["1"], "after_weight_0").outputs[0].val
    np.testing.assert_array_equal(again, weights(50, 64, seed=9))


def test_raised_stage_raises_the_version_of_the_pipeline(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["pipeline"])
    raise_opset(model.programs["1"], IOS18)
    specification = read_specification(saved(model, tmp_path))
    versions = [stage.specificationVersion for stage in specification.pipeline.models]
    assert (specification.specificationVersion, *versions) == (9, 8, 9)


def test_stages_that_share_a_file_stay_whole_when_one_changes(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["pipeline_of_one_file"])
    before = all_constants(milopt.load(shelf["pipeline_of_one_file"]))
    replace_constant(find_op(model.programs["1"], "linear_weight_0"), weights(64, 40, seed=9))
    after = all_constants(milopt.load(saved(model, tmp_path)))
    assert differing(before, after) == ["1/main/linear_weight_0"]


def test_stages_of_nested_pipelines_have_labels_of_their_place(shelf: Shelf) -> None:
    assert list(milopt.load(shelf["nested_pipeline"]).programs) == ["0", "1/0"]


def test_pipeline_has_no_single_program(shelf: Shelf) -> None:
    with pytest.raises(milopt.MiloptError, match=r"pipeline.mlpackage: the pipeline holds 2 programs .*0, 1"):
        _ = milopt.load(shelf["pipeline"]).program


def test_detector_keeps_its_suppression_stage(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["detector"])
    replace_constant(find_op(model.program, "coordinates_weight_0"), weights(4, 200, seed=9))
    before, after = read_specification(shelf["detector"]), read_specification(saved(model, tmp_path))
    assert after.pipeline.models[1] == before.pipeline.models[1]
    assert list(after.pipeline.names) == ["detector", "suppression"]


# --- programs put into other packages


def test_first_weights_of_a_model_get_a_file_and_a_place_in_the_manifest(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["matmul_inputs"])
    assert WEIGHTS not in contents(shelf["matmul_inputs"])
    model.stages[0].replace(PROGRAMS["linear"]())
    path = saved(model, tmp_path)
    opened = ct.models.MLModel(str(path), skip_model_load=True)
    assert Path(opened.weights_dir).samefile(path / MODEL_FOLDER / "weights")
    assert first_difference(milopt.load(path).program, milopt.load(shelf["linear"]).program) is None


def test_program_of_another_model_brings_its_weights_along(shelf: Shelf, tmp_path: Path) -> None:
    model, other = milopt.load(shelf["linear"]), milopt.load(shelf["sub_byte_types"])
    model.stages[0].replace(other.program)
    path = saved(model, tmp_path)
    assert contents(path)[WEIGHTS] == contents(shelf["sub_byte_types"])[WEIGHTS]
    assert first_difference(milopt.load(path).program, other.program) is None


def test_model_without_a_package_is_laid_out_as_coremltools_does(shelf: Shelf, tmp_path: Path) -> None:
    model = Model(read_specification(shelf["linear"]), WeightStore(None))
    model.stages[0].replace(PROGRAMS["linear"]())
    path = saved(model, tmp_path)
    assert list(contents(path)) == list(contents(shelf["linear"]))
    assert contents(path)[WEIGHTS] == contents(shelf["linear"])[WEIGHTS]
    assert contents(path) == contents(saved(model, tmp_path, "again"))
    opened = ct.models.MLModel(str(path), skip_model_load=True)
    assert Path(opened.weights_dir).samefile(path / MODEL_FOLDER / "weights")


def test_turned_view_of_a_weight_is_written_as_a_weight_of_its_own(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["matmul"])
    operation = find_op(model.program, "matmul_y_0")
    whole = operation.outputs[0].val
    replace_constant(operation, whole[:, ::-1])
    again = milopt.load(saved(model, tmp_path)).program
    np.testing.assert_array_equal(find_op(again, "matmul_y_0").outputs[0].val, whole[:, ::-1])


def test_weight_file_goes_with_its_last_weight(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["linear"])
    model.stages[0].replace(PROGRAMS["matmul_inputs"]())
    path = saved(model, tmp_path)
    assert WEIGHTS not in contents(path)
    ct.models.MLModel(str(path), skip_model_load=True)
    assert milopt.load(path).program is not None


def test_dropped_weight_leaves_the_file(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["two_heads"])
    model.stages[0].replace(PROGRAMS["linear"]())
    assert blob_count(saved(model, tmp_path) / WEIGHTS) == 2


def test_raised_program_raises_the_specification_version(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["lut_4_bits_ios16"])
    assert model.opset == IOS16
    raise_opset(model.program, IOS18)
    assert model.opset == IOS18
    again = milopt.load(saved(model, tmp_path))
    assert again.specification.specificationVersion == IOS18.specification_version
    assert canonical(again.program) == canonical(model.program)

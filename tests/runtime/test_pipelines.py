from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb, proto
from milopt.ir.targets import IOS17
from milopt.runtime import Session
from support.packages import Shelf, copy_package, edit_specification, package_of
from support.program_registry import build_program, fp32
from support.programs import PROGRAMS
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(10, 40)).astype(np.float16)
FLOAT32, DOUBLE = proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32, proto.FeatureTypes_pb2.ArrayFeatureType.DOUBLE


@pytest.mark.parametrize("package", ["pipeline", "nested_pipeline"])
def test_stages_take_what_stages_before_them_gave(shelf: Shelf, package: str) -> None:
    session = Session(shelf[package])
    first, second = Session(PROGRAMS["linear"]()), Session(PROGRAMS["linear_after"]())

    (y,) = session.run({"x": X}).values()

    (name,) = (feature.name for feature in second.inputs)
    np.testing.assert_array_equal(y, next(iter(second.run({name: first.run({"x": X})["linear"]}).values())))


def test_kinds_that_can_not_be_run_are_found_before_any_program_is_built(shelf: Shelf) -> None:
    model = milopt.load(shelf["pipeline"])
    model.specification.pipeline.names.extend(["net", "last"])
    model.specification.pipeline.models[1].glmRegressor.offset.append(1)

    refusal(lambda: Session(model), RunError, r"stage 1 \(last\): it is a glmRegressor, which can not be run \(ML prog")
    assert not model.stages[0].is_loaded


def edited(shelf: Shelf, package: str, edit: Callable[[Any], object]) -> Any:
    model = milopt.load(shelf[package])
    edit(model.specification)
    return model


def test_a_loose_wire_is_refused(shelf: Shelf) -> None:
    def loosen(specification: Any) -> None:
        specification.pipeline.models[1].description.input[0].name = "z"

    def rename(specification: Any) -> None:
        specification.description.output[0].name = "z"

    for edit, message in (
        (loosen, r"detector.mlpackage, stage 1 \(suppression\): nothing gives its input 'z'"),
        (rename, "detector.mlpackage: no stage gives the output 'z'"),
    ):
        model = edited(shelf, "detector", edit)
        refusal(lambda model=model: Session(model), RunError, message)


def test_a_pipeline_has_no_functions(shelf: Shelf) -> None:
    assert Session(shelf["pipeline"], "main").inputs
    refusal(
        lambda: Session(shelf["pipeline"], "other"), RunError, r"no function 'other' \(a pipeline has no functions\)"
    )


def test_errors_say_the_stage(shelf: Shelf) -> None:
    def narrow(specification: Any) -> None:
        specification.pipeline.models[1].description.input[0].type.multiArrayType.shape[0] = 9

    session = Session(edited(shelf, "pipeline", narrow))
    refusal(
        lambda: session.run({"x": X}), RunError, r"^stage 1, input 'linear': it has the shape \[10, 64\] \(the model"
    )
    refusal(lambda: session.run({"y": X}), RunError, "there is no input 'y'")


def test_states_in_a_pipeline_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    path = copy_package(shelf["states"], tmp_path)

    def wrap(specification: Any) -> None:
        stage = proto.Model_pb2.Model()
        stage.CopyFrom(specification)
        specification.ClearField("mlProgram")
        del specification.description.state[:]
        specification.pipeline.models.append(stage)

    edit_specification(path, wrap)
    refusal(lambda: Session(path), RunError, "stage 0: it has states, which a pipeline does not keep")


@pytest.mark.parametrize("kind", ["pipelineClassifier", "pipelineRegressor"])
def test_pipelines_of_other_kinds(shelf: Shelf, kind: str) -> None:
    def change(specification: Any) -> None:
        pipeline = proto.Model_pb2.Pipeline()
        pipeline.CopyFrom(specification.pipeline)
        getattr(specification, kind).pipeline.CopyFrom(pipeline)

    model = edited(shelf, "pipeline", change)
    np.testing.assert_array_equal(
        Session(model).run({"x": X})["after"], Session(shelf["pipeline"]).run({"x": X})["after"]
    )


def test_outputs_have_the_types_that_the_pipeline_says(shelf: Shelf) -> None:
    def widen(specification: Any) -> None:
        specification.description.output[0].type.multiArrayType.dataType = DOUBLE

    (wide,) = Session(edited(shelf, "pipeline", widen)).run({"x": X}).values()
    (half,) = Session(shelf["pipeline"]).run({"x": X}).values()

    assert (wide.dtype, half.dtype) == (np.float64, np.float16)
    np.testing.assert_array_equal(wide, half)


# --- stages before a program that numpy does


def before_a_program(folder: Path, stage: Any, *inputs: tuple[str, int | None]) -> Session:
    """A pipeline of a stage that makes `x` of its inputs, and a program that doubles four numbers."""
    folder.mkdir(exist_ok=True)
    path = package_of(build_program(lambda x: mb.add(x=x, y=x, name="y"), IOS17, x=fp32(4)), folder)
    stage = copy.deepcopy(stage)

    def wrap(specification: Any) -> None:
        program = proto.Model_pb2.Model()
        program.CopyFrom(specification)
        specification.ClearField("mlProgram")
        for name, size in inputs:
            kind = stage.description.input.add(name=name).type
            if size is None:
                kind.doubleType.SetInParent()
            else:
                kind.multiArrayType.shape.append(size)
                kind.multiArrayType.dataType = DOUBLE
        stage.description.output.add(name="x").type.multiArrayType.dataType = DOUBLE
        specification.description.ClearField("input")
        specification.description.input.extend(stage.description.input)
        specification.pipeline.models.extend([stage, program])

    edit_specification(path, wrap)
    return Session(path)


def test_a_feature_vectorizer(tmp_path: Path) -> None:
    stage = proto.Model_pb2.Model()
    for name, size in (("age", 1), ("rest", 3)):
        stage.featureVectorizer.inputList.add(inputColumn=name, inputDimensions=size)

    session = before_a_program(tmp_path, stage, ("rest", 3), ("age", None))

    assert [feature.kind for feature in session.inputs] == ["array", "double"]
    np.testing.assert_array_equal(session.run({"age": 5, "rest": [1, 2, 3]})["y"], [10, 2, 4, 6])
    refusal(lambda: session.run({"age": "old", "rest": [1, 2, 3]}), RunError, "input 'age': it is 'old' .*one number")


def test_a_scaler(tmp_path: Path) -> None:
    stage = proto.Model_pb2.Model()
    stage.scaler.shiftValue.append(-1)
    stage.scaler.scaleValue.extend([1, 10, 100, 1000])

    session = before_a_program(tmp_path, stage, ("raw", 4))

    np.testing.assert_array_equal(session.run({"raw": [1, 2, 3, 4]})["y"], [0, 20, 400, 6000])


def test_an_extractor(tmp_path: Path) -> None:
    stage = proto.Model_pb2.Model()
    stage.arrayFeatureExtractor.extractIndex.extend([5, 0, 0, 2])

    session = before_a_program(tmp_path, stage, ("raw", 6))

    np.testing.assert_array_equal(session.run({"raw": np.arange(6.0)})["y"], [10, 0, 0, 4])


def test_steps_that_do_not_fit_their_inputs_are_refused(tmp_path: Path) -> None:
    stage = proto.Model_pb2.Model()
    stage.arrayFeatureExtractor.extractIndex.extend([5, 0, 0, 6])

    refusal(lambda: before_a_program(tmp_path / "two", stage, ("raw", 6), ("more", 6)), RunError,
            "stage 0: its kind has one input, and it has 2")  # fmt: skip
    session = before_a_program(tmp_path, stage, ("raw", 6))
    refusal(lambda: session.run({"raw": np.zeros(6)}), RunError, "^stage 0: what it says does not fit its inputs: .*6")

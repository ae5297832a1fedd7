"""Packages for tests: the shared real models, any program as a package, and packages of every other kind.

All are written by coremltools itself, so that milopt is compared with what users have. coremltools writes to the
packages that it opens (it renews the manifest): tests hand it copies of what must not change.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.converter import mil_convert
from milopt.ir.pymil import available_target, opset_of, proto, types
from milopt.ir.walking import walk

from .programs import PROGRAMS
from .source_tree import ROOT

PACKAGES: dict[str, Callable[[Path], Path]] = {}
SHARED_MODELS = ROOT.parent / "shared" / "models"
MODEL_FOLDER = "Data/com.apple.CoreML"
SPECIFICATION = f"{MODEL_FOLDER}/model.mlmodel"
WEIGHTS = f"{MODEL_FOLDER}/weights/weight.bin"


def shared_models() -> list[Path]:
    """The real packages that stand beside the project; none where they are absent."""
    return sorted(SHARED_MODELS.glob("*.mlpackage"))


def shared_model_params() -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: each shared model, or one that is skipped and says why."""
    found = [pytest.param(path, id=path.stem) for path in shared_models()]
    reason = f"the shared models are absent: no .mlpackage in {SHARED_MODELS.name!r} beside the project"
    return found or [pytest.param(None, id="shared-models", marks=pytest.mark.skip(reason=reason))]


class Shelf:
    """Packages by name, each written once: every program of `PROGRAMS` and everything in `PACKAGES`.

    Args:
        folder: where they stand. Tests only read them; what they change they copy.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> Path:
        """The package called `name`; its file name is `<name>.mlpackage`."""
        path = self._folder / f"{name}.mlpackage"
        if path.exists():
            return path
        work = self._folder / f"{name}.work"
        work.mkdir()
        built = PACKAGES[name](work) if name in PACKAGES else package_of(PROGRAMS[name](), work)
        return built.rename(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and what is in it, by path relative to the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def read_specification(package: Path) -> Any:
    """The protobuf of a package whose specification stands at its usual place."""
    result = proto.Model_pb2.Model()
    result.ParseFromString((package / SPECIFICATION).read_bytes())
    return result


def edit_specification(package: Path, edit: Callable[[Any], object]) -> None:
    """Changes the protobuf of a package in place."""
    specification = read_specification(package)
    edit(specification)
    (package / SPECIFICATION).write_bytes(specification.SerializeToString())


def proto_operations(specification: Any, function: str = "main") -> list[Any]:
    """The outermost protobuf operations of a function."""
    found = specification.mlProgram.functions[function]
    return list(found.block_specializations[found.opset].operations)


def copy_package(package: Path, folder: Path) -> Path:
    """A writable copy of a package in another folder, under the same name."""
    return Path(shutil.copytree(package, folder / package.name, copy_function=shutil.copyfile))


def converted(program: Any, **options: Any) -> Any:
    """The coremltools model of a program, whose ops stay exactly what they are.

    Args:
        program: a PyMIL program; coremltools takes it over.
        options: further arguments of `coremltools.convert`.
    """
    target = available_target(opset_of(program))
    return ct.convert(program, convert_to="mlprogram", minimum_deployment_target=target,
                      pass_pipeline=ct.PassPipeline.EMPTY, skip_model_load=True, **options)  # fmt: skip


def package_of(program: Any, folder: Path, *, name: str = "model", **options: Any) -> Path:
    """Writes a program as a package, with coremltools.

    Args:
        program: a PyMIL program; coremltools takes it over.
        folder: where the package shall stand.
        name: of the package, without its ending.
        options: further arguments of `coremltools.convert`.
    """
    classified = any(operation.op_type == "classify" for operation in walk(program))
    model = _converted_classifier(program) if classified else converted(program, **options)
    return _saved(model, folder / f"{name}.mlpackage")


def _saved(model: Any, path: Path) -> Path:
    model.save(str(path))
    return path


def _converted_classifier(program: Any) -> Any:
    """coremltools describes a classifier only if it adds the op itself; here the program has it already."""
    (function,) = program.functions.values()
    label, probabilities = function.outputs
    description = proto.Model_pb2.ModelDescription(
        predictedFeatureName=label.name, predictedProbabilitiesName=probabilities.name
    )
    for name, var in function.inputs.items():
        array = description.input.add(name=name).type.multiArrayType
        array.shape.extend(var.shape)
        array.dataType = proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    kind = "stringType" if label.dtype == types.str else "int64Type"
    key = kind.replace("Type", "KeyType")
    getattr(description.output.add(name=label.name).type, kind).SetInParent()
    getattr(description.output.add(name=probabilities.name).type.dictionaryType, key).SetInParent()
    return mil_convert(program, "milinternal", "mlprogram", ct.ComputeUnit.ALL, skip_model_load=True,
                       pass_pipeline=ct.PassPipeline.EMPTY, model_description=description,
                       specification_version=opset_of(program).specification_version)  # fmt: skip


def package(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Puts a builder of a package into `PACKAGES` under its own name."""
    PACKAGES[build.__name__] = build
    return build


@package
def image_classifier(folder: Path) -> Path:
    """An image input, class labels, and metadata in every field."""
    image = ct.ImageType(name="image", shape=(1, 3, 20, 30), color_layout=ct.colorlayout.BGR)
    labels = ct.ClassifierConfig([f"kind {index}" for index in range(16)], predicted_feature_name="kind")
    model = converted(PROGRAMS["image_scores"](), inputs=[image], classifier_config=labels)
    model.author, model.license, model.version = "A. Name", "MIT", "1.2"
    model.short_description = "Tells kinds apart."
    model.input_description["image"] = "A photograph."
    model.output_description["kind"] = "The likeliest kind."
    model.user_defined_metadata["trained on"] = "nothing at all: «ünï»"
    return _saved(model, folder / "model.mlpackage")


@package
def image_output(folder: Path) -> Path:
    """An image that comes in and one that goes out."""
    size = (1, 3, 20, 30)
    into = ct.ImageType(name="image", shape=size, color_layout=ct.colorlayout.RGB)
    out = ct.ImageType(name="brighter", color_layout=ct.colorlayout.RGB)
    program = PROGRAMS["image_to_image"]()
    program.functions["main"].set_output_types([out])  # coremltools forgets the outputs of a PyMIL program
    return package_of(program, folder, inputs=[into])


@package
def enumerated_shapes(folder: Path) -> Path:
    """An input of three possible shapes."""
    shapes = ct.EnumeratedShapes([(1, 40), (4, 40), (9, 40)], default=(4, 40))
    return package_of(PROGRAMS["flexible"](), folder, inputs=[ct.TensorType(name="x", shape=shapes)])


@package
def shape_range(folder: Path) -> Path:
    """An input with a range for one dimension."""
    shape = ct.Shape([ct.RangeDim(2, 9, default=3), 40])
    return package_of(PROGRAMS["flexible"](), folder, inputs=[ct.TensorType(name="x", shape=shape)])


@package
def default_value(folder: Path) -> Path:
    """An input that may be left out."""
    x = ct.TensorType(name="x", shape=(10, 40), default_value=np.ones((10, 40), np.float16))
    return package_of(PROGRAMS["linear"](), folder, inputs=[x])


@package
def scalar_output(folder: Path) -> Path:
    """An output without an axis."""
    return package_of(PROGRAMS["total"](), folder)


@package
def scalar_input(folder: Path) -> Path:
    """An input without an axis, which coremltools does not write; described as Core ML does, with one element."""
    path = package_of(PROGRAMS["one_number"](), folder)

    def flatten(specification: Any) -> None:
        for value in (
            specification.mlProgram.functions["main"].inputs[0],
            proto_operations(specification)[-1].outputs[0],
        ):
            value.type.tensorType.rank = 0
            del value.type.tensorType.dimensions[:]

    edit_specification(path, flatten)
    return path


@package
def pipeline(folder: Path) -> Path:
    """Two programs, one after the other, each with weights of its own."""
    first, second = converted(PROGRAMS["linear"]()), converted(PROGRAMS["linear_after"]())
    return _saved(ct.utils.make_pipeline(first, second), folder / "model.mlpackage")


@package
def nested_pipeline(folder: Path) -> Path:
    """A pipeline whose second stage is a pipeline."""
    first, second = converted(PROGRAMS["linear"]()), converted(PROGRAMS["linear_after"]())
    model = ct.utils.make_pipeline(first, second)
    path = _saved(model, folder / "model.mlpackage")

    def nest(specification: Any) -> None:
        stages = specification.pipeline.models
        inner = proto.Model_pb2.Model(specificationVersion=8, description=stages[1].description)
        inner.pipeline.models.add().CopyFrom(stages[1])
        stages[1].CopyFrom(inner)

    edit_specification(path, nest)
    return path


@package
def pipeline_of_one_file(folder: Path) -> Path:
    """Two equal stages whose weights are the same blobs of the same file."""
    path = package_of(PROGRAMS["linear"](), folder)

    def double(specification: Any) -> None:
        stage = proto.Model_pb2.Model()
        stage.CopyFrom(specification)
        specification.ClearField("mlProgram")
        specification.pipeline.models.extend([stage, stage])

    edit_specification(path, double)
    return path


@package
def detector(folder: Path) -> Path:
    """A program and Core ML's own non-maximum suppression behind it, as object detectors have."""
    path = package_of(PROGRAMS["two_heads"](), folder)

    def add_suppression(specification: Any) -> None:
        program = proto.Model_pb2.Model()
        program.CopyFrom(specification)
        specification.ClearField("mlProgram")
        specification.pipeline.models.extend([program, _suppression(program)])
        specification.pipeline.names.extend(["detector", "suppression"])
        del specification.description.output[:]
        specification.description.output.extend(specification.pipeline.models[1].description.output)

    edit_specification(path, add_suppression)
    return path


def _suppression(detector: Any) -> Any:
    result = proto.Model_pb2.Model(specificationVersion=5)
    result.description.input.extend(detector.description.output)
    for output in detector.description.output:
        result.description.output.add(name=f"kept_{output.name}").type.CopyFrom(output.type)
    stage = result.nonMaximumSuppression
    stage.confidenceInputFeatureName, stage.coordinatesInputFeatureName = "confidence", "coordinates"
    stage.confidenceOutputFeatureName = "kept_confidence"
    stage.coordinatesOutputFeatureName = "kept_coordinates"
    stage.iouThreshold, stage.confidenceThreshold, stage.pickTop.perClass = 0.45, 0.25, True
    stage.stringClassLabels.vector.extend(f"thing {index}" for index in range(12))
    return result


@package
def multifunction(folder: Path) -> Path:
    """Two functions, put together by coremltools from two packages with an equal weight."""
    for name in ("linear", "linear_chain"):
        package_of(PROGRAMS[f"{name}_ios18"](), folder, name=name)
    parts = ct.utils.MultiFunctionDescriptor()
    parts.add_function(str(folder / "linear.mlpackage"), "main", "short")
    parts.add_function(str(folder / "linear_chain.mlpackage"), "main", "long")
    parts.default_function_name = "short"
    ct.utils.save_multifunction(parts, str(folder / "model.mlpackage"))
    return folder / "model.mlpackage"


@package
def two_weight_files(folder: Path) -> Path:
    """One program whose weights lie in two files."""
    path = package_of(PROGRAMS["linear_chain"](), folder)
    shutil.copyfile(path / WEIGHTS, (path / WEIGHTS).with_name("more.bin"))

    def refer(specification: Any) -> None:
        weight = next(op for op in proto_operations(specification) if op.outputs[0].name == "second_weight_0")
        weight.attributes["val"].blobFileValue.fileName = "@model_path/weights/more.bin"

    edit_specification(path, refer)
    return path


@package
def shared_blob(folder: Path) -> Path:
    """Two constants that refer to one blob."""
    path = package_of(PROGRAMS["equal_weights"](), folder)

    def share(specification: Any) -> None:
        left, right = (op.attributes["val"].blobFileValue for op in proto_operations(specification)
                       if op.outputs[0].name in ("left_weight_0", "right_weight_0"))  # fmt: skip
        right.offset = left.offset

    edit_specification(path, share)
    return path


@package
def extra_files(folder: Path) -> Path:
    """Files that are no business of milopt's, listed in the manifest or not, and a manifest laid out otherwise."""
    path = package_of(PROGRAMS["linear"](), folder)
    (path / MODEL_FOLDER / "FeatureDescriptions.json").write_text('{"Inputs": {"x": "rows"}}', "utf-8")
    (path / MODEL_FOLDER / "weights" / ".keep").touch()
    (path / "executorch_debug_handle_mapping.json").write_text("{}", "utf-8")
    manifest = json.loads((path / "Manifest.json").read_text("utf-8"))
    entry = {"author": "com.apple.CoreML", "description": "Feature Descriptions",
             "name": "FeatureDescriptions.json", "path": "com.apple.CoreML/FeatureDescriptions.json"}  # fmt: skip
    manifest["itemInfoEntries"]["Z"] = entry
    (path / "Manifest.json").write_text(json.dumps(manifest, indent=1), "utf-8")
    return path


def neural_network(path: Path) -> Path:
    """A model of the older kind, without an ML program: a file or, with that ending, a package."""
    description = [("x", ct.models.datatypes.Array(40))], [("y", ct.models.datatypes.Array(64))]
    builder = ct.models.neural_network.NeuralNetworkBuilder(*description)
    builder.add_inner_product("layer", np.ones((64, 40)), None, 40, 64, False, "x", "y")  # noqa: FBT003
    ct.models.utils.save_spec(builder.spec, str(path))
    return path

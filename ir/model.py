"""`Model`: an `.mlpackage` in memory, its programs as PyMIL, everything else of it kept as it came."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from .errors import PackageError, ProgramError
from .package import Package, open_package
from .targets import Opset, opset_of_specification
from .weight_store import WeightStore

if TYPE_CHECKING:
    from collections.abc import Callable


@attrs.define(eq=False)
class Stage:
    """One ML program of a model: the only one, or one of a pipeline's.

    Attributes:
        label: the empty string, or the place in the pipeline: `0`, `1`, `1/0`.
        specification: the protobuf `Model` that holds it; part of the whole model's specification.
    """

    label: str
    specification: Any
    _read: Callable[[Stage], Any]
    _program: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether the PyMIL program exists, and so may have been changed."""
        return self._program is not None

    @property
    def program(self) -> Any:
        """The PyMIL program; built when first asked for."""
        if self._program is None:
            self._program = self._read(self)
        return self._program

    def replace(self, program: Any) -> None:
        """Puts another program in the place of this stage's."""
        self._program = program


class Model:
    """A Core ML model whose ML programs can be read, changed and saved.

    Made by `load`. The programs are PyMIL (`coremltools.converters.mil.Program`) and may be edited in place;
    `specification` is the protobuf of the whole model, whose description and metadata may be edited as well.
    What is not touched is saved as it was read.
    """

    def __init__(self, specification: Any, weights: WeightStore, package: Package | None = None) -> None:
        self.specification = specification
        self.weights = weights
        self.package = package
        self.stages: tuple[Stage, ...] = tuple(
            Stage(label, spec, self._read) for label, spec in _ml_programs(specification)
        )

    def _read(self, stage: Stage) -> Any:
        from .proto_reader import read_program

        described = [function.name for function in stage.specification.description.functions]
        program = read_program(stage.specification.mlProgram, self.weights, function_order=described)
        if described:
            program.export_as_multifunction = True
            program.default_function_name = stage.specification.description.defaultFunctionName or described[0]
        return program

    @property
    def programs(self) -> Mapping[str, Any]:
        """The PyMIL programs by label; a model that is no pipeline has one, labelled with the empty string."""
        return {stage.label: stage.program for stage in self.stages}

    @property
    def program(self) -> Any:
        """The only program.

        Raises:
            ProgramError: the model is a pipeline with several.
        """
        if len(self.stages) != 1:
            labels = ", ".join(stage.label for stage in self.stages)
            raise ProgramError(
                f"the pipeline holds {len(self.stages)} programs",
                where=self.name,
                hint=f"choose one of model.programs: {labels}",
            )
        return self.stages[0].program

    @property
    def name(self) -> str:
        """The package's file name, or `model`."""
        return self.package.root.name if self.package else "model"

    @property
    def opset(self) -> Opset:
        """The newest opset that the model needs: of its specification version and of its programs."""
        from .pymil import opset_of

        loaded = [opset_of(stage.program) for stage in self.stages if stage.is_loaded]
        declared = opset_of_specification(max(6, self.specification.specificationVersion), self.name)
        return max([*loaded, declared])

    def copy(self) -> Model:
        """A model that can be changed without changing this one; weights are shared, not copied."""
        from .copying import copy_program

        specification = type(self.specification)()
        specification.CopyFrom(self.specification)
        result = Model(specification, self.weights, self.package)
        for mine, theirs in zip(self.stages, result.stages, strict=True):
            if mine.is_loaded:
                theirs.replace(copy_program(mine.program))
        return result

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes the model as an `.mlpackage`, as a whole or not at all.

        Args:
            path: where to; must end in `.mlpackage`.
            overwrite: replace what stands there.

        Raises:
            SaveError: the path is taken or can not be written to, or the disk is full.
            ProgramError: a program can not be represented in the file format.
        """
        from .model_writer import write_model

        write_model(self, Path(path), overwrite=overwrite)

    def __repr__(self) -> str:
        """The name and the opset."""
        return f"<milopt.Model {self.name} ({self.opset}, {len(self.stages)} programs)>"


def _ml_programs(specification: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    kind = specification.WhichOneof("Type")
    if kind == "mlProgram":
        yield label, specification
    for index, stage in enumerate(_pipeline_stages(specification)):
        yield from _ml_programs(stage, f"{label}/{index}" if label else str(index))


def _pipeline_stages(specification: Any) -> Any:
    kind = specification.WhichOneof("Type")
    if kind == "pipeline":
        return specification.pipeline.models
    if kind in ("pipelineClassifier", "pipelineRegressor"):
        return getattr(specification, kind).pipeline.models
    return ()


def load(path: str | os.PathLike[str]) -> Model:
    """Opens an `.mlpackage`; weights stay on disk, mapped into memory.

    Ops, opsets and every weight's place are checked at once; PyMIL programs are built when first asked for.

    Args:
        path: the package; or a coremltools `MLModel`, whose package is opened.

    Raises:
        PackageError: not a package, no ML program in it, or its files are damaged.
        ProgramError: an op that no opset has, or a construct that PyMIL does not have.
    """
    from google.protobuf.message import DecodeError

    from .checking import check_programs
    from .pymil import proto

    package = open_package(Path(getattr(path, "package_path", None) or path))
    specification = proto.Model_pb2.Model()
    try:
        specification.ParseFromString((package.root / package.specification).read_bytes())
    except DecodeError as error:
        raise PackageError(
            f"{package.specification} is not a Core ML specification: {error}", where=package.root
        ) from None
    model = Model(specification, WeightStore(package.model_folder), package)
    if not model.stages:
        raise PackageError(
            f"the model is a {specification.WhichOneof('Type') or 'model without content'}, not an ML program",
            where=package.root,
            hint="convert it anew with convert_to='mlprogram'",
        )
    check_programs(model)
    return model

"""`Model`: an `.mlpackage` in memory, its programs as PyMIL, everything else of it kept as it came."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import PackageError, ProgramError
from .model_parts import ModelParts
from .package import open_package
from .weight_store import WeightStore


class Model(ModelParts):
    """A Core ML model whose ML programs can be read, changed and saved.

    Made by `load`. The programs are PyMIL (`coremltools.converters.mil.Program`) and may be edited in place;
    `specification` is the protobuf of the whole model, whose description and metadata may be edited as well.
    What is not touched is saved as it was read.
    """

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

    from .checking import check_stage
    from .pymil import proto

    package = open_package(Path(getattr(path, "package_path", None) or path))
    specification = proto.Model_pb2.Model()
    try:
        specification.ParseFromString((package.root / package.specification).read_bytes())
    except DecodeError as error:
        message = f"{package.specification} is not a Core ML specification: {error}"
        raise PackageError(message, where=package.root) from None
    model = Model(specification, WeightStore(package.model_folder), package)
    if not model.stages:
        found = specification.WhichOneof("Type") or "model without content"
        raise PackageError(
            f"the model is a {found}, not an ML program",
            where=package.root,
            hint="convert it anew with convert_to='mlprogram'",
        )
    for stage in model.stages:
        check_stage(stage)
    return model

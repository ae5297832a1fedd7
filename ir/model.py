"""`Model`: a Core ML model in memory, its programs as PyMIL, everything else of it kept as it came."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ProgramError
from .model_parts import ModelParts


class Model(ModelParts):
    """A Core ML model whose ML programs can be read, changed and saved.

    Made by `milopt.load`. The programs are PyMIL (`coremltools.converters.mil.Program`) and may be edited in place;
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
        result = Model(specification, self.weights, self.package, self.origin)
        for mine, theirs in zip(self.stages, result.stages, strict=True):
            if mine.is_loaded:
                theirs.replace(copy_program(mine.program))
        return result

    def save(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, allow_missing_weights: bool = False
    ) -> None:
        """Writes the model as an `.mlpackage`, as a whole or not at all.

        Args:
            path: where to; must end in `.mlpackage`.
            overwrite: replace what stands there.
            allow_missing_weights: write zeros for weights that were missing when the model was read.

        Raises:
            SaveError: the path is taken or can not be written to, or the disk is full.
            ProgramError: a program can not be represented in the file format.
            PackageError: weights were missing when the model was read, and nothing allows zeros in their place.
        """
        from .model_writer import write_model

        if self.origin.undescribed is not None:
            raise self.origin.undescribed
        if not allow_missing_weights:
            hint = "allow_missing_weights=True, --allow-missing-weights writes the zeros"
            self.require_weights("saved as a package", hint)
        write_model(self, Path(path), overwrite=overwrite)

    def __repr__(self) -> str:
        """The name and the opset."""
        count = len(self.stages)
        return f"<milopt.Model {self.name} ({self.opset}, {count} program{'' if count == 1 else 's'})>"

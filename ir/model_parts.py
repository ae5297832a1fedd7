"""What a model consists of: its specification, the ML programs in it, its weights and its package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from .collecting import collector_paused
from .errors import MiloptError
from .package import Package
from .targets import Opset, opset_of_specification
from .weights.store import WeightStore


@attrs.define(eq=False)
class Stage:
    """One ML program of a model: the only one, or one of a pipeline's.

    Attributes:
        label: the empty string, or the place in the pipeline: `0`, `1`, `1/0`.
        specification: the protobuf `Model` that holds it; part of the whole model's specification.
        weights: where its weights lie.
    """

    label: str
    specification: Any
    weights: WeightStore
    _program: Any = None

    @property
    def is_loaded(self) -> bool:
        """Whether the PyMIL program exists, and so may have been changed."""
        return self._program is not None

    @property
    def program(self) -> Any:
        """The PyMIL program; built when first asked for."""
        if self._program is None:
            self.adopt(self._read())
        return self._program

    def replace(self, program: Any) -> None:
        """Puts another program in the place of this stage's."""
        self._program = program

    def adopt(self, program: Any) -> None:
        """Takes what was read from this stage's protobuf as its program, and the default function as described."""
        description = self.specification.description
        if description.functions:
            program.export_as_multifunction = True
            program.default_function_name = description.defaultFunctionName or description.functions[0].name
        self._program = program

    def _read(self) -> Any:
        from .proto.reader import read_program

        described = [function.name for function in self.specification.description.functions]
        with collector_paused():
            return read_program(self.specification.mlProgram, self.weights, function_order=described)


@attrs.frozen
class Origin:
    """Where a model came from.

    Attributes:
        name: of the file or folder.
        text: the MIL text that it was parsed from, if it was; see `milopt.ir.text.parser.Parsed`.
        is_bare: it is a program alone, whose description was made from it.
        notes: what could not be recovered of a model that came without its specification; one line each.
        undescribed: why its program can not be that of a model, such as inputs of a type that models have none of; it
            can be changed and run, but not saved as a package.
    """

    name: str
    text: Any = None
    is_bare: bool = False
    notes: tuple[str, ...] = ()
    undescribed: MiloptError | None = None


class ModelParts:
    """The parts of a model.

    Attributes:
        specification: the protobuf of the whole model.
        weights: its weight files.
        package: where it was read from; None for one that was no package.
        origin: where it came from.
        stages: its ML programs in order.
    """

    def __init__(
        self, specification: Any, weights: WeightStore, package: Package | None = None, origin: Origin | None = None
    ) -> None:
        self.specification = specification
        self.weights = weights
        self.package = package
        self.origin = origin or Origin(package.root.name if package else "model")
        self.stages = tuple(Stage(label, spec, weights) for label, spec in ml_programs(specification))

    @property
    def name(self) -> str:
        """The name of the file or folder that it came from."""
        return self.origin.name

    def require_weights(self, purpose: str, hint: str) -> None:
        """Raises `PackageError` if weights were missing when the model was read; see `missing_weights`."""
        from .weights.missing import require_weights

        for stage in self.stages:
            if stage.is_loaded or self.weights.stand_ins.names:
                require_weights(stage.program, purpose, hint)

    @property
    def opset(self) -> Opset:
        """The newest opset that the model needs: of its specification version and of its programs."""
        from .pymil import opset_of

        loaded = [opset_of(stage.program) for stage in self.stages if stage.is_loaded]
        stages = [stage.specification.specificationVersion for stage in self.stages]
        # A pipeline's own version says nothing about opsets: it may be older than those of ML programs.
        return max([*loaded, *(opset_of_specification(version, self.name) for version in stages)])


def ml_programs(specification: Any, label: str = "") -> Iterator[tuple[str, Any]]:
    """The protobuf models in a specification that hold an ML program, with their labels; see `Stage`."""
    if specification.WhichOneof("Type") == "mlProgram":
        yield label, specification
    pipeline = pipeline_of(specification)
    for index, stage in enumerate(pipeline.models if pipeline else ()):
        yield from ml_programs(stage, f"{label}/{index}" if label else str(index))


def pipeline_of(specification: Any) -> Any:
    """The protobuf `Pipeline` of a model that is one; None of any other."""
    kind = specification.WhichOneof("Type")
    if kind == "pipeline":
        return specification.pipeline
    return getattr(specification, kind).pipeline if kind in ("pipelineClassifier", "pipelineRegressor") else None

"""Makes a model ready to run: finds the function, lowers the programs, wires the stages."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ...ir.errors import RunError, did_you_mean
from ...ir.model import Model
from ...ir.model_parts import pipeline_of
from ..executable import Executable
from ..lower import lower_function
from ..observation import Statistic
from ..types import Precision
from .features import interface_of_description, interface_of_function
from .pipelines import PipelineRunner, within
from .runners import ProgramRunner, Runner, StepRunner
from .steps import STEPS


@attrs.frozen
class Settings:
    """How to run.

    Attributes:
        precision: of float math.
        threads: how many to compute with; as many as the machine has without it.
        observe: the statistics to compute of values inside, by name.
    """

    precision: Precision = "float32"
    threads: int | None = None
    observe: Mapping[str, Sequence[Statistic]] = attrs.Factory(dict)


def function_of(program: Any, name: str | None) -> Any:
    """A function of a PyMIL program; the default one without a name.

    Raises:
        RunError: there is no such function.
    """
    name = name or program.default_function_name
    if name not in program.functions:
        known = list(program.functions)
        hint = did_you_mean(name, known) or f"the functions are {', '.join(known)}"
        raise RunError(f"there is no function {name!r}", hint=hint)
    return program.functions[name]


def open_program(program: Any, function: str | None, settings: Settings, description: Any = None) -> ProgramRunner:
    """Makes a function of a PyMIL program ready to run.

    Args:
        program: it is not changed.
        function: its name; the default function without it.
        settings: how to run.
        description: of the protobuf model around the program; without it, inputs and outputs are what MIL says.

    Raises:
        RunError: there is no such function, or it can not be run.
    """
    found = function_of(program, function)
    executable = Executable(lower_function(found, settings.precision, settings.observe), threads=settings.threads)
    if description is None:
        return ProgramRunner(executable, interface_of_function(found))
    name = function or program.default_function_name
    described = next((each for each in description.functions if each.name == name), description)
    return ProgramRunner(executable, interface_of_description(described))


def open_model(model: Model, function: str | None, settings: Settings) -> Runner:
    """Makes a model ready to run, a pipeline with all its stages.

    Raises:
        RunError: a stage of a kind that the runtime does not run, or what `open_program` and pipelines refuse.
    """
    if pipeline_of(model.specification):
        if function not in (None, "main"):
            raise RunError(f"there is no function {function!r}", where=model.name, hint="a pipeline has no functions")
        if settings.observe:
            raise RunError("values inside a pipeline can not be observed", where=model.name, hint="open its programs")
    # Programs take time to lower: what can not be run at all is found first.
    _check_kinds(model.specification, model.name)
    with within(model.name):
        return _opened(model, model.specification, "", function, settings)


def _check_kinds(specification: Any, where: str) -> None:
    kind = specification.WhichOneof("Type")
    if pipeline_of(specification):
        for label, stage in _labelled(specification):
            _check_kinds(stage, label)
    elif kind != "mlProgram" and kind not in STEPS:
        raise RunError(
            f"it is a {kind}, which can not be run", where=where, hint=f"ML programs can, and {', '.join(STEPS)}"
        )


def _opened(model: Model, specification: Any, place: str, function: str | None, settings: Settings) -> Runner:
    kind = specification.WhichOneof("Type")
    if kind == "mlProgram":
        stage = next(each for each in model.stages if each.label == place)
        description = None if model.origin.undescribed else specification.description
        return open_program(stage.program, function, settings, description)
    interface = interface_of_description(specification.description)
    if kind in STEPS:
        return StepRunner(interface, STEPS[kind](specification, interface))
    stages: list[tuple[str, Runner]] = []
    for index, (label, stage) in enumerate(_labelled(specification)):
        with within(label):
            stages.append((label, _opened(model, stage, f"{place}/{index}" if place else str(index), None, settings)))
    return PipelineRunner(interface, stages)


def _labelled(specification: Any) -> list[tuple[str, Any]]:
    """A pipeline's stages, and what messages call them: the place and, where it has one, the name."""
    pipeline = pipeline_of(specification)
    names = itertools.chain(pipeline.names, itertools.repeat(""))
    return [
        (f"stage {index} ({name})" if name else f"stage {index}", stage)
        for index, (stage, name) in enumerate(zip(pipeline.models, names, strict=False))
    ]

"""Every fault of a model: of its programs, of its weights' places, and of what surrounds the programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs

from .descriptions.io_checks import check_io_types
from .descriptions.signatures import check_signature
from .diagnostics import Diagnostic
from .model import Model
from .model_parts import Stage
from .opening import is_compiled, is_text, load, open_unchecked
from .proto.program_faults import diagnostic_of_fault, read_with_faults
from .targets import Opset, opset_of_mil_name
from .text.places import Places
from .verifier import verify
from .weights.store import MissingWeights


def open_to_verify(path: Path, *, missing_weights: MissingWeights = "error") -> Model:
    """The model at a path, whatever is wrong with the programs of a package.

    Raises:
        TextError: MIL text has faults: all of them are told.
        PackageError: it is no model.
    """
    if is_text(path) or is_compiled(path):
        return load(path, missing_weights=missing_weights)
    return open_unchecked(path, missing_weights)


def verify_model(model: Model, target: Opset | None = None) -> list[Diagnostic]:
    """Every fault of a model, in its order.

    Checked of programs: names are unique where they are visible, values are defined before use and visible, ops belong
    to the opset, required inputs are there, inputs that must be constant are, types and shapes are those of the ops'
    own inference, and weights lie where they are said to. Of the model: each function's inputs, outputs and states
    are as described, and of types that the target allows.

    Args:
        model: from `open_to_verify`.
        target: the opset of a deployment target; without it, the model's own.
    """
    found = [(stage, each) for stage in model.stages for each in _of_stage(model, stage, target)]
    if model.origin.text is not None:
        places = Places(model.origin.text)
        return [places.placed(each) for _, each in found]
    return [
        attrs.evolve(each, where=f"stage {stage.label}, {each.where}") if stage.label else each for stage, each in found
    ]


def _of_stage(model: Model, stage: Stage, target: Opset | None) -> Iterator[Diagnostic]:
    yield from _program_faults(model, stage)
    if model.origin.undescribed is None:
        yield from check_signature(stage.specification)
    # Nothing says that a program alone is to be a model, unless a target is named for it.
    is_model = target is not None or not model.origin.is_bare
    for found in _border_faults(model, stage, target):
        yield found if is_model else attrs.evolve(found, severity="warning")
    yield from _newer_than(target, stage)


def _border_faults(model: Model, stage: Stage, target: Opset | None) -> Iterator[Diagnostic]:
    """Inputs and outputs that no model, or none of the target, can have."""
    error = model.origin.undescribed
    if error is None:
        yield from check_io_types(stage.specification, target)
    else:
        yield Diagnostic(error.where or "", error.message, error.hint)


def _program_faults(model: Model, stage: Stage) -> Iterator[Diagnostic]:
    if stage.is_loaded:
        program = stage.program
    else:
        described = [function.name for function in stage.specification.description.functions]
        program, faults = read_with_faults(stage.specification.mlProgram, model.weights, described)
        if faults:
            yield from map(diagnostic_of_fault, faults)
            return
    yield from verify(program)


def _newer_than(target: Opset | None, stage: Stage) -> Iterator[Diagnostic]:
    """Functions of opsets that the target does not have."""
    for name, function in stage.specification.mlProgram.functions.items():
        opset = opset_of_mil_name(function.opset)
        if target is not None and opset > target:
            hint = f"choose {opset} or a later target, or convert the model anew for {target}"
            yield Diagnostic(f"function {name!r}", f"its opset is {opset}, which {target} does not have", hint)

"""What a function of a model takes, found without making it ready to run."""

from __future__ import annotations

from typing import Any

from ....ir.model import Model
from ....ir.pymil import Program
from ....runtime.surface.features import Feature, interface_of_description, interface_of_function
from ....runtime.surface.opening import function_of


def surface_of(model: Model | Program, function: str | None = None) -> tuple[tuple[Feature, ...], str, Any]:
    """The inputs of a function, its name, and the PyMIL function; None for a pipeline's, which has several.

    Args:
        model: it is not changed.
        function: a name; the default function without it.

    Raises:
        RunError: there is no such function.
    """
    if isinstance(model, Model):
        return _of_model(model, function)
    name = function or model.default_function_name
    found = function_of(model, name)
    return interface_of_function(found).inputs, name, found


def _of_model(model: Model, function: str | None) -> tuple[tuple[Feature, ...], str, Any]:
    description = model.specification.description
    if len(model.stages) != 1 or model.stages[0].label:
        return interface_of_description(description).inputs, "main", None
    inputs, name, found = surface_of(model.program, function)
    if model.origin.undescribed is not None:
        return inputs, name, found
    described = next((each for each in description.functions if each.name == name), description)
    return interface_of_description(described).inputs, name, found

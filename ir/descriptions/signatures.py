"""Does a model's description fit its program? Names, types and shapes at the border of each function."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from ..diagnostics import Diagnostic
from ..errors import did_you_mean
from .interfaces import SIDES, Interface, Value, interfaces, survived
from .shapes import Fault
from .signature_values import check_value


def check_signature(specification: Any) -> Iterator[Diagnostic]:
    """The faults of a model's description beside its program.

    Checked, function by function: inputs, outputs and states have the same names in both, in whatever order; element
    types agree; fixed shapes are equal, and flexible ones vary only where the program does; default shapes are
    among the allowed ones; images are tensors of one image, with the channels of their colors in front; labels and
    probabilities of classifiers are described as such; and nothing is described that is not there.

    Args:
        specification: a protobuf `Model` that holds an ML program; of any other there is nothing to say.

    Yields:
        One diagnostic for each fault; a value that is only on one side is not asked for its type.
    """
    if specification.WhichOneof("Type") != "mlProgram":
        return
    yield from _check_functions(specification)
    for interface in interfaces(specification):
        yield from survived(interface.where, _check_interface(interface))


def _check_functions(specification: Any) -> Iterator[Diagnostic]:
    description, present = specification.description, sorted(specification.mlProgram.functions)
    if not present:
        yield Diagnostic("the program", "it has no functions", "convert the model anew")
    elif description.functions or description.defaultFunctionName:
        yield from _check_function_list(description, present)
    elif len(present) > 1 and "main" not in present:
        message = f"the description does not say which of its functions it describes: {_listed(present)}"
        yield Diagnostic("the program", message, "describe each in the description's list of functions")


def _check_function_list(description: Any, present: list[str]) -> Iterator[Diagnostic]:
    described = [each.name for each in description.functions]
    for name, fault in _name_faults(described, present) if described else ():
        yield Diagnostic(f"function {name!r}", *fault)
    if description.defaultFunctionName not in {*described, *present}:
        message = f"the default function {description.defaultFunctionName!r} does not exist"
        hint = did_you_mean(description.defaultFunctionName, present) or f"the functions are {_listed(present)}"
        yield Diagnostic("the description", message, hint)
    for section in ("input", "output", "state") if described else ():
        for feature in getattr(description, section):
            where = f"the description, {section} {feature.name!r}"
            yield Diagnostic(where, "it is described outside of the functions", "move it to its function's description")


def _check_interface(interface: Interface) -> Iterator[Diagnostic]:
    for side in SIDES:
        described, present = interface.described(side), interface.values(side)
        yield from _check_names(described, present)
        names = [each.name for each in described]
        for place, value in enumerate(described):
            if value.type is not None and value.name not in names[:place]:
                yield from survived(value.where, (Diagnostic(value.where, *fault) for fault in check_value(value)))
    yield from _check_predicted(interface)


def _check_names(described: list[Value], present: list[Value]) -> Iterator[Diagnostic]:
    places = {each.name: each.where for each in (*present, *described)}
    for name, fault in _name_faults([each.name for each in described], [each.name for each in present]):
        yield Diagnostic(places[name], *fault)


def _name_faults(described: list[str], present: list[str]) -> Iterator[tuple[str, Fault]]:
    """What is on one side only; a name that is nearly another is one fault, not two."""
    missing = [name for name in present if name not in described]
    for name, count in Counter(described).items():
        if count > 1:
            yield name, Fault(f"it is described {count} times", "describe it once")
        if name not in present:
            near = did_you_mean(name, missing)
            missing = [each for each in missing if near is None or did_you_mean(name, [each]) != near]
            yield name, Fault("it is described, but not in the program", near or f"which has {_listed(present)}")
    for name in missing:
        yield name, Fault("it is in the program, but not described", "describe it, or remove it from the program")


def _check_predicted(interface: Interface) -> Iterator[Diagnostic]:
    outputs = {each.name for each in (*interface.described("output"), *interface.values("output"))}
    for field, words in (("predictedFeatureName", "feature"), ("predictedProbabilitiesName", "probabilities")):
        name = getattr(interface.description, field)
        if name and name not in outputs:
            hint = did_you_mean(name, outputs) or f"the outputs are {_listed(sorted(outputs))}"
            yield Diagnostic(interface.where, f"its predicted {words}, {name!r}, is no output", hint)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"

"""Does a deployment target allow what a model takes and gives? The checks for the tables of `io_types.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..diagnostics import Diagnostic
from ..errors import TargetError
from ..targets import Opset, opset_of_mil_name, opset_of_specification
from .interfaces import SIDES, Interface, Value, interfaces, survived, tensor_of
from .io_types import (
    DEFAULT_VALUES,
    FUNCTION_DTYPES,
    NO_INPUTS,
    SEVERAL_ENUMERATED,
    SEVERAL_FUNCTIONS,
    STATES,
    UINT8_IMAGES,
    Rule,
    array_type,
    color_space,
)
from .shapes import Fault


def check_io_types(specification: Any, opset: Opset | None = None) -> Iterator[Diagnostic]:
    """What a model takes and gives that a deployment target does not have.

    Checked: element types of arrays, color spaces, states, several functions, functions without inputs, enumerated
    shapes of several inputs; and what no target has: optional outputs and states, and defaults of another type than
    their array's. Where description and program disagree the description counts: see `check_signature`.

    Args:
        specification: a protobuf `Model` that holds an ML program; of any other there is nothing to say.
        opset: of the target; without it, a function's own opset or the specification version, whichever is older.

    Yields:
        One diagnostic for each value, and one for each thing that is about a function or the whole model.
    """
    if specification.WhichOneof("Type") != "mlProgram":
        return
    try:
        limit = opset or opset_of_specification(specification.specificationVersion)
    except TargetError as error:
        yield Diagnostic("the model", error.message, error.hint or "convert the model anew")
        return
    if specification.description.functions:
        yield from (Diagnostic("the model", *fault) for fault in _later(SEVERAL_FUNCTIONS, limit))
    described = [*interfaces(specification)]
    others = sorted(set(specification.mlProgram.functions) - {each.name for each in described})
    for each in (*described, *(Interface(name, specification.mlProgram.functions[name], None) for name in others)):
        yield from survived(each.where, _check_function(each, limit, is_named=opset is not None))


def _check_function(interface: Interface, limit: Opset, *, is_named: bool) -> Iterator[Diagnostic]:
    if not is_named:
        limit = min(limit, opset_of_mil_name(interface.function.opset))
    if interface.description is None:
        values = [each for each in interface.values("input") if each.section == "input"]
        check = _check_undescribed
    else:
        values = [each for side in SIDES for each in interface.described(side)]
        check = _check_described
        yield from (Diagnostic(interface.where, *fault) for fault in _check_inputs(interface, limit))
    for value in values:
        yield from survived(value.where, (Diagnostic(value.where, *fault) for fault in check(value, limit)))


def _check_inputs(interface: Interface, limit: Opset) -> Iterator[Fault]:
    if not interface.description.input:
        yield from _later(NO_INPUTS, limit)
    counts = [count for feature in interface.description.input if (count := _enumerated(feature.type))]
    if len(counts) > 1:
        yield from _later(SEVERAL_ENUMERATED, limit)
    if len(set(counts)) > 1 and limit >= SEVERAL_ENUMERATED.first:
        listed = " and ".join(str(count) for count in counts)
        hint = "enumerate as many for each: the first of all belong together, the second, and so on"
        yield Fault(f"its inputs enumerate {listed} shapes", hint)


def _enumerated(kind: Any) -> int:
    return len(kind.multiArrayType.enumeratedShapes.shapes) or len(kind.imageType.enumeratedSizes.sizes)


def _check_described(value: Value, limit: Opset) -> Iterator[Fault]:
    kind = value.feature.type
    faults = {"multiArrayType": _check_array, "imageType": _check_image, "stateType": _check_state}
    check = faults.get(kind.WhichOneof("Type"))
    found = next(check(value, limit), None) if check else None
    if found:
        yield found
    elif kind.isOptional and value.section != "input":
        yield Fault(f"{value.section}s can not be optional", "set isOptional to false")


def _check_array(value: Value, limit: Opset) -> Iterator[Fault]:
    array = value.feature.type.multiArrayType
    described, default = array_type(array.dataType), array.WhichOneof("defaultOptionalValue")
    if described is None:
        return  # the signature is at fault
    if described.first is None:
        yield Fault(f"no ML program has {described.dtype} {value.section}s", "describe and compute it as FLOAT32")
        return
    wider = "INT32" if described.name.startswith("INT") else "FLOAT32"
    advice = f"cast in the program and describe it as {wider}"
    yield from _later(Rule(f"{described.dtype} {value.section}s", described.first, described.source, advice), limit)
    expected = DEFAULT_VALUES.get(described.name, default)
    if default not in (None, expected):
        yield Fault(f"its {default} is not of its type, {described.name}", f"set {expected} instead")


def _check_image(value: Value, limit: Opset) -> Iterator[Fault]:
    colors = color_space(value.feature.type.imageType.colorSpace)
    if colors is None:
        return  # the signature is at fault
    advice = "describe it as GRAYSCALE"
    yield from _later(Rule(f"{colors.name} images", colors.first, colors.source, advice), limit)
    of_tensor = value.type is not None and value.type.WhichOneof("type") == "tensorType"
    if of_tensor and tensor_of(value.type).dtype.name == "uint8":
        yield from _later(UINT8_IMAGES, limit)


def _check_state(value: Value, limit: Opset) -> Iterator[Fault]:
    yield from _later(STATES, limit)
    array = value.feature.type.stateType.arrayType
    described = array_type(array.dataType)
    if described is not None and described.name != "FLOAT16":
        yield Fault(f"no ML program has {described.dtype} states", "compute and describe it as FLOAT16")
    elif array.WhichOneof("defaultOptionalValue"):
        yield Fault("states have no default values", "remove its default")


def _check_undescribed(value: Value, limit: Opset) -> Iterator[Fault]:
    if value.type.WhichOneof("type") != "tensorType":
        return
    dtype = tensor_of(value.type).dtype.name
    if dtype not in FUNCTION_DTYPES:
        yield Fault(f"no function takes {dtype} inputs", f"the types are {', '.join(FUNCTION_DTYPES)}")
    else:
        yield from _later(Rule(f"{dtype} inputs", FUNCTION_DTYPES[dtype], "adjuster", "cast in the program"), limit)


def _later(rule: Rule, limit: Opset) -> Iterator[Fault]:
    if rule.first > limit:
        hint = f"{rule.first} is the first target that has them: {rule.advice}, or raise the target"
        yield Fault(f"{limit} has no {rule.words}", hint)

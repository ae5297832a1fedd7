"""One value at a function's border: does what the description says of it fit the program's type?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..dtypes import dtype_of_proto
from .interfaces import Tensor, Value, tensor_of
from .io_types import DICTIONARY_KEYS, GRAY_IMAGE_DTYPES, IMAGE_DTYPES, array_type, color_space
from .shapes import DescribedShapes, Fault, array_shapes, image_shapes

# How the description's kinds of features, and the program's kinds of values, are called.
_DESCRIBED = {
    "multiArrayType": "an array",
    "imageType": "an image",
    "stateType": "a state",
    "stringType": "a string",
    "int64Type": "an int64 number",
    "doubleType": "a double",
    "dictionaryType": "a dictionary",
    "sequenceType": "a sequence",
    None: "no type",
}
# The program's kinds of values, how they are called, and what may describe them.
_KINDS: dict[str | None, tuple[str, tuple[str, ...]]] = {
    "tensorType": ("a tensor", ("multiArrayType", "imageType")),
    "string": ("a string", ("stringType",)),
    "int64": ("an int64 number", ("int64Type",)),
    "dictionaryType": ("a dictionary", ("dictionaryType",)),
    "stateType": ("a state", ("stateType",)),
    "listType": ("a list", ()),
    "tupleType": ("a tuple", ()),
    None: ("a value without type", ()),
}
_KEYS = {field: name for name, field in DICTIONARY_KEYS.items()}


def check_value(value: Value) -> Iterator[Fault]:
    """What does not fit between a feature's description and the program's value of that name.

    Args:
        value: one that is on both sides.

    Raises:
        ProgramError: the program's type is damaged.
    """
    described, kind = value.feature.type.WhichOneof("Type"), _kind_of(value.type)
    if described not in _KINDS[kind][1] or (value.is_listed_as_state and kind != "stateType"):
        yield _another_kind(value, described, kind)
    elif described == "imageType":
        yield from _check_image(value, value.feature.type.imageType, tensor_of(value.type))
    elif described == "multiArrayType":
        yield from _check_array(value, value.feature.type.multiArrayType, tensor_of(value.type))
    elif described == "stateType":
        yield from _check_state(value, value.feature.type.stateType.arrayType)
    elif described == "dictionaryType":
        yield from _check_dictionary(value)


def _another_kind(value: Value, described: str | None, kind: str | None) -> Fault:
    words, expected = _KINDS[kind]
    among, verb = ("among its states " if value.is_listed_as_state else ""), "takes" if value.is_input else "gives"
    hint = f"describe it as {' or '.join(expected)}" if expected else "make tensors of it in the program"
    if described in expected:
        hint = "describe it among the inputs"
    return Fault(f"the description has {among}{_DESCRIBED[described]}, the program {verb} {words}", hint)


def _kind_of(kind: Any) -> str | None:
    found: str | None = kind.WhichOneof("type")
    if found == "tensorType":
        dtype = dtype_of_proto(kind.tensorType.dataType).name
        return dtype if dtype in ("string", "int64") and not kind.tensorType.rank else found
    return found


def _check_array(value: Value, array: Any, tensor: Tensor) -> Iterator[Fault]:
    described, fitting = array_type(array.dataType), array_type(tensor.dtype.name)
    if described is None or described.dtype != tensor.dtype.name:
        verb = "takes" if value.is_input else "gives"
        name = described.name if described else f"no element type ({array.dataType})"
        hint = f"no array holds {tensor.dtype}: cast it in the program"
        if fitting and fitting.first:
            hint = f"describe it as {fitting.name}"
        yield Fault(f"the description says {name}, the program {verb} {tensor.dtype}", hint)
    yield from _check_shapes(value, array_shapes(array), tensor, is_needed=value.is_input)


def _check_image(value: Value, image: Any, tensor: Tensor) -> Iterator[Fault]:
    colors = color_space(image.colorSpace)
    if colors is None:
        yield Fault(f"its color space, {image.colorSpace}, is unknown", "describe it as RGB, BGR or GRAYSCALE")
        return
    dtypes = GRAY_IMAGE_DTYPES if value.is_input and colors.name == "GRAYSCALE" else IMAGE_DTYPES
    if tensor.dtype.name not in dtypes:
        hint = f"cast it to {dtypes[0]} in the program"
        yield Fault(f"images are tensors of {' or '.join(dtypes)}, the program has {tensor.dtype}", hint)
    yield from _check_shapes(value, image_shapes(image, colors.channels), tensor, is_needed=True)


def _check_state(value: Value, array: Any) -> Iterator[Fault]:
    wrapped = value.type.stateType.wrappedType
    if wrapped.WhichOneof("type") != "tensorType":
        yield Fault("the program's state is not one of a tensor", "convert the model anew")
    elif array.WhichOneof("ShapeFlexibility"):
        yield Fault("the shape of a state can not be flexible", "describe its one shape")
    else:
        yield from _check_array(value, array, tensor_of(wrapped))


def _check_dictionary(value: Value) -> Iterator[Fault]:
    described = _KEYS.get(value.feature.type.dictionaryType.WhichOneof("KeyType"), "none")
    actual = dtype_of_proto(value.type.dictionaryType.keyType.tensorType.dataType).name
    if described != actual:
        hint = f"describe it with {actual}KeyType"
        yield Fault(f"the description says keys of type {described}, the program gives {actual}", hint)


def _check_shapes(value: Value, shapes: DescribedShapes, tensor: Tensor, *, is_needed: bool) -> Iterator[Fault]:
    if is_needed and not shapes.default and not shapes.is_flexible:
        yield Fault("the description lacks its shape", "describe its shape, or the range of each dimension")
        return
    found = [*shapes.faults()]
    yield from found
    misfit = None if found or tensor.shape is None else shapes.misfit(tensor.shape, is_input=value.is_input)
    if misfit:
        yield misfit

"""Strategies for types and values of the protobuf, filled as coremltools fills them.

Values stay within what text carries: a NaN is the one NaN that numpy gives (text keeps neither sign nor payload),
the entries of a dictionary stand in the order of their keys' text (the printer sorts), and elements narrower than a
byte come with all their sizes known, because the protobuf itself does not say how many of them fill its last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from milopt.ir.dtypes import DTYPES, DType, dtype_named, dtype_of_proto, pack_bits
from milopt.ir.pymil import proto
from milopt.ir.text.formatting import Formatter

Draw = Callable[[st.SearchStrategy[Any]], Any]

MIL = proto.MIL_pb2
LARGEST_SIZE = 2**63 - 1

# The field of `TensorValue` that holds elements of a type; all other types lie in `bytes`.
FIELDS = {
    "bool": "bools", "string": "strings", "fp32": "floats", "fp64": "doubles",
    "int16": "ints", "uint16": "ints", "int32": "ints", "int64": "longInts", "uint64": "longInts",
}  # fmt: skip

AWKWARD_STRINGS = (
    "", '"', "\\", '\\"', "\\n", "a\nb", "\r\n", "\t", "\0", "\x1b[0m", "\x7f", "\x85", "\u2028", "\ufeff", "\uffff",
    "é", "e\u0301", "\u202eright to left", "\U0001f469\u200d\U0001f52c", '"]);', "// no comment", "/* nor this */",
    "a'b", "%s {0}", "@model_path/weights/weight.bin", "sha256:0123456789abcdef",
)  # fmt: skip
FILE_NAMES = (
    "@model_path/weights/weight.bin", "w", "", "../up", "C:\\a b\\c", 'qu"ote', "line\nbreak", "\U0001f600", "sha256:x",
    "sha256:0123456789abcdef", "weights/sha256:0123456789abcdef",
)  # fmt: skip

strings = st.sampled_from(AWKWARD_STRINGS) | st.text(max_size=6)
shapes = st.lists(st.sampled_from((1, 2, 3, 0)), max_size=4).filter(lambda shape: prod(shape) <= 12)
lengths = st.none() | st.integers(0, 3)


# --- types


def dimension(size: int | None) -> Any:
    """A dimension; None is an unknown one."""
    if size is None:
        return MIL.Dimension(unknown=MIL.Dimension.UnknownDimension(variadic=False))
    return MIL.Dimension(constant=MIL.Dimension.ConstantDimension(size=size))


VARIADIC = MIL.Dimension(unknown=MIL.Dimension.UnknownDimension(variadic=True))


def tensor_type(dtype: DType, dimensions: list[Any]) -> Any:
    """The type of tensors with these dimensions."""
    return MIL.ValueType(tensorType=MIL.TensorType(dataType=dtype.proto, rank=len(dimensions), dimensions=dimensions))


def list_type(element: Any, length: int | None) -> Any:
    """The type of lists."""
    return MIL.ValueType(listType=MIL.ListType(type=element, length=dimension(length)))


def tuple_type(*members: Any) -> Any:
    """The type of tuples."""
    return MIL.ValueType(tupleType=MIL.TupleType(types=members))


def dictionary_type(key: Any, value: Any) -> Any:
    """The type of dictionaries."""
    return MIL.ValueType(dictionaryType=MIL.DictionaryType(keyType=key, valueType=value))


def state_type(wrapped: Any) -> Any:
    """The type of states."""
    return MIL.ValueType(stateType=MIL.StateType(wrappedType=wrapped))


dtypes = st.sampled_from(DTYPES)
scalar_types = dtypes.map(lambda dtype: tensor_type(dtype, []))
known_tensor_types = st.builds(tensor_type, dtypes, shapes.map(lambda shape: [dimension(size) for size in shape]))
# Apple's FlexibleShapeInformation holds shapes like this, whose length only the value knows.
open_tensor_types = st.builds(
    tensor_type,
    st.sampled_from([dtype for dtype in DTYPES if not dtype.is_sub_byte]),
    st.sampled_from(([None], [None, 2], [3, None])).map(lambda shape: [dimension(size) for size in shape]),
)


def _string_keyed(value: Any) -> Any:
    return dictionary_type(tensor_type(dtype_named("string"), []), value)


def _flexible_shapes() -> Any:
    string, int32 = tensor_type(dtype_named("string"), []), dtype_named("int32")
    ranges = list_type(tensor_type(int32, [dimension(2)]), None)
    default = tuple_type(string, _string_keyed(tensor_type(int32, [dimension(None)])))
    return tuple_type(default, tuple_type(string, _string_keyed(ranges)))


FLEXIBLE_SHAPES = _flexible_shapes()


def _composites(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.builds(list_type, inner, lengths)
        | st.lists(inner, max_size=3).map(lambda members: tuple_type(*members))
        | st.builds(dictionary_type, scalar_types, inner)
    )


# Types of constants: what has a value.
constant_types = st.recursive(known_tensor_types | open_tensor_types, _composites, max_leaves=4) | st.just(
    FLEXIBLE_SHAPES
)

_dimensions = st.one_of(
    st.integers(0, 9), st.none(), st.sampled_from([2**31, 2**32, 99_999_999_999, LARGEST_SIZE])
).map(dimension) | st.just(VARIADIC)
declared_tensor_types = st.builds(tensor_type, dtypes, st.lists(_dimensions, max_size=4))
# Types of inputs and results: what is only declared.
declared_types = st.recursive(declared_tensor_types, _composites, max_leaves=3) | declared_tensor_types.map(state_type)


# --- values


def elements(dtype: DType) -> st.SearchStrategy[Any]:
    """Elements of a type, its extremes often."""
    if dtype.name == "string":
        return strings
    if dtype.name == "bool":
        return st.booleans()
    if dtype.is_float:
        width: Any = dtype.bits
        return st.floats(width=width).map(lambda value: float("nan") if np.isnan(value) else value)
    low = 0 if dtype.name.startswith("u") else -(1 << dtype.bits - 1)
    high = low + (1 << dtype.bits) - 1
    return st.sampled_from((low, high, max(low, -1), 0, 1)) | st.integers(low, high)


def tensor_value(value_type: Any, items: list[Any]) -> Any:
    """A value that holds these elements in the field that coremltools takes for them."""
    dtype, value = dtype_of_proto(value_type.tensorType.dataType), MIL.Value(type=value_type)
    tensor = value.immediateValue.tensor
    if dtype.name in FIELDS:
        field = getattr(tensor, FIELDS[dtype.name])
        field.SetInParent()  # an empty field is there, too
        field.values.extend(item - 2**64 if dtype.name == "uint64" and item > LARGEST_SIZE else item for item in items)
    else:
        array = np.array(items, dtype.numpy)
        tensor.bytes.values = (pack_bits(array, dtype) if dtype.is_sub_byte else array).tobytes()
        tensor.bytes.SetInParent()
    return value


def blob_value(value_type: Any, file_name: str, offset: int) -> Any:
    """A value that lies in a weight file."""
    return MIL.Value(type=value_type, blobFileValue=MIL.Value.BlobFileValue(fileName=file_name, offset=offset))


offsets = st.sampled_from((0, 64, 2**32, 2**63, 2**64 - 1)) | st.integers(0, 2**64 - 1)


@st.composite
def values_of(draw: Draw, value_type: Any) -> Any:
    """Values of a type that stand in the program."""
    kind = value_type.WhichOneof("type")
    if kind == "tensorType":
        return draw(_immediate_tensors(value_type))
    result = MIL.Value(type=value_type)
    if kind == "listType":
        _draw_list(draw, value_type.listType, result.immediateValue.list)
    elif kind == "tupleType":
        result.immediateValue.tuple.SetInParent()
        result.immediateValue.tuple.values.extend(_part(draw(values_of(each))) for each in value_type.tupleType.types)
    else:
        _draw_dictionary(draw, value_type.dictionaryType, result.immediateValue.dictionary)
    return result


@st.composite
def _immediate_tensors(draw: Draw, value_type: Any) -> Any:
    dimensions = value_type.tensorType.dimensions
    sizes = [each.constant.size if each.WhichOneof("dimension") == "constant" else None for each in dimensions]
    size = prod(draw(st.integers(1, 4)) if size is None else size for size in sizes)
    one = elements(dtype_of_proto(value_type.tensorType.dataType))
    return tensor_value(value_type, draw(st.lists(one, min_size=size, max_size=size)))


def _draw_list(draw: Draw, list_: Any, result: Any) -> None:
    known = list_.length.WhichOneof("dimension") == "constant"
    size = list_.length.constant.size if known else draw(st.integers(0, 3))
    result.SetInParent()
    result.values.extend(_part(draw(values_of(list_.type))) for _ in range(size))


def _draw_dictionary(draw: Draw, dictionary: Any, result: Any) -> None:
    keys = {key_text(key): key for key in (draw(values_of(dictionary.keyType)) for _ in range(draw(st.integers(0, 3))))}
    result.SetInParent()
    for _, key in sorted(keys.items()):
        result.values.add(key=_part(key), value=_part(draw(values_of(dictionary.valueType))))


def _part(value: Any) -> Any:
    """A value inside another: the parser gives those that are empty no type, which could be longer than the text."""
    if _as_text(value) in ("[]", "{}", "()"):
        value.ClearField("type")
    return value


def key_text(key: Any) -> str:
    """What a dictionary's keys are sorted by: their text."""
    return _as_text(key)


def _as_text(value: Any) -> str:
    return Formatter(scalars_as_tensors=False, blob=lambda each, _: str(each.blobFileValue)).literal(value, value.type)


references = st.builds(blob_value, known_tensor_types, st.sampled_from(FILE_NAMES), offsets)
constants = constant_types.flatmap(values_of) | references

"""Constants as the protobuf holds them, turned into the values that PyMIL holds."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType, dtype_of_proto, pack_bits, unpack_bits
from ..errors import ProgramError
from ..pymil import Value, builtin_type, mil_list, proto, types
from ..weights.references import reference_from_proto
from ..weights.store import WeightStore

_MIL = proto.MIL_pb2
# Which field of the protobuf's `TensorValue` holds a type, as coremltools writes it (`backend/mil/helper.py` of 9.0);
# what is not listed goes to `bytes`.
_FIELDS = {
    "bool": "bools", "string": "strings", "fp32": "floats", "fp64": "doubles", "int16": "ints", "uint16": "ints",
    "int32": "ints", "int64": "longInts", "uint64": "longInts",
}  # fmt: skip
# PyMIL narrows these on the way in; milopt refuses rather than change a program.
_NARROWED = frozenset({"int64", "uint64", "fp64"})


def decode_value(value: Any, weights: WeightStore) -> Value:
    """The value of a protobuf `Value`: a numpy array or scalar, a string, a list or a dictionary.

    Raises:
        ProgramError: a kind of value that PyMIL does not have.
        PackageError: a blob that is missing or does not fit.
    """
    kind = value.type.WhichOneof("type")
    if kind == "tensorType":
        return _decode_tensor(value, weights)
    if kind == "listType":
        return mil_list([_decode_element(item, weights) for item in value.immediateValue.list.values])
    if kind == "dictionaryType":
        pairs = value.immediateValue.dictionary.values
        return {decode_value(p.key, weights): decode_value(p.value, weights) for p in pairs}
    raise ProgramError(f"constants of type {kind!r} are not supported")


def tensor_shape(tensor_type: Any) -> tuple[int, ...]:
    """The shape of a protobuf `TensorType` whose dimensions are all known.

    Raises:
        ProgramError: a dimension is unknown.
    """
    if any(dimension.WhichOneof("dimension") != "constant" for dimension in tensor_type.dimensions):
        raise ProgramError("a constant has an unknown dimension")
    return tuple(dimension.constant.size for dimension in tensor_type.dimensions)


def _decode_tensor(value: Any, weights: WeightStore) -> Value:
    dtype, shape = dtype_of_proto(value.type.tensorType.dataType), tensor_shape(value.type.tensorType)
    if dtype.name in _NARROWED:
        raise ProgramError(f"{dtype} constants can not be held by coremltools' IR")
    if value.WhichOneof("value") == "blobFileValue":
        array = weights.array(reference_from_proto(value.blobFileValue), dtype, shape)
    else:
        array = _decode_immediate(value.immediateValue.tensor, dtype, shape)
    if dtype.is_sub_byte:
        array = array.view(types.nptype_from_builtin(builtin_type(dtype)))  # numpy's type carries the width
    if shape:
        return array
    return str(array[()]) if dtype.name == "string" else array[()]


def _decode_element(value: Any, weights: WeightStore) -> Value:
    """A list's element; unlike tensors, lists keep int64."""
    if value.type.tensorType.dataType == builtin_proto("int64"):
        return np.int64(value.immediateValue.tensor.longInts.values[0])
    return decode_value(value, weights)


def builtin_proto(name: str) -> int:
    """The protobuf number of an element type."""
    return int(types.BUILTIN_TO_PROTO_TYPES[builtin_type(name)])


def _decode_immediate(tensor: Any, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
    field = tensor.WhichOneof("value")
    if field is None and prod(shape) == 0:
        return np.zeros(shape, dtype.numpy)
    if field is None:
        raise ProgramError("a constant has no value")
    if field != "bytes":
        array = np.array(list(getattr(tensor, field).values), dtype=dtype.numpy)
    elif dtype.is_sub_byte:
        array = unpack_bits(np.frombuffer(tensor.bytes.values, np.uint8), dtype, prod(shape))
    else:
        array = np.frombuffer(tensor.bytes.values, dtype.numpy)
    if array.size != prod(shape):
        raise ProgramError(f"a constant of shape {list(shape)} has {array.size} elements")
    return array.reshape(shape)


def fill_tensor(tensor: Any, values: np.ndarray | list[str], dtype: DType) -> None:
    """Puts elements into a protobuf `TensorValue`, in the field that coremltools uses for their type.

    Args:
        tensor: the empty message.
        values: shape (n,), or strings.
        dtype: their type.
    """
    field = _FIELDS.get(dtype.name, "bytes")
    place = getattr(tensor, field)
    place.SetInParent()
    if field == "bytes":
        place.values = (pack_bits(np.asarray(values), dtype) if dtype.is_sub_byte else np.asarray(values)).tobytes()
    elif isinstance(values, list):
        place.values.extend(values)
    else:
        place.values.extend((values.view(np.int64) if dtype.name == "uint64" else values).tolist())


def immediate_tensor(array: np.ndarray, dtype: DType) -> Any:
    """The protobuf `Value` of a tensor whose elements stand in the program; strings are Python's."""
    sizes = [_MIL.Dimension(constant=_MIL.Dimension.ConstantDimension(size=size)) for size in array.shape]
    tensor = _MIL.TensorType(dataType=dtype.proto, rank=array.ndim, dimensions=sizes)
    result = _MIL.Value(type=_MIL.ValueType(tensorType=tensor))
    flat = array.reshape(-1)
    fill_tensor(result.immediateValue.tensor, flat.tolist() if dtype.name == "string" else flat, dtype)
    return result

"""MIL text for types and constants, from the protobuf; both dialects of Apple's syntax."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite, isnan, prod
from typing import Any

import attrs
import numpy as np

from ..dtypes import DType, dtype_of_proto, unpack_bits
from ..errors import ProgramError

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)} | {
    ord(char): escape for char, escape in {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}.items()
}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def format_string(text: str) -> str:
    """A quoted string with its escapes."""
    return f'"{text.translate(_ESCAPES)}"'


def format_name(name: str) -> str:
    """A name as it is if it is a word of MIL text, quoted if not."""
    return name if _WORD.fullmatch(name) else format_string(name)


def format_float(value: float) -> str:
    """A float as Apple's printer writes it: hexadecimal, trailing zeros trimmed, the exponent signed."""
    if not isfinite(value):
        return "nan" if isnan(value) else ("inf" if value > 0 else "-inf")
    mantissa, exponent = value.hex().split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}"


def _format_elements(values: Iterable[Any], dtype: DType) -> list[str]:
    if dtype.name == "string":
        return [format_string(value) for value in values]
    if dtype.name == "bool":
        return ["true" if value else "false" for value in values]
    if dtype.is_float:
        return [format_float(value) for value in values]
    return [str(value) for value in values]


def _format_nested(values: list[str], shape: Sequence[int]) -> str:
    if 0 in shape:
        return "[]"
    for size in reversed(shape):  # from the innermost lists outwards
        values = [f"[{', '.join(values[start : start + size])}]" for start in range(0, len(values), size)]
    return values[0]


@attrs.frozen
class Formatter:
    """Writes types and values.

    Attributes:
        scalars_as_tensors: the dialect of `program(1.0)`: `tensor<int32, []>(1)`; else that of 1.3: `int32(1)`.
        blob: what stands for a value that lies in a weight file.
    """

    scalars_as_tensors: bool
    blob: Callable[[Any, Formatter], str]

    def type(self, value_type: Any) -> str:
        """The text of a protobuf `ValueType`."""
        kind = value_type.WhichOneof("type")
        if kind == "tensorType":
            return self._tensor_type(value_type.tensorType)
        if kind == "listType":
            return f"list<{self.type(value_type.listType.type)}, {_dimension(value_type.listType.length)}>"
        if kind == "dictionaryType":
            pair = value_type.dictionaryType
            return f"dict<{self.type(pair.keyType)}, {self.type(pair.valueType)}>"
        if kind == "tupleType":
            return f"tuple<{', '.join(self.type(item) for item in value_type.tupleType.types)}>"
        return f"state<{self.type(value_type.stateType.wrappedType)}>"

    def _tensor_type(self, tensor: Any) -> str:
        name = dtype_of_proto(tensor.dataType).name
        if not tensor.dimensions and not self.scalars_as_tensors:
            return name
        return f"tensor<{name}, [{', '.join(_dimension(d) for d in tensor.dimensions)}]>"

    def scalar(self, name: str, literal: str) -> str:
        """A typed scalar: `string("x")`, or `tensor<string, []>("x")` in the older dialect."""
        return f"tensor<{name}, []>({literal})" if self.scalars_as_tensors else f"{name}({literal})"

    def value(self, value: Any) -> str:
        """A typed value: `type(literal)`."""
        return f"{self.type(value.type)}({self.literal(value, value.type)})"

    def literal(self, value: Any, kind: Any) -> str:
        """A value without its type, as it stands inside a typed one.

        Args:
            value: the protobuf `Value`.
            kind: its type, which values inside others need not say themselves.
        """
        if value.WhichOneof("value") == "blobFileValue":
            return self.blob(value, self)
        immediate = value.immediateValue
        name = immediate.WhichOneof("value")
        if name == "list":
            return f"[{', '.join(self.literal(item, kind.listType.type) for item in immediate.list.values)}]"
        if name == "tuple":
            members = zip(immediate.tuple.values, kind.tupleType.types, strict=True)
            return f"({', '.join(self.literal(item, member) for item, member in members)})"
        if name == "dictionary":
            return self._dictionary(immediate.dictionary, kind.dictionaryType)
        return _tensor_literal(kind.tensorType, immediate.tensor)

    def _dictionary(self, dictionary: Any, kind: Any) -> str:
        pairs = sorted(
            (self.literal(p.key, kind.keyType), self.literal(p.value, kind.valueType)) for p in dictionary.values
        )
        return f"{{{', '.join(f'{{{key}, {item}}}' for key, item in pairs)}}}"


def _dimension(dimension: Any) -> str:
    if dimension.WhichOneof("dimension") == "constant":
        return str(dimension.constant.size)
    return "..." if dimension.unknown.variadic else "?"


def _tensor_literal(tensor_type: Any, tensor: Any) -> str:
    dtype = dtype_of_proto(tensor_type.dataType)
    shape = [
        dimension.constant.size if dimension.WhichOneof("dimension") == "constant" else None
        for dimension in tensor_type.dimensions
    ]
    known = [size for size in shape if size is not None]
    count = prod(known) if len(known) == len(shape) else None
    values = _format_elements(tensor_elements(tensor, dtype, count), dtype)
    return _format_nested(values, _complete(shape, len(values)))


def _complete(shape: list[int | None], count: int) -> list[int]:
    """A shape with its unknown size filled in.

    Raises:
        ProgramError: the elements do not fill it, or several sizes are unknown.
    """
    known = prod(size for size in shape if size is not None)
    unknown = shape.count(None)
    result = [count // known if size is None and known else size or 0 for size in shape]
    if unknown > 1 or prod(result) != count:
        raise ProgramError(f"a constant of shape {shape} has {count} elements")
    return result


def tensor_elements(tensor: Any, dtype: DType, count: int | None) -> Sequence[Any]:
    """The elements of a protobuf `TensorValue`.

    Args:
        tensor: the message.
        dtype: their type.
        count: how many there are; None takes all that are found.
    """
    field = tensor.WhichOneof("value")
    if field is None:
        return ()
    if field != "bytes":
        values: Sequence[Any] = getattr(tensor, field).values
        wrapped = dtype.name.startswith("uint")  # the protobuf's own integers are signed
        return [value % (1 << dtype.bits) for value in values] if wrapped else values
    data = np.frombuffer(tensor.bytes.values, np.uint8)
    if dtype.is_sub_byte:
        found: list[Any] = unpack_bits(data, dtype, 8 * data.size // dtype.bits if count is None else count).tolist()
        return found
    return list(data[: data.size - data.size % (dtype.bits // 8)].view(dtype.numpy).tolist())

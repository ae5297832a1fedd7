"""MIL text for types and constants, from the protobuf; both dialects of Apple's syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from ..dtypes import DType, dtype_of_proto, unpack_bits

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"})


def format_string(text: str) -> str:
    """A quoted string with its escapes."""
    return f'"{text.translate(_ESCAPES)}"'


def format_float(value: float) -> str:
    """A float as Apple's printer writes it: hexadecimal, trailing zeros trimmed, the exponent signed."""
    if not np.isfinite(value):
        return "nan" if np.isnan(value) else ("inf" if value > 0 else "-inf")
    mantissa, exponent = float(value).hex().split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}"


def _format_element(value: Any, dtype: DType) -> str:
    if dtype.name == "string":
        return format_string(str(value))
    if dtype.name == "bool":
        return "true" if value else "false"
    return format_float(float(value)) if dtype.is_float else str(int(value))


def _format_nested(values: list[str], shape: tuple[int, ...]) -> str:
    if not shape:
        return values[0] if values else ""
    if len(shape) == 1 or 0 in shape:
        return f"[{', '.join(values)}]"
    step = len(values) // shape[0]
    return f"[{', '.join(_format_nested(values[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0]))}]"


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
        return f"{self.type(value.type)}({self.literal(value)})"

    def literal(self, value: Any) -> str:
        """A value without its type, as it stands inside a typed one."""
        if value.WhichOneof("value") == "blobFileValue":
            return self.blob(value, self)
        immediate = value.immediateValue
        kind = immediate.WhichOneof("value")
        if kind == "list":
            return f"[{', '.join(self.literal(item) for item in immediate.list.values)}]"
        if kind == "tuple":
            return f"({', '.join(self.literal(item) for item in immediate.tuple.values)})"
        if kind == "dictionary":
            pairs = sorted((self.literal(p.key), self.literal(p.value)) for p in immediate.dictionary.values)
            return f"{{{', '.join(f'{{{key}, {item}}}' for key, item in pairs)}}}"
        return _tensor_literal(value.type.tensorType, immediate.tensor)


def _dimension(dimension: Any) -> str:
    return str(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else "?"


def _tensor_literal(tensor_type: Any, tensor: Any) -> str:
    dtype = dtype_of_proto(tensor_type.dataType)
    shape = tuple(dimension.constant.size for dimension in tensor_type.dimensions)
    values = [_format_element(value, dtype) for value in _elements(tensor, dtype, int(np.prod(shape)))]
    return _format_nested(values, shape) if len(values) == np.prod(shape) else _format_nested(values, (len(values),))


def _elements(tensor: Any, dtype: DType, count: int) -> Iterator[Any]:
    field = tensor.WhichOneof("value")
    if field is None:
        return iter(())
    if field != "bytes":
        return iter(getattr(tensor, field).values)
    if dtype.is_sub_byte:
        return iter(unpack_bits(np.frombuffer(tensor.bytes.values, np.uint8), dtype, count))
    return iter(np.frombuffer(tensor.bytes.values, dtype.numpy))

"""Types of MIL text, as the protobuf holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..dtypes import DTYPES, dtype_named
from ..errors import did_you_mean, quoted
from ..pymil import proto
from .cursor import Cursor

_MIL = proto.MIL_pb2
_ELEMENTS = {dtype.name for dtype in DTYPES}
_COMPOSITES = ("tensor", "list", "dict", "tuple", "state")
# The common case, taken in one step and remembered: the same few types stand in a text thousands of times.
_PLAIN = re.compile(r"tensor<[a-z0-9]+, ?\[[0-9, ]*\]>|(?:string|bool|u?int\d+|fp\d+)(?=[ (])")
_LARGEST_SIZE = 2**63 - 1
MAX_RANK = 16  # more than any op takes
# What other tools call the element types.
_ELSEWHERE = {
    "float16": "fp16", "half": "fp16", "f16": "fp16", "float": "fp32", "float32": "fp32", "f32": "fp32",
    "double": "fp64", "float64": "fp64", "f64": "fp64", "int": "int32", "i32": "int32", "i8": "int8", "i16": "int16",
    "i64": "int64", "long": "int64", "boolean": "bool", "i1": "bool", "str": "string",
}  # fmt: skip
# What Apple's compilers know and PyMIL does not, and what stands in values.
_BEYOND = {
    "bf16": "Core ML models hold such values as fp16 or fp32",
    "fp8e4m3fn": "PyMIL has no floats of 8 bits", "fp8e5m2": "PyMIL has no floats of 8 bits",
    "tensor_buffer": "programs compiled for the Neural Engine have it, ML programs do not",
    "BLOBFILE": "its type stands in front: tensor<fp16, [64, 40]>(BLOBFILE(...))",
    "ELIDED": "its type stands in front: tensor<fp16, [64, 40]>(ELIDED(...))",
}  # fmt: skip


def _meant(word: str, known: Iterable[str]) -> str | None:
    if word in _BEYOND:
        return _BEYOND[word]
    return f"did you mean {_ELSEWHERE[word]!r}?" if word in _ELSEWHERE else did_you_mean(word, known)


class TypeParser:
    """Parses types; the messages that it gives are shared and must not be changed."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._known: dict[str, Any] = {}

    def at_type(self) -> bool:
        """Whether a type could be next."""
        word = self._cursor.peek_word()
        return word in _ELEMENTS or word in _COMPOSITES

    def parse(self) -> Any:
        """Takes a type and gives its `ValueType`."""
        cursor = self._cursor
        found = _PLAIN.match(cursor.text, cursor.position)
        if found is None:
            return self._parse()
        known = self._known.get(found.group())
        if known is None:
            known = self._known[found.group()] = self._parse()
        else:
            cursor.move_to(found.end())
        return known

    def _parse(self) -> Any:
        self._cursor.enter()
        start, word = self._cursor.position, self._cursor.word("a type")
        if word in _ELEMENTS:
            result = _MIL.ValueType(tensorType=_MIL.TensorType(dataType=dtype_named(word).proto))
        elif word in _COMPOSITES:
            self._cursor.expect("<", f"after {word}")
            result = getattr(self, f"_{word}")()
            self._cursor.expect(">", f"at the end of the {word} type")
        else:
            known = [*_ELEMENTS, *_COMPOSITES]
            hint = _meant(word, known) or f"known are {', '.join(_COMPOSITES)} and element types such as fp16"
            self._cursor.fail(f"unknown type {quoted(word)}", at=start, length=len(word), hint=hint)
        self._cursor.leave()
        return result

    def _tensor(self) -> Any:
        cursor = self._cursor
        start, name = cursor.position, cursor.word("an element type")
        if name not in _ELEMENTS:
            hint = _meant(name, _ELEMENTS) or f"known are {', '.join(dtype.name for dtype in DTYPES)}"
            cursor.fail(f"unknown element type {quoted(name)}", at=start, length=len(name), hint=hint)
        cursor.expect(",", "between the element type and the shape")
        cursor.expect("[", "at the beginning of the shape")
        dimensions: list[Any] = []
        while not cursor.accept("]"):
            if dimensions:
                cursor.expect(",", "or ']' after a dimension")
            if len(dimensions) == MAX_RANK:
                cursor.fail(f"tensors have {MAX_RANK} dimensions at most")
            dimensions.append(self._dimension())
        tensor = _MIL.TensorType(dataType=dtype_named(name).proto, rank=len(dimensions), dimensions=dimensions)
        return _MIL.ValueType(tensorType=tensor)

    def _dimension(self) -> Any:
        cursor = self._cursor
        if cursor.accept("..."):
            return _MIL.Dimension(unknown=_MIL.Dimension.UnknownDimension(variadic=True))
        if cursor.accept("?"):
            return _MIL.Dimension(unknown=_MIL.Dimension.UnknownDimension(variadic=False))
        digits, start = cursor.number("a dimension: a number or '?'")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or int(digits) > _LARGEST_SIZE:
            cursor.fail(f"{digits[:40]!r} is no dimension", at=start, length=len(digits), hint="a whole number or '?'")
        return _MIL.Dimension(constant=_MIL.Dimension.ConstantDimension(size=int(digits)))

    def _list(self) -> Any:
        element = self.parse()
        self._cursor.expect(",", "between the type and the length of the list")
        return _MIL.ValueType(listType=_MIL.ListType(type=element, length=self._dimension()))

    def _dict(self) -> Any:
        key = self.parse()
        self._cursor.expect(",", "between the types of keys and values")
        return _MIL.ValueType(dictionaryType=_MIL.DictionaryType(keyType=key, valueType=self.parse()))

    def _tuple(self) -> Any:
        types: list[Any] = []
        while not self._cursor.next_is(">"):
            if types:
                self._cursor.expect(",", "or '>' after a type of the tuple")
            types.append(self.parse())
        return _MIL.ValueType(tupleType=_MIL.TupleType(types=types))

    def _state(self) -> Any:
        return _MIL.ValueType(stateType=_MIL.StateType(wrappedType=self.parse()))

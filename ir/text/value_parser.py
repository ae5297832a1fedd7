"""Values of MIL text, as the protobuf holds them.

Inside a typed value the parts carry no types of their own: the type in front is handed down to them.
"""

from __future__ import annotations

import re
from typing import Any

from ..dtypes import dtype_named
from ..pymil import proto
from ..weights.references import DIGEST, MODEL_PATH
from .cursor import Cursor
from .tensor_parser import TensorParser, counted
from .type_parser import TypeParser

_MIL = proto.MIL_pb2
_DIGEST = re.compile(DIGEST + "[0-9a-f]{16}")


class ValueParser:
    """Parses typed values: `int32(1)`, `tensor<fp16, [2]>([0x1p+0, inf])`, `tensor<...>(BLOBFILE(...))`."""

    def __init__(self, cursor: Cursor, types: TypeParser) -> None:
        self._cursor = cursor
        self._types = types
        self._tensors = TensorParser(cursor)

    def parse(self) -> Any:
        """Takes a typed value and gives its protobuf `Value`."""
        cursor = self._cursor
        value = _MIL.Value(type=self._types.parse())
        cursor.expect("(", "after the type of a value")
        self._fill(value, value.type)
        cursor.expect(")", "at the end of the value")
        return value

    def _place(self, value: Any) -> bool:
        """Takes what stands for a value that lies elsewhere, if that is next."""
        cursor = self._cursor
        word = cursor.peek_word()
        if word not in ("BLOBFILE", "ELIDED"):
            return False
        cursor.word("")
        cursor.expect("(", f"after {word}")
        if word == "BLOBFILE":
            value.blobFileValue.fileName = self._scalar("path", "string")
            cursor.expect(",", "between the path and the offset")
            value.blobFileValue.offset = self._scalar("offset", "uint64")
        else:
            value.blobFileValue.fileName = MODEL_PATH + self._digest()
        cursor.expect(")", f"at the end of {word}")
        return True

    def _digest(self) -> str:
        start = self._cursor.position
        found = self._scalar("digest", "string")
        if not _DIGEST.fullmatch(found):
            self._cursor.fail("this is no digest", at=start, hint="they are sha256: and 16 hexadecimal digits")
        return str(found)

    def _scalar(self, key: str, dtype: str) -> Any:
        """Takes `key = dtype(literal)`, of either dialect, and gives the value."""
        cursor = self._cursor
        if cursor.peek_word() != key:
            cursor.fail(f"expected {key!r}, found {cursor.found()}", length=max(1, len(cursor.peek_word())))
        cursor.word("")
        cursor.expect("=", f"after {key!r}")
        start, given = cursor.position, self._types.parse()
        if given.tensorType.dataType != dtype_named(dtype).proto or given.tensorType.dimensions:
            cursor.fail(f"the {key} must be a {dtype}", at=start, length=cursor.position - start)
        cursor.expect("(", "after the type of a value")
        found = cursor.string("a string") if dtype == "string" else int(self._tensors.numbers(dtype_named(dtype))[0])
        cursor.expect(")", "at the end of the value")
        return found

    def _fill(self, value: Any, kind: Any) -> None:
        """Takes a literal of type `kind` into `value`, whose type is set already."""
        name = kind.WhichOneof("type")
        self._cursor.enter()
        if name == "tensorType":
            if not self._place(value):
                self._tensors.parse(value, kind.tensorType)
        elif name == "listType":
            self._list(value, kind.listType)
        elif name == "tupleType":
            self._tuple(value, kind.tupleType)
        elif name == "dictionaryType":
            self._dictionary(value, kind.dictionaryType)
        else:
            self._cursor.fail("states have no values")
        self._cursor.leave()

    def _item(self, item: Any, kind: Any) -> None:
        """Takes a part of another value. An empty one gets no type: its type may be far longer than its literal."""
        start = self._cursor.position
        self._fill(item, kind)
        if self._cursor.text[start : self._cursor.end] not in ("[]", "{}", "()"):
            item.type.CopyFrom(kind)

    def _list(self, value: Any, kind: Any) -> None:
        start = self._cursor.position
        self._cursor.expect("[", "at the beginning of a list")
        items = value.immediateValue.list.values
        value.immediateValue.list.SetInParent()
        while not self._cursor.accept("]"):
            if items:
                self._cursor.expect(",", "or ']' after an element of the list")
            self._item(items.add(), kind.type)
        known = kind.length.WhichOneof("dimension") == "constant"
        if known and kind.length.constant.size != len(items):
            said = kind.length.constant.size
            self._cursor.fail(f"the list has {counted(len(items))}, its type says {said}", at=start)

    def _tuple(self, value: Any, kind: Any) -> None:
        self._cursor.expect("(", "at the beginning of a tuple")
        value.immediateValue.tuple.SetInParent()
        for index, member in enumerate(kind.types):
            if index:
                self._cursor.expect(",", f"in a tuple of {len(kind.types)}")
            self._item(value.immediateValue.tuple.values.add(), member)
        self._cursor.expect(")", f"at the end of a tuple of {len(kind.types)}")

    def _dictionary(self, value: Any, kind: Any) -> None:
        cursor = self._cursor
        cursor.expect("{", "at the beginning of a dictionary")
        pairs = value.immediateValue.dictionary.values
        value.immediateValue.dictionary.SetInParent()
        while not cursor.accept("}"):
            if pairs:
                cursor.expect(",", "or '}' after an entry of the dictionary")
            cursor.expect("{", "at the beginning of an entry: {key, value}", 'each has braces: {{"a", "b"}}')
            pair = pairs.add()
            for part, part_kind, mark in ((pair.key, kind.keyType, ","), (pair.value, kind.valueType, "}")):
                self._item(part, part_kind)
                cursor.expect(mark, "in an entry of the dictionary: {key, value}")

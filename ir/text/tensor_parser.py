"""Literals of tensors: nested lists of elements, as deep as the tensor's rank."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DType, dtype_of_proto
from ..proto.values import fill_tensor
from .cursor import Cursor, foreign_hint
from .elements import ElementError, parse_elements
from .plain_tensors import plain_words

_PIECE = 1 << 16  # characters of a row that are looked at together
_ROW = re.compile(r"(?:[^\]\[\"(){}=;/]++|//[^\n]*+)*+")
_COMMENT = re.compile(r"//[^\n]*")


class TensorParser:
    """Parses the literals of tensors, and single elements."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._open_sizes: set[int] = set()  # of the rows of a tensor where its shape says `?`

    def parse(self, value: Any, kind: Any) -> None:
        """Takes a literal of the protobuf `TensorType` `kind` into a protobuf `Value`."""
        dtype = dtype_of_proto(kind.dataType)
        shape = [d.constant.size if d.WhichOneof("dimension") == "constant" else None for d in kind.dimensions]
        start = self._cursor.position
        if not shape or not self._cursor.next_is("["):
            if prod(1 if size is None else size for size in shape) != 1:
                self._cursor.fail(f"expected '[' for the shape {_words(shape)}, found {self._cursor.found()}")
            fill_tensor(value.immediateValue.tensor, self._single(dtype), dtype)
            return
        if dtype.name != "string" and self._plain(value, shape, dtype):
            return
        pieces: list[Any] = []
        self._open_sizes = set()
        self._rows(shape, dtype, pieces)
        self._check_open_sizes(shape, start)
        values = [word for piece in pieces for word in piece] if dtype.name == "string" else _joined(pieces, dtype)
        fill_tensor(value.immediateValue.tensor, values, dtype)

    def _plain(self, value: Any, shape: list[int | None], dtype: DType) -> bool:
        """Takes a tensor without anything unusual in it; any other stays where it is."""
        found = plain_words(self._cursor.text, self._cursor.position, shape)
        if found is None:
            return False
        words, end = found
        try:
            values = _joined([parse_elements(piece, dtype) for piece in words], dtype)
        except ElementError:
            return False
        fill_tensor(value.immediateValue.tensor, values, dtype)
        self._cursor.move_to(end)
        return True

    def _single(self, dtype: DType) -> Any:
        if dtype.name == "string":
            return [self._cursor.string("a string")]
        return self.numbers(dtype)

    def numbers(self, dtype: DType) -> np.ndarray:
        """Takes one number or truth value; shape (1,)."""
        cursor = self._cursor
        start, word = cursor.position, cursor.peek_word()
        if word:
            cursor.word("")
        else:
            word, start = cursor.number(f"a value of type {dtype}")
        try:
            return parse_elements([word], dtype)
        except ElementError as error:
            cursor.fail(str(error), at=start, length=len(word))

    def _rows(self, shape: list[int | None], dtype: DType, pieces: list[Any]) -> None:
        """Takes the nested lists of a tensor, row by row."""
        cursor = self._cursor
        start, size = cursor.position, shape[0]
        if 0 in shape and cursor.text.startswith("[]", start):
            cursor.move_to(start + 2)
            return
        cursor.expect("[", f"for a dimension of {'any size' if size is None else size}")
        count = self._row(dtype, pieces) if len(shape) == 1 else self._columns(shape[1:], dtype, pieces)
        if size is None:
            self._open_sizes.add(count)
        elif count != size:
            cursor.fail(f"{counted(count)} where the shape says {size}", at=start, length=cursor.position - start)

    def _check_open_sizes(self, shape: list[int | None], start: int) -> None:
        """An unknown size follows from the rows, which must have one; several would not."""
        unknown = shape.count(None)
        if unknown > 1 or (unknown and 0 in shape):
            hint = "state all sizes in its type"
            self._cursor.fail(f"a value of the shape {_words(shape)} is ambiguous", at=start, hint=hint)
        if len(self._open_sizes) > 1:
            sizes = ", ".join(map(str, sorted(self._open_sizes)[:3]))
            self._cursor.fail(f"rows of {sizes} elements where the shape says '?'", at=start)

    def _columns(self, shape: list[int | None], dtype: DType, pieces: list[Any]) -> int:
        count = 0
        while not self._cursor.accept("]"):
            if count:
                self._cursor.expect(",", "or ']' after a row of the tensor")
            self._cursor.enter()
            self._rows(shape, dtype, pieces)
            self._cursor.leave()
            count += 1
        return count

    def _row(self, dtype: DType, pieces: list[Any]) -> int:
        """Takes the elements of the innermost dimension and the bracket behind them; gives their number."""
        return self._strings(pieces) if dtype.name == "string" else self._plain_row(dtype, pieces)

    def _strings(self, pieces: list[Any]) -> int:
        found: list[str] = []
        while not self._cursor.accept("]"):
            if found:
                self._cursor.expect(",", "or ']' after a string")
            found.append(self._cursor.string("a string"))
        pieces.append(found)
        return len(found)

    def _plain_row(self, dtype: DType, pieces: list[Any]) -> int:
        cursor, start = self._cursor, self._cursor.position
        matched = _ROW.match(cursor.text, start)
        row = matched.group() if matched else ""
        if "//" in row:
            row = _COMMENT.sub(lambda comment: " " * len(comment.group()), row)
        count, begin = 0, len(row) if row.isspace() else 0
        while begin < len(row):
            stop = len(row) if len(row) - begin <= _PIECE else row.rfind(",", begin, begin + _PIECE)
            stop = stop if stop > begin else len(row)
            pieces.append(self._piece(row[begin:stop], start + begin, dtype))
            count += len(pieces[-1])
            begin = stop + 1
        cursor.move_to(start + len(row))
        cursor.expect("]", "or ',' after an element")
        return count

    def _piece(self, characters: str, start: int, dtype: DType) -> np.ndarray:
        words = [word.strip() for word in characters.split(",")]
        try:
            return parse_elements(words, dtype)
        except ElementError as error:
            at = 0
            for _ in range(error.index):
                at = characters.index(",", at) + 1
            self._cursor.move_to(start + at)
            word = words[error.index]
            hint = foreign_hint(word) or foreign_hint(self._cursor.text, start + len(characters))
            self._cursor.fail(str(error), length=len(word), hint=hint)


def _joined(pieces: list[Any], dtype: DType) -> np.ndarray:
    if len(pieces) == 1:
        return np.asarray(pieces[0])
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype.numpy)


def _words(shape: list[int | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def counted(count: int) -> str:
    """A number of elements in words."""
    return f"{count} element{'' if count == 1 else 's'}"

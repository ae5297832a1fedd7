"""The quick way through tensors whose elements stand in the text as they should: all numbers at once.

What is out of order, has comments in it or does not fit its shape is left to the slow way, which knows what to say.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from math import prod

_PLAIN = re.compile(r"[\[\]0-9a-zA-Z.,+\- \t\r\n]++")
_PARTED = re.compile(r"[^\s,\[\]]\s+[^\s,\[\]]")  # two words without a comma between them
_ALL_BUT_MARKS = bytes(set(range(256)) - set(b"[],"))
_BLANKS_AND_BRACKETS = b"[] \t\r\n"
_REMEMBERED = 4096  # the marks of small tensors, of which texts have many alike
_PIECE = 1 << 16  # characters that are taken apart together


def plain_words(text: str, start: int, shape: Sequence[int | None]) -> tuple[Iterator[list[str]], int] | None:
    """The elements of a tensor as words, in pieces, and where the tensor ends; None if it needs the slow way.

    Args:
        text: all of it.
        start: where the first bracket stands.
        shape: of the tensor.
    """
    found = _PLAIN.match(text, start)
    if found is None or None in shape or not prod(size or 0 for size in shape) or _PARTED.search(found.group()):
        return None
    characters = found.group().encode("ascii")
    marks = characters.translate(None, _ALL_BUT_MARKS)
    known = tuple(size or 0 for size in shape)
    length = _marks_length(known)
    if len(marks) != length or marks != (_remembered_marks if length <= _REMEMBERED else _marks)(known):
        return None
    return _pieces(characters.translate(None, _BLANKS_AND_BRACKETS).decode("ascii")), found.end()


def _marks_length(shape: tuple[int, ...]) -> int:
    """The number of brackets and commas of a tensor."""
    length = 0
    for size in reversed(shape):
        length = size * length + size + 1  # what stands in it, the commas between, and two brackets
    return length


def _marks(shape: tuple[int, ...]) -> bytes:
    """The brackets and commas of a tensor: `[[,],[,],[,]]` for the shape [3, 2]."""
    inner = b""
    for size in reversed(shape):
        inner = b"[" + (inner + b",") * (size - 1) + inner + b"]"  # joining bytes takes 80 bytes an item
    return inner


_remembered_marks = functools.lru_cache(maxsize=64)(_marks)


def _pieces(words: str) -> Iterator[list[str]]:
    begin = 0
    while begin < len(words):
        stop = len(words) if len(words) - begin <= _PIECE else words.rfind(",", begin, begin + _PIECE)
        stop = stop if stop > begin else len(words)
        yield words[begin:stop].split(",")
        begin = stop + 1

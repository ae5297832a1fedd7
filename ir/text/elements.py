"""The elements of tensors: from their characters to numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from ..dtypes import DType

_FLOAT = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*(?:[pP][-+]?[0-9]+)?|[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?"
                    r"|inf|nan)", re.ASCII)  # fmt: skip
_INTEGER = re.compile(r"[-+]?(?:[0-9]{1,20}|0[xX][0-9a-fA-F]{1,16})")
_BOOLS = {"true": True, "false": False}


class ElementError(ValueError):
    """An element that its type can not hold; `index` says which of those that were given."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def parse_elements(words: list[str], dtype: DType) -> np.ndarray:
    """The numbers or truth values that words stand for.

    Returns:
        `dtype.numpy`, shape (len(words),).

    Raises:
        ElementError: a word is none, or the type can not hold it.
    """
    if dtype.name == "bool":
        return np.array(_each(words, _BOOLS.__getitem__, "true or false"), np.bool_)
    if dtype.is_float:
        return _floats(words, dtype)
    return _integers(words, dtype)


def _each(words: list[str], convert: Callable[[str], Any], what: str) -> list[Any]:
    """All words converted; the slow way round finds the one that fails."""
    try:
        return [convert(word) for word in words]
    except (KeyError, ValueError, OverflowError):
        for index, word in enumerate(words):
            try:
                convert(word)
            except (KeyError, ValueError, OverflowError):
                found = repr(word[:40]) if word else "nothing"
                raise ElementError(index, f"expected {what}, found {found}") from None
        raise


def _float(word: str) -> float:
    if not _FLOAT.fullmatch(word):
        raise ValueError(word)
    try:
        return float.fromhex(word) if "x" in word or "X" in word else float(word)
    except OverflowError:  # beyond the range of every type, which decimals become infinite by
        return -inf if word.startswith("-") else inf


def _floats(words: list[str], dtype: DType) -> np.ndarray:
    exact = np.array(_each(words, _float, f"a number of type {dtype}"), np.float64)
    with np.errstate(over="ignore"):
        result = exact.astype(dtype.numpy)
    lost = next((int(index) for index in np.flatnonzero(np.isinf(result)) if not words[index].endswith("inf")), None)
    if lost is not None:
        raise ElementError(lost, f"{words[lost][:40]} is beyond the range of {dtype}")
    return result


def _integer(word: str) -> int:
    if not _INTEGER.fullmatch(word):
        raise ValueError(word)
    return int(word, 16) if "x" in word or "X" in word else int(word)


def _integers(words: list[str], dtype: DType) -> np.ndarray:
    values = _each(words, _integer, f"a whole number of type {dtype}")
    signed = not dtype.name.startswith("u")
    low, high = (-(1 << dtype.bits - 1), (1 << dtype.bits - 1) - 1) if signed else (0, (1 << dtype.bits) - 1)
    if values and not low <= min(values) <= max(values) <= high:
        index = next(index for index, value in enumerate(values) if not low <= value <= high)
        raise ElementError(index, f"{values[index]} is outside the range of {dtype}: {low} to {high}")
    return np.array(values, dtype.numpy)

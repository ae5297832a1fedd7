"""Constants that say as little as they can: zeros, ones, one value again and again."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from ..pymil import mil_list, types

# Elements of an array that are looked at; a larger one is plain only if it is one element, repeated.
_LOOKED_AT = 4096
_TYPES_OF_SIZES = (np.int32, np.uint32)
_NO_NUMBERS = (str, dict, list, tuple, mil_list)


class Noise(IntEnum):
    """How much the elements of a constant say."""

    ZEROS = 0
    ONES = 1
    ONE_VALUE = 2
    ANYTHING = 3


def noise(value: Any) -> Noise:
    """How much a constant of a program says; strings and lists can say no less than they do."""
    if isinstance(value, _NO_NUMBERS):
        return Noise.ZEROS
    array = np.asarray(value)
    if array.size == 0:
        return Noise.ZEROS
    first = first_of(array)
    if not _is_repeated(array, first):
        return Noise.ANYTHING
    return Noise.ZEROS if first == 0 else Noise.ONES if first == 1 else Noise.ONE_VALUE


def _is_repeated(array: np.ndarray, first: Any) -> bool:
    if array.size == 1 or not any(array.strides):
        return True
    return array.size <= _LOOKED_AT and bool((array == first).all())


def elements(value: Any) -> int:
    """How many elements a constant of numbers has; 1 for any other."""
    return 1 if isinstance(value, _NO_NUMBERS) else int(np.size(value))


def first_of(value: Any) -> Any:
    """The first element of a constant of numbers."""
    array = np.asarray(value)
    return array[(0,) * array.ndim]


def may_be_size(value: Any) -> bool:
    """Whether a constant may be a size, a stride or a number of groups: zero is none, or means something else."""
    array = np.asarray(value)
    return array.dtype in _TYPES_OF_SIZES and (array.ndim > 0 or bool(array > 0))


def filled(like: Any, element: Any, shape: tuple[int, ...] | None = None) -> Any:
    """A constant of the type of another, every element of which is the same; it takes no memory for more than one.

    Args:
        like: an array or a number.
        element: a number.
        shape: that of the other without it.
    """
    if isinstance(like, bool):
        return bool(element)
    array = np.asarray(like)
    one = np.asarray(element).astype(array.dtype)
    return np.broadcast_to(one, array.shape if shape is None else shape) if isinstance(like, np.ndarray) else one[()]


def typical(var: Any) -> Any:
    """Some constant of a value's type, for one that is compressed."""
    return np.broadcast_to(np.zeros((), types.nptype_from_builtin(var.dtype)), var.shape)

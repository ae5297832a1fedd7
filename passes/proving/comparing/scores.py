"""Which class an array of scores is for.

An array looks like class scores where it holds floats and a single axis is longer than 1: one number for each class.
Elsewhere the last axis counts the classes, if somebody says that these are scores, or else the axis that is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....ir.errors import OptionError


def looks_like_scores(array: np.ndarray) -> bool:
    """Whether an array is one float for each of two or more classes, axes of length 1 aside."""
    return array.dtype.kind == "f" and sum(size > 1 for size in array.shape) == 1


def class_axis(shape: Sequence[int]) -> int:
    """The axis that counts the classes: the only one that is longer than 1, else the last."""
    long = [axis for axis, size in enumerate(shape) if size > 1]
    return long[0] if len(long) == 1 else len(shape) - 1


def score_rows(array: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The scores as rows of classes, one for each decision.

    Args:
        array: of any shape that has an axis.
        axis: the one that counts the classes; `class_axis` without it.

    Returns:
        A matrix: decisions, in the order of the other axes, by classes.

    Raises:
        OptionError: there is no such axis, or it is too short for a choice.
    """
    chosen = class_axis(array.shape) if axis is None else axis
    if not -array.ndim <= chosen < array.ndim:
        raise OptionError(f"there is no axis {chosen}: the shape is {list(array.shape)}", where="axis")
    if array.shape[chosen] < 2:
        raise OptionError(f"the shape {list(array.shape)} holds the scores of no more than one class", where="axis")
    moved = np.moveaxis(array, chosen, -1)
    return moved.reshape(-1, moved.shape[-1])


def best(rows: np.ndarray, count: int = 1) -> np.ndarray:
    """The classes with the highest scores of each row, the best first; of equals the first. See `decided` for NaN."""
    if count == 1:
        first: np.ndarray = np.argmax(rows, axis=-1, keepdims=True)
        return first
    order: np.ndarray = np.argsort(-rows.astype(np.float64), axis=-1, kind="stable")
    return order[:, :count]


def decided(rows: np.ndarray) -> np.ndarray:
    """Which rows name a class: those without NaN."""
    result: np.ndarray = ~np.isnan(rows).any(axis=-1)
    return result

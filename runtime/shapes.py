"""Sizes that are known now, or only when the program runs, in one list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from .graph import INT64, Graph, Tensor

# A known size, or an int64 vector of one element.
Size: TypeAlias = "int | Tensor"


def sizes(g: Graph, tensor: Tensor, shape: Sequence[int | None]) -> list[Size]:
    """The sizes of a value along each axis.

    Args:
        g: the graph.
        tensor: the value.
        shape: what is known of its shape.
    """
    return [size(g, tensor, shape, axis) for axis in range(len(shape))]


def size(g: Graph, tensor: Tensor, shape: Sequence[int | None], axis: int) -> Size:
    """The size of a value along one axis, counted from the front."""
    known = shape[axis]
    return g.op("Shape", tensor, start=axis, end=axis + 1) if known is None else known


def vector(g: Graph, values: Sequence[Size]) -> Tensor:
    """An int64 vector of sizes; a constant where all are known."""
    if all(isinstance(value, int) for value in values):
        return g.constant(np.asarray(values, INT64))
    parts = [g.constant(np.asarray([value], INT64)) if isinstance(value, int) else value for value in values]
    return parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=0)


def product(g: Graph, values: Sequence[Size]) -> Size:
    """The product of sizes."""
    known = int(np.prod([value for value in values if isinstance(value, int)], dtype=np.int64))
    result: Size = known
    for value in values:
        if isinstance(value, Tensor):
            result = value if result == 1 else g.op("Mul", value, result if isinstance(result, Tensor) else [result])
    return result

"""Reading at indices: slices along an axis, elements along an axis, slices at coordinates.

Negative indices count from the end. An index out of range fails the run, which is what `validate_indices` asks for
and, where it is off or not there, the clearest of the outcomes that are left open.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, size, sizes, vector


@lowers("gather", moves=True)
def gather(g: Graph, op: Op) -> Tensor:
    """Slices along one axis; with `batch_dims`, each batch of indices reads from its own batch of the data."""
    axis = op.axis()
    (batch,) = op.ints("batch_dims") or [0]
    indices = _indices(g, op, [size(g, op["x"], op.shape("x"), axis)])
    if batch == 0:
        return g.op("Gather", op["x"], indices, axis=axis)
    rank, count = op.rank("x"), op.rank("indices")
    # GatherND reads right behind the batch axes: the axis goes there, and those before it come back afterwards.
    front = [*range(batch), axis, *range(batch, axis), *range(axis + 1, rank)]
    back = [*range(batch), *range(count, count + axis - batch), *range(batch, count)]
    back += range(count + axis - batch, count + rank - batch - 1)
    coordinates = g.op("Unsqueeze", g.cast(indices, INT64), [-1])
    return _transposed(g, g.op("GatherND", _transposed(g, op["x"], front), coordinates, batch_dims=batch), back)


@lowers("gather_along_axis", moves=True)
def gather_along_axis(g: Graph, op: Op) -> Tensor:
    """One element along the axis for each index; the output has the indices' shape."""
    axis = op.axis()
    indices = _indices(g, op, [size(g, op["x"], op.shape("x"), axis)])
    return g.op("GatherElements", op["x"], indices, axis=axis)


@lowers("gather_nd", moves=True)
def gather_nd(g: Graph, op: Op) -> Tensor:
    """Slices at the coordinates that the last axis of the indices holds, behind the batch axes."""
    (batch,) = op.ints("batch_dims") or [0]
    depth = op.shape("indices")[-1]
    if depth is None:
        raise op.refusal("it is not known how many coordinates each index has")
    bounds = sizes(g, op["x"], op.shape("x"))[batch : batch + depth]
    return g.op("GatherND", op["x"], g.cast(_indices(g, op, bounds), INT64), batch_dims=batch)


def _indices(g: Graph, op: Op, bounds: Sequence[Size]) -> Tensor:
    """The indices, so that ONNX Runtime fails for each that is out of range.

    Args:
        g: the graph.
        op: with `indices`, and `validate_indices` from iOS17 on, where negative ones are out of range.
        bounds: the size that each coordinate indexes.
    """
    known, is_strict = op.const("indices"), op.flag("validate_indices")
    if known is not None and all(isinstance(bound, int) for bound in bounds):
        limits = np.asarray(bounds, np.int64)
        lowest = 0 if is_strict else -limits
        if np.any(known < lowest) or np.any(known >= limits):
            raise op.refusal("an index is out of range")
        return op["indices"]
    if not is_strict or op.dtype("indices").kind == "u":
        return op["indices"]
    indices, limit = g.cast(op["indices"], INT64), vector(g, bounds)
    if op.rank("indices") == 0:
        limit = g.op("Squeeze", limit)
    # ONNX Runtime would count them from the end.
    return g.op("Where", g.op("Less", indices, 0), limit, indices)


def _transposed(g: Graph, x: Tensor, order: list[int]) -> Tensor:
    return x if order == sorted(order) else g.op("Transpose", x, perm=order)

"""Writing at indices, one update after the other: of several at one place the last wins, or all are taken together.

ONNX's ScatterND is of no use here: ONNX Runtime writes its updates in parallel and loses some of those to one place.

Before iOS17 negative indices count from the end. Since then they are out of range as others are: such an index fails
the run where `validate_indices` asks for it, and its update is left out where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import attrs
import numpy as np

from ..graph import DOUBLE, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, product, size, sizes, vector

# MIL's modes and the ONNX reductions that they are made of.
_REDUCTIONS = {"update": "none", "add": "add", "sub": "add", "mul": "mul", "div": "mul", "max": "max", "min": "min"}


class _Places(NamedTuple):
    """Where updates go.

    Attributes:
        along: a vector of indices into the axis that is written; those out of range fail the run.
        valid: which updates to write, where some may have to be left out.
    """

    along: Tensor
    valid: Tensor | None = None


@lowers("scatter")
def scatter(g: Graph, op: Op) -> Tensor:
    """Writes slices along one axis, in whose place the updates have the axes of the indices."""
    data, updates, axis = op["data"], op["updates"], op.axis(of="data")
    if op.rank("indices") != 1:
        known = sizes(g, data, op.shape("data"))
        count = product(g, sizes(g, op["indices"], op.shape("indices")))
        updates = _reshaped(g, updates, [*known[:axis], count, *known[axis + 1 :]])
    places = _places(g, op, [size(g, data, op.shape("data"), axis)])
    return _Writer(g, _mode(op), axis).slices(data, op.rank("data"), places, updates)


@lowers("scatter_nd")
def scatter_nd(g: Graph, op: Op) -> Tensor:
    """Writes slices at coordinates, each of which becomes one index into the addressed axes, merged into one."""
    depth = op.shape("indices")[-1]
    if not depth:
        raise op.refusal("it is not known how many coordinates each index has, or it has none")
    known = sizes(g, op["data"], op.shape("data"))
    data, updates = op["data"], op["updates"]
    if op.rank("indices") != 2:
        count = product(g, sizes(g, op["indices"], op.shape("indices"))[:-1])
        updates = _reshaped(g, updates, [count, *known[depth:]])
    if depth > 1:
        data = _reshaped(g, data, [product(g, known[:depth]), *known[depth:]])
    places = _places(g, op, known[:depth])
    written = _Writer(g, _mode(op), 0).slices(data, 1 + len(known) - depth, places, updates)
    return written if depth == 1 else _reshaped(g, written, known)


@lowers("scatter_along_axis")
def scatter_along_axis(g: Graph, op: Op) -> Tensor:
    """Writes one element along the axis for each index; what is to be left out goes into a spare slice at the end."""
    axis, rank = op.axis(of="data"), op.rank("data")
    limit = size(g, op["data"], op.shape("data"), axis)
    indices, needs_spare = _elements(g, op, limit)
    writer = _Writer(g, _mode(op), axis)
    if not needs_spare:
        return writer.elements(op["data"], indices, op["updates"])
    pads = [int(each == rank + axis) for each in range(2 * rank)]
    written = writer.elements(g.op("Pad", op["data"], pads), indices, op["updates"])
    return g.op("Slice", written, [0], vector(g, [limit]), [axis])


# --- where


def _places(g: Graph, op: Op, bounds: Sequence[Size]) -> _Places:
    """The indices as a vector; coordinates of several axes become one index into these axes, merged."""
    strides = [product(g, bounds[each + 1 :]) for each in range(len(bounds))]
    known = _known_indices(op, bounds)
    if known is None:
        return _computed_places(g, op, bounds, strides)
    index, is_valid = (each.reshape(-1, len(bounds)) for each in known)
    valid = None if is_valid.all() else g.constant(is_valid.all(axis=1))
    return _Places(g.constant(index @ np.asarray(strides, np.int64)), valid)


def _computed_places(g: Graph, op: Op, bounds: Sequence[Size], strides: Sequence[Size]) -> _Places:
    depth, place = len(bounds), op["indices"]
    if op.rank("indices") != min(depth, 2):
        place = g.op("Reshape", place, [-1, depth] if depth > 1 else [-1])
    if not _is_strict(op):
        if depth == 1:  # ONNX Runtime's own rules are the right ones
            return _Places(place)
        place = g.cast(place, INT64)
        place = g.op("Where", g.op("Less", place, 0), g.op("Add", place, vector(g, bounds)), place)
    fits = _in_range(g, place, bounds)
    if depth > 1:
        place = g.op("ReduceSum", g.op("Mul", g.cast(place, INT64), vector(g, strides)), [1], keepdims=0)
        fits = g.op("ReduceMin", fits, [1], keepdims=0)
    if _leaves_out(op):
        return _Places(place, fits)
    return _Places(g.op("Where", fits, g.cast(place, INT64), vector(g, [product(g, bounds)])))


def _elements(g: Graph, op: Op, limit: Size) -> tuple[Tensor, bool]:
    """The indices, those out of range right behind the last one; and whether the data need an element there."""
    known = _known_indices(op, [limit])
    if known is not None and isinstance(limit, int):
        index, valid = known
        return g.constant(np.where(valid, index, limit)), not valid.all()
    if not _is_strict(op):
        return op["indices"], False
    indices = g.cast(op["indices"], INT64)
    return g.op("Where", _in_range(g, indices, [limit]), indices, vector(g, [limit])), _leaves_out(op)


def _known_indices(op: Op, bounds: Sequence[Size]) -> tuple[np.ndarray, np.ndarray] | None:
    """The indices, counted from the front, and which are in range; None where that is not known yet."""
    known, limits = op.const("indices"), [bound for bound in bounds if isinstance(bound, int)]
    if known is None or len(limits) < len(bounds):
        return None
    index = np.asarray(known, np.int64)
    if not _is_strict(op):
        index = np.where(index < 0, index + limits, index)
    valid = (index >= 0) & (index < limits)
    if not (valid.all() or _leaves_out(op)):
        raise op.refusal("an index is out of range")
    return index, valid


def _in_range(g: Graph, index: Tensor, bounds: Sequence[Size]) -> Tensor:
    """Which indices are; one comparison tells, as negative ones are huge as unsigned numbers."""
    return g.op("Less", g.cast(index, "uint64"), g.cast(vector(g, bounds), "uint64"))


def _is_strict(op: Op) -> bool:
    """Whether negative indices are out of range: since iOS17, which brought the parameter."""
    return op.has("validate_indices")


def _leaves_out(op: Op) -> bool:
    return _is_strict(op) and not op.flag("validate_indices")


# --- what


def _mode(op: Op) -> str:
    mode = op.text("mode")
    if mode not in _REDUCTIONS:
        raise op.refusal(f"there is no mode {mode!r}", hint=f"one of {', '.join(_REDUCTIONS)}")
    return mode


@attrs.frozen
class _Writer:
    """Writes into data along an axis.

    Attributes:
        g: the graph.
        mode: how an update and what is there already become one value.
        axis: that the indices count along.
    """

    g: Graph
    mode: str
    axis: int

    def slices(self, data: Tensor, rank: int, places: _Places, updates: Tensor) -> Tensor:
        """The data, of that rank, with slices written: each index stands for all elements of its slice."""
        index = places.along
        if places.valid is not None:
            index = self.g.op("Compress", index, places.valid, axis=0)
            updates = self.g.op("Compress", updates, places.valid, axis=self.axis)
        others = [axis for axis in range(rank) if axis != self.axis]
        if others:
            index = self.g.op("Expand", self.g.op("Unsqueeze", index, others), self.g.op("Shape", updates))
        return self.elements(data, index, updates)

    def elements(self, data: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
        """The data with elements written, each at its own index."""
        if self.mode == "div":
            return self._divided(data, indices, updates)
        return self._reduced(data, indices, self.g.op("Neg", updates) if self.mode == "sub" else updates)

    def _reduced(self, data: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
        reduction = _REDUCTIONS[self.mode]
        return self.g.op("ScatterElements", data, indices, updates, axis=self.axis, reduction=reduction)

    def _divided(self, data: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
        """Divides by the product of the updates to each place; integers as doubles, which truncate to the same."""
        g, kind = self.g, data.dtype if data.dtype.kind == "f" else DOUBLE
        ones = g.op("ConstantOfShape", g.op("Shape", data), value=np.ones(1, kind), dtype=kind)
        divisors = self._reduced(ones, indices, g.cast(updates, kind))
        return g.cast(g.op("Div", g.cast(data, kind), divisors), data.dtype)


def _reshaped(g: Graph, x: Tensor, shape: Sequence[Size]) -> Tensor:
    return g.op("Reshape", x, vector(g, shape), allowzero=1)

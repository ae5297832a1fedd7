"""Reductions over axes, and running sums."""

from __future__ import annotations

import numpy as np

from ..graph import DOUBLE, INT64, Graph, Tensor
from ..op import Op
from ..registry import lowers

_SUMS = {
    "reduce_l1_norm": "ReduceL1",
    "reduce_prod": "ReduceProd",
    "reduce_sum": "ReduceSum",
    "reduce_sum_square": "ReduceSumSquare",
}
_CHOICES = {"reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}
_REAL = {
    "reduce_l2_norm": "ReduceL2",
    "reduce_log_sum": "ReduceLogSum",
    "reduce_log_sum_exp": "ReduceLogSumExp",
    "reduce_mean": "ReduceMean",
}
_POSITIONS = {"reduce_argmax": "ArgMax", "reduce_argmin": "ArgMin"}


@lowers(*_SUMS)
def sums(g: Graph, op: Op) -> Tensor:
    """Reductions that give integers of integers."""
    return _reduced(g, op, _SUMS[op.type], op["x"])


@lowers(*_CHOICES, moves=True)
def choices(g: Graph, op: Op) -> Tensor:
    """One of the elements."""
    return _reduced(g, op, _CHOICES[op.type], op["x"])


@lowers(*_REAL)
def real(g: Graph, op: Op) -> Tensor:
    """Reductions whose results are no integers; those of integers are computed in doubles and truncated."""
    x = op["x"]
    return _reduced(g, op, _REAL[op.type], x if x.dtype.kind == "f" else g.cast(x, DOUBLE))


def _reduced(g: Graph, op: Op, onnx_op: str, x: Tensor) -> Tensor:
    """Reduces over `axes`; over no axes, which ONNX takes for all, over one of a single element that is put behind."""
    axes = op.ints("axes")
    if op.rank("x") == 0 or axes == []:
        return g.op(onnx_op, g.op("Unsqueeze", x, [-1]), [-1], keepdims=0)
    return g.op(onnx_op, x, axes, keepdims=int(op.flag("keep_dims")))


@lowers(*_POSITIONS)
def positions(g: Graph, op: Op) -> Tensor:
    """Where the extreme element is; the first of several."""
    return g.op(_POSITIONS[op.type], op["x"], axis=op.axis(), keepdims=int(op.flag("keep_dims")))


@lowers("cumsum")
def cumsum(g: Graph, op: Op) -> Tensor:
    """Running sums along an axis, from its end with `reverse`; `exclusive` leaves out the element itself."""
    modes = {name: int(op.flag(name)) for name in ("exclusive", "reverse")}
    return g.op("CumSum", op["x"], np.asarray(op.axis(), INT64), **modes)

"""Non-maximum suppression, made of ONNX's, which gives a list of (batch, class, box) of any length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import FLOAT, INT32, Graph, Tensor
from ..op import Op
from ..registry import lowers

# The score of boxes that are out of the race, and what ONNX's threshold has to be to reject them alone.
_OUT = np.asarray(-np.inf, FLOAT)
_LOWEST = float(np.finfo(FLOAT).min)


@lowers("non_maximum_suppression", moves=True)
def non_maximum_suppression(g: Graph, op: Op) -> Sequence[Tensor]:
    """The best boxes in the order of their best scores; behind them zeros, and -1 for the index.

    Since iOS17 the boxes lie along the last axis, no threshold of scores is given, and no number of boxes is returned.
    """
    is_old = op.has("score_threshold")
    boxes, scores = (op[name] if is_old else _swapped(g, op[name]) for name in ("boxes", "scores"))
    best = g.op("ReduceMax", scores, [2], keepdims=0)
    places = _survivors(g, op, boxes, scores, _candidates(g, op, best) if is_old else best)
    out = g.op("ConstantOfShape", g.op("Shape", best), value=_OUT.reshape(1), dtype=FLOAT)
    ranked = g.op("ScatterND", out, places, g.op("GatherND", best, places))
    limit, known = int(op.number("max_boxes")), op.shape("boxes")[1 if is_old else 2]
    if known is None or known < limit:
        ranked = g.op("Pad", ranked, [0, 0, 0, limit - (known or 0)], _OUT)
    values, index = g.ops("TopK", ranked, [limit], outputs=2, axis=1)
    is_box = g.op("Greater", values, _OUT)
    index = g.op("Where", is_box, index, -1)
    kept = [_rows(g, each, index, is_box) for each in (boxes, scores)]
    if is_old:
        return [*kept, index, g.op("ReduceSum", g.cast(is_box, INT32), [1], keepdims=0)]
    return [*(_swapped(g, each) for each in kept), index]


def _candidates(g: Graph, op: Op, best: Tensor) -> Tensor:
    """The scores, those below the threshold out; but the best box of a batch always stays."""
    threshold = g.op("Min", g.op("ReduceMax", best, [1]), op.number("score_threshold"))
    return g.op("Where", g.op("GreaterOrEqual", best, threshold), best, _OUT)


def _survivors(g: Graph, op: Op, boxes: Tensor, scores: Tensor, best: Tensor) -> Tensor:
    """The coordinates (batch, box) of boxes that no better one suppresses, one of its class where that is asked for."""
    threshold = op.number("iou_threshold")
    if threshold < 0:
        raise op.refusal("iou_threshold is negative")
    competing = g.op("Unsqueeze", best, [1])
    if op.flag("per_class_suppression"):
        # A box competes in the first class that gives it its best score.
        is_class = g.cast(_swapped(g, g.op("Hardmax", scores, axis=2)), np.bool_)
        competing = g.op("Where", is_class, competing, _OUT)
    limit = int(op.number("max_boxes"))
    found = g.op("NonMaxSuppression", boxes, competing, [limit], min(threshold, 1.0), _LOWEST, center_point_box=1)
    return g.op("Gather", found, [0, 2], axis=1)


def _rows(g: Graph, x: Tensor, index: Tensor, is_box: Tensor) -> Tensor:
    """The rows at the indices, zeros where there is no box; the index is -1 there, which reads the last row."""
    rows = g.op("GatherND", x, g.op("Unsqueeze", index, [2]), batch_dims=1)
    return g.op("Where", g.op("Unsqueeze", is_box, [2]), rows, 0)


def _swapped(g: Graph, x: Tensor) -> Tensor:
    return g.op("Transpose", x, perm=[0, 2, 1])

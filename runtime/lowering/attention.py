"""Attention."""

from __future__ import annotations

import numpy as np

from ..graph import BOOL, FLOAT, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import size
from .linear import swapped


@lowers("scaled_dot_product_attention")
def scaled_dot_product_attention(g: Graph, op: Op) -> Tensor:
    """Values averaged by how near their keys are to the query; a mask forbids keys, or is added to their scores."""
    scores = g.op("MatMul", op["query"], swapped(g, op["key"], op.rank("key"), -1))
    scores = g.op("Mul", scores, _scale(g, op))
    mask = op.get("attn_mask")
    if mask is not None and mask.dtype == BOOL:
        scores = g.op("Where", mask, scores, -np.inf)
    elif mask is not None:
        scores = g.op("Add", scores, mask)
    return g.op("MatMul", g.op("Softmax", scores, axis=-1), op["value"])


def _scale(g: Graph, op: Op) -> Tensor | float:
    """One over the root of the length of a query."""
    length = size(g, op["query"], op.shape("query"), op.rank("query") - 1)
    if isinstance(length, Tensor):
        return g.op("Reciprocal", g.op("Sqrt", g.cast(length, FLOAT)))
    return float(np.sqrt(1 / length))

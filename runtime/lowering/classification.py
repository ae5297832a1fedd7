"""The end of a classifier: the graph gives an index and probabilities; their labels are kept beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers


@lowers("classify", moves=True)
def classify(g: Graph, op: Op) -> Sequence[Tensor]:
    """The index of the most probable class, the first of several, and the probabilities as they are."""
    classes = (each.item() if isinstance(each, np.generic) else each for each in op.const("classes"))
    op.lowering.labels[op.operation.outputs[0].name] = list(classes)
    flat = g.op("Reshape", op["probabilities"], [-1])
    return [g.op("ArgMax", flat, axis=0, keepdims=0), op["probabilities"]]

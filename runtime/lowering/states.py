"""States: the driver keeps the newest value of each, and the last one leaves the graph as an output."""

from __future__ import annotations

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers


@lowers("read_state", moves=True)
def read_state(_: Graph, op: Op) -> Tensor:
    """What was written last, or what came in."""
    return op.lowering.carried[op.var("input").name]


@lowers("coreml_update_state", moves=True)
def coreml_update_state(_: Graph, op: Op) -> Tensor:
    """The state is the value from here on; so is the output."""
    value = op["value"]
    op.lowering.carried[op.var("state").name] = value
    return value

"""Dominators: the ops that everything has to pass through.

A node dominates another when every way from the function's inputs to the other leads through it; it post-dominates
another when every way from the other to the function's outputs, or to the writing of a state, does. Nearest ones are
called immediate, and make a tree. They are good for:

- where to cut: a model split at a dominator hands over one node's values and nothing else;
- what belongs together: an op and its immediate post-dominator enclose a region with one way in and one way out, such
  as a residual block, that can be replaced, moved or measured as one;
- what an op answers for: what it dominates changes with it, and has no way around it.
"""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from ..value_types import is_state
from ..walking import input_values
from .def_use import Graph, nodes, ops
from .records import InputNode, Node, OpNode, OutputNode


def dominators(graph: Graph) -> dict[Node, Node | None]:
    """The immediate dominator of each node that a function's inputs lead to.

    Args:
        graph: from `def_use_graph`.

    Returns:
        By node; None where inputs have nothing in common on their ways to it, and for the inputs. Constants, and
        what is computed from them alone, are not there: they stand in nobody's way.
    """
    return _immediate(graph, nodes(graph, InputNode))


def post_dominators(graph: Graph) -> dict[Node, Node | None]:
    """The immediate post-dominator of each node that leads to an output or to the writing of a state.

    Args:
        graph: from `def_use_graph`.

    Returns:
        By node; None where its ways out have nothing in common, and for outputs. What nobody needs is not there.
    """
    exits = [*nodes(graph, OutputNode), *(node for node in ops(graph) if _writes_state(node))]
    return _immediate(graph.reverse(copy=False), exits)


def _immediate(graph: Graph, starts: Iterable[Node]) -> dict[Node, Node | None]:
    entry = object()  # stands before all starts, since an algorithm begins at one node
    flow = nx.DiGraph(graph.edges)
    flow.add_edges_from((entry, start) for start in starts)
    if entry not in flow:
        return {}
    found = nx.immediate_dominators(flow, entry)
    found.pop(entry, None)  # networkx before 3.6 says that it dominates itself
    return {node: None if above is entry else above for node, above in found.items()}


def _writes_state(node: OpNode) -> bool:
    return node.op_type != "read_state" and any(is_state(var) for _, var in input_values(node.op))

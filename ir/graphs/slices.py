"""Parts of the graphs of `def_use.py`: what a value comes from, where it goes, and what stands around an op."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .def_use import Graph, named
from .records import Node, OpNode


def backward_slice(graph: Graph, names: Iterable[str], depth: int | None = None) -> list[Node]:
    """What the named ops' values are computed from: the ops themselves, and all that lead to them.

    Args:
        graph: from `def_use_graph`.
        names: of ops, or of values; see `named`.
        depth: how many edges to go back; without it, as far as there are any. A slice without limit is closed:
            whatever one of its nodes takes is in it, whole blocks of control flow included.

    Returns:
        Nodes in the order of definition.

    Raises:
        ProgramError: there is no such op.
    """
    return _in_order(_within(_starts(graph, names), graph.predecessors, depth))


def forward_slice(graph: Graph, names: Iterable[str], depth: int | None = None) -> list[Node]:
    """What the named ops' values have a part in; as `backward_slice`, the other way."""
    return _in_order(_within(_starts(graph, names), graph.successors, depth))


def nodes_around(graph: Graph, name: str, depth: int) -> list[Node]:
    """The nodes at most `depth` edges from an op, and all constants that those take.

    Edges are gone both ways. Constants are no bridges, since what shares an axis or a table has else nothing in
    common: the way ends at them, unless it begins there.

    Args:
        graph: from `def_use_graph`.
        name: of the op, or of a value; see `named`.
        depth: how far to go; 0 for the op and its constants.

    Returns:
        Nodes in the order of definition.

    Raises:
        ProgramError: there is no such op.
    """
    starts = named(graph, name)

    def beside(node: Node) -> Iterable[Node]:
        if _is_constant(node) and node not in starts:
            return ()
        return (*graph.predecessors(node), *graph.successors(node))

    def constants(node: Node) -> Iterable[Node]:
        return filter(_is_constant, graph.predecessors(node))

    return _in_order(_within(_within(starts, beside, depth), constants, None))


def around(graph: Graph, name: str, depth: int) -> list[Any]:
    """The PyMIL ops of `nodes_around` in the order of the program's text, owners before their blocks' ops."""
    found = [node for node in nodes_around(graph, name, depth) if isinstance(node, OpNode)]
    return [node.op for node in sorted(found, key=lambda node: node.written)]


def _starts(graph: Graph, names: Iterable[str]) -> list[Node]:
    return [node for name in names for node in named(graph, name)]


def _within(starts: Iterable[Node], step: Callable[[Node], Iterable[Node]], depth: int | None) -> set[Node]:
    """What is reached from `starts` in at most `depth` steps."""
    found = set(starts)
    edge = list(found)
    while edge and depth != 0:
        reached = {near for node in edge for near in step(node)} - found
        found |= reached
        edge = list(reached)
        depth = None if depth is None else depth - 1
    return found


def _in_order(found: Iterable[Node]) -> list[Node]:
    return sorted(found, key=lambda node: node.defined)


def _is_constant(node: Node) -> bool:
    return isinstance(node, OpNode) and node.is_constant

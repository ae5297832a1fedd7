"""Graphs of programs: which op takes which value from where.

    graph = def_use_graph(model.program)
    for op in ops(graph):
        for taken in graph.predecessors(op):
            print(op.name, "takes", taken.name, edge_between(graph, taken, op).uses)

The graph is a `networkx.DiGraph`, so that all of networkx works on it. Its nodes are the records of
`records.py` themselves; what stands on its edges is read with `edge_between`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias, TypeVar

import networkx as nx

from ..errors import ProgramError, did_you_mean, quoted
from ..value_types import is_state, value_of
from ..walking import input_values
from .records import BlockInputNode, Edge, InputNode, Node, OpNode, OutputNode, Use

Graph: TypeAlias = "nx.DiGraph[Node]"
NodeT = TypeVar("NodeT", bound=Node)

_EDGE = "edge"


def def_use_graph(root: Any, *, name: str = "main") -> Graph:
    """The graph of a program's or a function's values: an edge goes from what defines a value to what takes it.

    Nodes are function inputs, ops, inputs of nested blocks and function outputs, added in the order of definition.
    Ops of nested blocks are nodes as all others, and take values from around their blocks by edges as all others.
    The owner of blocks (`cond`, `while_loop`) takes its blocks' outputs, and runs those of their ops whose values
    nothing takes; so every op in its blocks leads to it. A loop's variables take what the loop starts from; what a
    turn of the loop hands to the next is no edge, and the graph has no circle.

    Args:
        root: a PyMIL program or function.
        name: what a function that comes without its program is called.

    Returns:
        The graph; made in time linear in the size of the program, which it refers to and does not change.

    Raises:
        ProgramError: an op takes a value that nothing before it defines.
    """
    builder = _Builder()
    functions = root.functions if hasattr(root, "functions") else {name: root}
    for each, function in functions.items():
        builder.add_function(each, function)
    return builder.graph


def nodes(graph: Graph, kind: type[NodeT]) -> Iterator[NodeT]:
    """The nodes of a class, such as `OutputNode`, in the order of definition."""
    return (node for node in graph if isinstance(node, kind))


def ops(graph: Graph) -> Iterator[OpNode]:
    """The ops in the order of definition."""
    return nodes(graph, OpNode)


def edge_between(graph: Graph, source: Node, target: Node) -> Edge:
    """What `target` takes from `source`, between which there is an edge."""
    found: Edge = graph.edges[source, target][_EDGE]
    return found


def named(graph: Graph, name: str) -> list[Node]:
    """The ops called `name`; where there is none, what defines the value called so.

    There can be several: functions, and blocks beside each other, may use a name for different things.

    Raises:
        ProgramError: there is none.
    """
    found: list[Node] = [node for node in ops(graph) if node.name == name]
    found = found or [node for node in _defining(graph) if any(value.name == name for value in node.values)]
    if not found:
        known = (each for node in _defining(graph) for each in (node.name, *(value.name for value in node.values)))
        raise ProgramError(f"there is no op {quoted(name)}", hint=did_you_mean(name, known))
    return found


def _defining(graph: Graph) -> Iterator[Node]:
    return (node for node in graph if not isinstance(node, OutputNode))


class _Builder:
    """Makes a graph, function by function."""

    def __init__(self) -> None:
        self.graph: Graph = nx.DiGraph()
        self._definers: dict[Any, Node] = {}
        self._written = itertools.count()
        self._function = ""

    def add_function(self, name: str, function: Any) -> None:
        """Adds a function's inputs, ops and outputs."""
        self._function = name
        for var in function.inputs.values():
            self._add(InputNode, var.name, (), [var], next(self._written), var=var, is_state=is_state(var))
        self._add_ops(function, ())
        for index, var in enumerate(function.outputs):
            output = self._add(OutputNode, var.name, (), [], next(self._written), index=index, values=(value_of(var),))
            self._use(var, output, f"output {index}")

    def _add(
        self, cls: type[NodeT], name: str, blocks: tuple[str, ...], variables: list[Any], written: int, **own: Any
    ) -> NodeT:
        own.setdefault("values", tuple(value_of(var) for var in variables))
        node = cls(name=name, function=self._function, blocks=blocks, defined=len(self.graph), written=written, **own)
        self.graph.add_node(node)
        self._definers.update((var, node) for var in variables)
        return node

    def _add_ops(self, block: Any, blocks: tuple[str, ...]) -> list[Node]:
        """Adds the ops of a block, and returns their nodes."""
        return [self._add_op(operation, blocks) for operation in block.operations]

    def _add_op(self, operation: Any, blocks: tuple[str, ...]) -> OpNode:
        written = next(self._written)
        inside = [self._add_block(operation, index, blocks) for index in range(len(operation.blocks))]
        node = self._add(
            OpNode, operation.name, blocks, list(operation.outputs), written, op=operation, op_type=operation.op_type
        )
        for parameter, var in input_values(operation):
            self._use(var, node, parameter)
        for index, (block, contents) in enumerate(zip(operation.blocks, inside, strict=True)):
            for var in block.outputs:
                self._use(var, node, f"block {index}")
            self.graph.add_edges_from(
                ((idle, node) for idle in contents if not self.graph.succ[idle]), **{_EDGE: Edge()}
            )
        return node

    def _add_block(self, owner: Any, index: int, outer: tuple[str, ...]) -> list[Node]:
        block, blocks = owner.blocks[index], (*outer, f"{owner.name}[{index}]")
        for var, start in zip(block.inputs, owner.inputs.get("loop_vars", ()), strict=False):
            if var not in self._definers:  # the blocks of a loop may share their variables
                variable = self._add(BlockInputNode, var.name, blocks, [var], next(self._written), var=var)
                self._use(start, variable, "loop_vars")
        return self._add_ops(block, blocks)

    def _use(self, var: Any, user: Node, parameter: str) -> None:
        source = self._definers.get(var)
        if source is None:
            where = f"function {quoted(self._function)}, op {quoted(user.name)}"
            raise ProgramError(f"it takes {quoted(var.name)}, which is not defined before it", where=where)
        use = Use(next(value for value in source.values if value.name == var.name), parameter)
        known: tuple[Use, ...] = ()
        if self.graph.has_edge(source, user):
            known = edge_between(self.graph, source, user).uses
        self.graph.add_edge(source, user, **{_EDGE: Edge((*known, use))})

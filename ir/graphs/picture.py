"""What a drawing of a program shows: boxes and arrows, before anything has a place or a file format."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import attrs
import numpy as np

from ..constants import SMALLEST_WEIGHT
from .def_use import Graph, edge_between
from .records import Edge, Kind, Node, OpNode, OutputNode

LONGEST_LINE = 36

# The kinds of nodes: the fill of their boxes, and the line around them.
COLORS: dict[Kind, tuple[str, str]] = {
    "input": ("#d5e8d4", "#82b366"),
    "block input": ("#e8f3e8", "#82b366"),
    "compute": ("#dae8fc", "#6c8ebf"),
    "constant": ("#f0f0f0", "#999999"),
    "compressed": ("#ffe6cc", "#d79b00"),
    "output": ("#f8cecc", "#b85450"),
}


@attrs.frozen
class Box:
    """A node as it is drawn.

    Attributes:
        node: what it stands for.
        lines: what stands in it, each line of a length that fits.
        title: everything that is known of it, for a tooltip.
    """

    node: Node
    lines: tuple[str, ...]
    title: str


@attrs.frozen
class Arrow:
    """An edge as it is drawn.

    Attributes:
        source: the place in `Picture.boxes` where it begins.
        target: the one where it ends.
        label: the types that go along it.
        title: names, parameters and types, for a tooltip.
    """

    source: int
    target: int
    label: str
    title: str


@attrs.frozen
class Picture:
    """What is drawn.

    Attributes:
        title: of the whole.
        boxes: in the order of definition.
        arrows: between them.
    """

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture(graph: Graph, title: str, *, fold: bool = True, keep: Collection[Node] = ()) -> Picture:
    """The boxes and arrows of a graph.

    Args:
        graph: from `def_use_graph`, or a subgraph of such a graph.
        title: of the whole.
        fold: constants of fewer elements than a weight are words in the boxes of their users instead of
            boxes of their own, unless a function gives them back.
        keep: nodes that are boxes of their own anyway.
    """
    ordered = sorted(graph, key=lambda node: node.defined)
    folded = {node for node in ordered if fold and node not in keep and _can_be_folded(graph, node)}
    places = {node: place for place, node in enumerate(node for node in ordered if node not in folded)}
    arrows = (
        _arrow(places[source], places[target], edge_between(graph, source, target))
        for target in places
        for source in sorted(graph.predecessors(target), key=lambda node: node.defined)
        if source in places
    )
    return Picture(title, tuple(_box(graph, node, folded) for node in places), tuple(arrows))


def _can_be_folded(graph: Graph, node: Node) -> bool:
    if not isinstance(node, OpNode) or node.kind != "constant" or _elements(node.op.val.val) >= SMALLEST_WEIGHT:
        return False
    users = list(graph.successors(node))
    return bool(users) and not any(isinstance(user, OutputNode) for user in users)


def _elements(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.size)
    return len(value) if isinstance(value, list | tuple | dict) else 1


def _arrow(source: int, target: int, edge: Edge) -> Arrow:
    label = ", ".join(dict.fromkeys(use.value.short_type for use in edge.uses))
    return Arrow(source, target, label, "\n".join(map(str, edge.uses)) or "run for its effect")


def _box(graph: Graph, node: Node, folded: Collection[Node]) -> Box:
    taken, settings = [], []
    for source in sorted(graph.predecessors(node), key=lambda each: each.defined):
        value = _text(source) if source in folded else ""
        for use in edge_between(graph, source, node).uses:
            taken.append(f"{use} = {value}" if value else str(use))
            settings += [f"{use.parameter}={value}"] if value else []
    kind = node.op_type if isinstance(node, OpNode) else node.kind
    types = ", ".join(value.short_type for value in node.values)
    gives = [f"gives {value.name}: {value.type}" for value in node.values if not isinstance(node, OutputNode)]
    lines = (kind, _without_middle(node.name), _without_end(types), _without_end(", ".join(settings)))
    title = "\n".join((f"{kind} {node.name} in {node.place}", *taken, *gives))
    return Box(node, tuple(line for line in lines if line), title)


def _text(constant: Node) -> str:
    """A small constant in words."""
    value = constant.op.val.val if isinstance(constant, OpNode) else None
    return str(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)


def _without_middle(name: str) -> str:
    """A name that fits into a box: names tend to differ at their ends."""
    half = LONGEST_LINE // 2
    return name if len(name) <= LONGEST_LINE else f"{name[: half - 1]}…{name[-half:]}"


def _without_end(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"{line[: LONGEST_LINE - 1]}…"

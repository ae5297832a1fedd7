"""One of two graphs that are being matched: its fingerprints, and the ops that have no partner yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from .fingerprints import Detail, Fingerprints, fingerprints
from .graph import Graph, Node, Port
from .kinds import is_constant


class Side:
    """A graph and its nodes that are not matched yet.

    Attributes:
        graph: the graph.
        free: the nodes without a partner, in order.
        prints: gives the fingerprints of a level of detail, computed when first asked for.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.free = dict.fromkeys(graph.nodes)
        self.prints: Callable[[Detail], Fingerprints] = cache(lambda detail: fingerprints(graph, detail))

    def order(self, *, by_name: bool) -> list[object]:
        """Puts two sides in the same order whichever is given first; equal only where nothing tells them apart."""
        exact = self.prints(Detail.VALUES)
        return [(exact.before[n], exact.after[n], n.name if by_name else "") for n in self.graph.nodes]

    def grouped(
        self, key: Callable[[Side, Node], object], among: Callable[[Node], bool] | None = None
    ) -> dict[object, list[Node]]:
        """The free nodes by what `key` says of them; those of which it says None are left out."""
        found: dict[object, list[Node]] = {}
        for node in self.free:
            if among is None or among(node):
                found.setdefault(key(self, node), []).append(node)
        found.pop(None, None)
        return found

    def alike(self, nodes: Iterable[Node], detail: Detail) -> dict[bytes, list[Node]]:
        """Those of some nodes that are free, by their own fingerprints."""
        own = self.prints(detail).own
        found: dict[bytes, list[Node]] = {}
        for node in nodes:
            if node in self.free:
                found.setdefault(own[node], []).append(node)
        return found

    def behind(self, var: Any, skipped: int) -> tuple[Node, Port] | None:
        """The free op that a value comes from, or the one before it; None where there is none."""
        while var is not None and not is_constant(var):
            node, port = self.graph.source(var)
            if node not in self.free:
                return None
            if not skipped:
                return node, port
            var, skipped = self._passed(node)[0], skipped - 1
        return None

    def ahead(self, var: Any, skipped: int) -> dict[str, list[Node]]:
        """The free ops that take a value, or those after them, by the parameter that they take it as."""
        found: dict[str, list[Node]] = {}
        for node, parameter in self._users(var):
            if not skipped:
                found.setdefault(parameter, []).append(node)
                continue
            after = self._passed(node)[1]
            for name, nodes in self.ahead(after, skipped - 1).items() if after is not None else ():
                found.setdefault(name, []).extend(nodes)
        return found

    def _users(self, var: Any) -> Iterator[tuple[Node, str]]:
        """Each op once for each parameter."""
        users = ((node, port[0]) for node, port in self.graph.users.get(id(var), ()) if node in self.free)
        yield from dict.fromkeys(users)

    def _passed(self, node: Node) -> tuple[Any, Any]:
        """What goes into an op and comes out of it, if that is one value each and it could be skipped; else Nones."""
        values = [var for var in node.uses.values() if not is_constant(var)]
        if node.op is None or len(values) != 1 or len(node.defines) != 1:
            return None, None
        return values[0], next(iter(node.defines.values()))

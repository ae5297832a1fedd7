"""Which op of one function is which of another.

In this order, each step on what the steps before left:

1. Names that the surroundings confirm: same type and name, and all before or all after the op is the same.
2. Names that the surroundings contradict: where a whole beginning or end of the function stands under names that have
   moved on, as when a converter numbers ops anew, the surroundings decide.
3. Same type and name.
4. Surroundings: all before and after an op is the same; or all before it; or all after it; constants compared by value,
   then by type, then not at all. An op whose weights no other op has is the one that has them too.
5. Neighbours: from ops that are matched to those that their inputs come from and their outputs go to; where these are
   not alike, to the ones behind them, so that what stands between two inserted ops is found.
6. What is computed in the same way from the same values, in order: of equal branches some may have come or gone.
7. The same name alone: an op that gave way to one of another type.

Everything is a look-up by fingerprint, so that the time grows with the number of ops and of their inputs; the result is
the same from both sides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from .fingerprints import Detail, has_weight
from .graph import Graph, Node
from .sides import Side

Key = Callable[[Side, Node], object]
Pair = tuple[Node, Node]

# How many ops are skipped on either side on the way to a neighbour: none; and up to a quantize and a dequantize.
_NEXT = ((0, 0),)
_NEAR = (*_NEXT, (0, 1), (1, 0), (1, 1), (0, 2), (2, 0))


def match(left: Graph, right: Graph, *, by_name: bool = True) -> dict[Node, Node]:
    """Pairs of corresponding ops, in the order of the left function; the functions themselves are one of them.

    Args:
        left: a function.
        right: another.
        by_name: names say something about which op is which.
    """
    one, other = Side(left), Side(right)
    if one.order(by_name=by_name) <= other.order(by_name=by_name):
        pairs = _Matcher(one, other).run(by_name=by_name)
    else:
        pairs = {a: b for b, a in _Matcher(other, one).run(by_name=by_name).items()}
    return dict(sorted(pairs.items(), key=lambda pair: pair[0].order))


class _Matcher:
    def __init__(self, left: Side, right: Side) -> None:
        self._left, self._right = left, right
        self._pairs: dict[Node, Node] = {}

    def run(self, *, by_name: bool) -> dict[Node, Node]:
        """All pairs."""
        self._pair(self._left.graph.root, self._right.graph.root)
        if by_name:
            self._match_names()
        self._match_surroundings(Detail.VALUES)
        self._match_groups(_content, alone=True)
        for detail in (Detail.TYPES, Detail.KINDS):
            self._match_surroundings(detail)
        for reach in (_NEXT, _NEAR):
            self._spread(reach, alone=True)
            self._spread(reach, alone=False)
        for detail in Detail:
            self._match_groups(_before(detail), alone=False)
        if by_name:
            self._match_groups(lambda _, node: node.name, alone=True)
        return self._pairs

    def _match_names(self) -> None:
        exact = Detail.VALUES
        for surroundings in (_before(exact), _after(exact)):
            self._match_groups(_both(_name, surroundings), alone=True)
        contested = self._left.grouped(_name).keys() & self._right.grouped(_name).keys()
        self._match_surroundings(exact, lambda node: (node.op_type, node.name) in contested)
        self._match_groups(_name, alone=False)

    def _match_surroundings(self, detail: Detail, among: Callable[[Node], bool] | None = None) -> None:
        if self._left.free and self._right.free:
            self._match_groups(_both(_before(detail), _after(detail)), among, alone=False)
            self._match_groups(_before(detail), among, alone=True)
            self._match_groups(_after(detail), among, alone=True)

    def _match_groups(self, key: Key, among: Callable[[Node], bool] | None = None, *, alone: bool) -> None:
        """Pairs nodes of equal keys: only those that share it with no other, or each with the next in order."""
        theirs = self._right.grouped(key, among)
        for value, ours in self._left.grouped(key, among).items():
            others = theirs.get(value, [])
            if not alone or len(ours) == len(others) == 1:
                for one, other in zip(ours, others, strict=False):
                    self._pair(one, other)

    def _pair(self, one: Node, other: Node) -> None:
        self._pairs[one] = other
        del self._left.free[one], self._right.free[other]

    def _spread(self, reach: tuple[tuple[int, int], ...], *, alone: bool) -> None:
        """Goes from pair to pair along inputs and outputs; the nearest and most alike neighbours are taken first."""
        waiting = deque(self._pairs.items())
        while waiting and self._left.free and self._right.free:
            one, other = waiting.popleft()
            for skipped in reach:
                for detail in Detail:
                    waiting += self._match_sources(one, other, detail, skipped)
                    waiting += self._match_users(one, other, detail, skipped, alone=alone)

    def _match_sources(self, one: Node, other: Node, detail: Detail, skipped: tuple[int, int]) -> Iterator[Pair]:
        for port, var in one.uses.items():
            mine = self._left.behind(var, skipped[0])
            theirs = self._right.behind(other.uses.get(port), skipped[1])
            if mine and theirs and mine[1] == theirs[1]:
                yield from self._match_alike([mine[0]], [theirs[0]], detail, alone=True)

    def _match_users(
        self, one: Node, other: Node, detail: Detail, skipped: tuple[int, int], *, alone: bool
    ) -> Iterator[Pair]:
        for port, var in one.defines.items():
            mine = self._left.ahead(var, skipped[0])
            theirs = self._right.ahead(other.defines.get(port), skipped[1]) if mine else {}
            for parameter in mine:
                yield from self._match_alike(mine[parameter], theirs.get(parameter, []), detail, alone=alone)

    def _match_alike(self, ours: list[Node], theirs: list[Node], detail: Detail, *, alone: bool) -> Iterator[Pair]:
        """Pairs those of equal fingerprints, if there is one on each side, or as many."""
        groups = self._right.alike(theirs, detail)
        for value, mine in self._left.alike(ours, detail).items():
            others = groups.get(value, [])
            if len(mine) == len(others) == 1 or (not alone and len(mine) == len(others)):
                for pair in zip(mine, others, strict=True):
                    self._pair(*pair)
                    yield pair


def _name(_: Side, node: Node) -> object:
    return node.op_type, node.name


def _content(side: Side, node: Node) -> object:
    return side.prints(Detail.VALUES).own[node] if has_weight(node) else None


def _before(detail: Detail) -> Key:
    return lambda side, node: side.prints(detail).before[node]


def _after(detail: Detail) -> Key:
    return lambda side, node: side.prints(detail).after[node]


def _both(first: Key, second: Key) -> Key:
    return lambda side, node: (first(side, node), second(side, node))

"""Places for boxes and ways for arrows: layers from top to bottom, few crossings, short ways.

The usual three steps of layered drawing: a layer for each box, so that arrows point down; an order within each layer,
by sweeps that put every box near the middle of its neighbours; then coordinates. Arrows over several layers are given a
way through each by points that take part as boxes without a size. All steps are linear in boxes, points and arrows,
but for sorting within layers.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence

import attrs
import networkx as nx

SWEEPS = 8
LONGEST_WAY = 40  # layers; longer arrows go straight, lest a deep model has more points than boxes
GAP, LAYER_GAP, MARGIN = 18.0, 36.0, 20.0  # pixels
_LATE_WEIGHT, _POINT_WEIGHT = 0.02, 3.0  # how much an item pulls, beside 1 of a box: long arrows shall be straight


@attrs.frozen
class Size:
    """Of a box, in pixels."""

    width: float
    height: float


@attrs.frozen
class Point:
    """A place, in pixels from the top left corner."""

    x: float
    y: float


@attrs.frozen
class Layout:
    """Where everything stands.

    Attributes:
        size: of the whole.
        boxes: the middle of each box's upper edge.
        ways: for each arrow the points that it goes through, from a box's lower edge to another's upper edge. They
            come in pairs: a curve leads from one layer to the next, a straight line through a layer.
    """

    size: Size
    boxes: tuple[Point, ...]
    ways: tuple[tuple[Point, ...], ...]


def lay_out(sizes: Sequence[Size], arrows: Sequence[tuple[int, int]], late: Collection[int] = ()) -> Layout:
    """Places boxes and arrows.

    Args:
        sizes: of the boxes.
        arrows: from box to box, by their places in `sizes`; without circles.
        late: boxes that stand as near to their users as they can, and make room for others: constants.
    """
    net = _Net(sizes, arrows, late)
    for downwards in itertools.islice(itertools.cycle((True, False)), SWEEPS):
        net.reorder(downwards=downwards)
    net.pack()
    for downwards in itertools.islice(itertools.cycle((True, False)), SWEEPS):
        net.align(downwards=downwards)
    return net.layout()


def layers_of(count: int, arrows: Iterable[tuple[int, int]], late: Collection[int] = ()) -> list[int]:
    """The layer of each box: right below all that lead to it, or, of a late one, right above its first user."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(arrows)
    generations = list(nx.topological_generations(graph))
    found = {box: layer for layer, members in enumerate(generations) for box in members}
    for box in itertools.chain.from_iterable(reversed(generations)):
        if box in late and graph.succ[box]:
            found[box] = min(found[user] for user in graph.succ[box]) - 1
    return [found[box] for box in range(count)]


class _Net:
    """Boxes, and the points on the ways of arrows, in layers; both are items, counted from 0, boxes first."""

    def __init__(self, sizes: Sequence[Size], arrows: Sequence[tuple[int, int]], late: Collection[int]) -> None:
        self._sizes = list(sizes)
        self._boxes = len(sizes)
        self._layer = layers_of(len(sizes), arrows, late)
        self._weight = [_LATE_WEIGHT if box in late else 1.0 for box in range(len(sizes))]
        self._points: dict[tuple[int, int], int] = {}
        self._ways = [self._way(source, target) for source, target in arrows]
        self._above: list[list[int]] = [[] for _ in self._sizes]
        self._below: list[list[int]] = [[] for _ in self._sizes]
        for upper, lower in dict.fromkeys(pair for way in self._ways for pair in itertools.pairwise(way)):
            self._below[upper].append(lower)
            self._above[lower].append(upper)
        self._layers: list[list[int]] = [[] for _ in range(max(self._layer, default=-1) + 1)]
        for item in self._in_reading_order():
            self._layers[self._layer[item]].append(item)
        self._x = [0.0] * len(self._sizes)

    def _way(self, source: int, target: int) -> list[int]:
        """The items of an arrow; arrows from one box share the points on their common way."""
        first, last = self._layer[source] + 1, self._layer[target]
        inner = range(first, last) if last - first < LONGEST_WAY else ()
        return [source, *(self._point(source, layer) for layer in inner), target]

    def _point(self, source: int, layer: int) -> int:
        if (source, layer) not in self._points:
            self._points[source, layer] = len(self._sizes)
            self._sizes.append(Size(0.0, 0.0))
            self._layer.append(layer)
            self._weight.append(_POINT_WEIGHT)
        return self._points[source, layer]

    def _in_reading_order(self) -> list[int]:
        """Items in the order in which ways reach them, so that what belongs together begins together."""
        seen: dict[int, None] = {}
        for start in range(self._boxes):
            stack = [] if start in seen or self._above[start] else [start]
            while stack:
                item = stack.pop()
                if item not in seen:
                    seen[item] = None
                    stack.extend(reversed(self._below[item]))
        return list(seen)

    def reorder(self, *, downwards: bool) -> None:
        """Sorts each layer by the middle of its items' neighbours in the layer before."""
        neighbours = self._above if downwards else self._below
        place = [0.0] * len(self._sizes)
        for layer in self._layers:
            _number(layer, place)
        for layer in self._layers if downwards else reversed(self._layers):
            wanted = {item: self._middle(neighbours[item], place, place[item]) for item in layer}
            layer.sort(key=wanted.__getitem__)
            _number(layer, place)

    def pack(self) -> None:
        """Puts the items of each layer side by side, around one middle."""
        for layer in self._layers:
            offsets = self._offsets(layer)
            for item, offset in zip(layer, offsets, strict=True):
                self._x[item] = offset - offsets[-1] / 2

    def align(self, *, downwards: bool) -> None:
        """Moves items under the middle of their neighbours, as far as those beside them leave room."""
        neighbours = self._above if downwards else self._below
        for layer in self._layers if downwards else reversed(self._layers):
            offsets = self._offsets(layer)
            wanted = (self._middle(neighbours[item], self._x, self._x[item]) for item in layer)
            weights = [self._weight[item] for item in layer]
            free = rising([x - offset for x, offset in zip(wanted, offsets, strict=True)], weights)
            for item, x, offset in zip(layer, free, offsets, strict=True):
                self._x[item] = x + offset

    def _middle(self, items: list[int], places: list[float], otherwise: float) -> float:
        weight = sum(self._weight[item] for item in items)
        return sum(places[item] * self._weight[item] for item in items) / weight if items else otherwise

    def _offsets(self, layer: list[int]) -> list[float]:
        """How far each item is at least from the layer's first."""
        widths = [self._sizes[item].width for item in layer]
        steps = ((left + right) / 2 + GAP for left, right in itertools.pairwise(widths))
        return list(itertools.accumulate(steps, initial=0.0))

    def layout(self) -> Layout:
        """The result, moved so that everything has positive coordinates."""
        heights = [max(self._sizes[item].height for item in layer) for layer in self._layers]
        tops = list(itertools.accumulate((height + LAYER_GAP for height in heights), initial=MARGIN))
        left = min((self._x[item] - size.width / 2 for item, size in enumerate(self._sizes)), default=0.0)
        right = max((self._x[item] + size.width / 2 for item, size in enumerate(self._sizes)), default=0.0)
        places = [Point(x - left + MARGIN, tops[self._layer[item]]) for item, x in enumerate(self._x)]
        ways = tuple(tuple(self._through(way, places, heights)) for way in self._ways)
        size = Size(right - left + 2 * MARGIN, tops[-1] - LAYER_GAP + MARGIN if heights else 2 * MARGIN)
        return Layout(size, tuple(places[: self._boxes]), ways)

    def _through(self, way: list[int], places: list[Point], heights: list[float]) -> Iterable[Point]:
        for item in way:
            top = places[item]
            if item != way[0]:
                yield top
            if item != way[-1]:
                height = self._sizes[item].height if item < self._boxes else heights[self._layer[item]]
                yield Point(top.x, top.y + height)


def rising(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The numbers nearest to `wanted`, by weighted least squares, none of which is smaller than the one before.

    Neighbours in the wrong order are merged into groups at their mean, from left to right.
    """
    groups: list[tuple[float, float, int]] = []  # the sum, its weight, how many
    for value, own in zip(wanted, weights, strict=True):
        total, weight, count = value * own, own, 1
        while groups and groups[-1][0] / groups[-1][1] > total / weight:
            before, heaviness, members = groups.pop()
            total, weight, count = total + before, weight + heaviness, count + members
        groups.append((total, weight, count))
    return [total / weight for total, weight, count in groups for _ in range(count)]


def _number(layer: list[int], place: list[float]) -> None:
    for index, item in enumerate(layer):
        place[item] = float(index)

"""A picture of a program as text for Graphviz: `dot -Tpdf` makes a drawing of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import attrs

from .picture import COLORS, Box, Picture

# A zero byte ends a string for Graphviz; all else may stand in quotes.
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "", "\0": "\ufffd"})


def dot(picture: Picture) -> str:
    """The text of a `.dot` file; nested blocks are clusters, and so are functions where there are several."""
    several = len({box.node.function for box in picture.boxes}) > 1
    placed = [
        _Placed(place, box, ((f"function {box.node.function}",) if several else ()) + box.node.blocks)
        for place, box in enumerate(picture.boxes)
    ]
    lines = [
        "digraph {",
        f"  graph [label={_quoted(picture.title)}, labelloc=t, fontname=monospace];",
        "  node [shape=box, style=filled, fontname=monospace, fontsize=10];",
        "  edge [fontname=monospace, fontsize=8];",
        *_cluster(placed, 0, itertools.count()),
    ]
    for arrow in picture.arrows:
        attributes = f"label={_quoted(arrow.label)}, tooltip={_quoted(arrow.title)}"
        lines.append(f"  n{arrow.source} -> n{arrow.target} [{attributes}];")
    return "\n".join([*lines, "}", ""])


@attrs.frozen
class _Placed:
    """A box, its place in the picture, and the clusters around it."""

    place: int
    box: Box
    clusters: tuple[str, ...]


def _cluster(members: list[_Placed], depth: int, numbers: Iterator[int]) -> Iterator[str]:
    """The boxes of one cluster, and the clusters in it."""
    inner: dict[str, list[_Placed]] = {}
    for each in members:
        if len(each.clusters) > depth:
            inner.setdefault(each.clusters[depth], []).append(each)
        else:
            yield "  " * (depth + 1) + _node(each)
    indent = "  " * (depth + 1)
    for name, contents in inner.items():
        yield f"{indent}subgraph cluster_{next(numbers)} {{"
        yield f"{indent}  label={_quoted(name)};"
        yield from _cluster(contents, depth + 1, numbers)
        yield f"{indent}}}"


def _node(placed: _Placed) -> str:
    fill, stroke = COLORS[placed.box.node.kind]
    label, tooltip = _quoted("\n".join(placed.box.lines)), _quoted(placed.box.title)
    return f'n{placed.place} [label={label}, tooltip={tooltip}, fillcolor="{fill}", color="{stroke}"];'


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'

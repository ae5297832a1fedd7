"""A picture of a program as SVG, which browsers show; tooltips say what does not fit into the boxes."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator

from .layout import MARGIN, Layout, Point, Size, lay_out
from .picture import COLORS, Box, Picture

_CHARACTER, _LINE, _PADDING = 6.7, 15.0, 9.0  # of 11 pixel monospace letters
_HEAD = 44.0  # the height of title and legend
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = """
  text { font: 11px ui-monospace, Menlo, Consolas, monospace; text-anchor: middle; fill: #222; }
  .head { text-anchor: start; font-size: 13px; }
  .legend { text-anchor: start; }
  .first { font-weight: bold; }
  .arrow path { fill: none; stroke: #777; stroke-width: 1.2; marker-end: url(#tip); }
  .arrow:hover path { stroke: #d00; stroke-width: 2.5; }
  .nested rect { stroke-dasharray: 4 2; }
"""


def svg(picture: Picture) -> str:
    """The text of an SVG file.

    Each box is a group of the class `box` that carries the name of its node as `data-name`, each arrow one of the
    class `arrow`; both have a `title`. Boxes of nested blocks have dashed edges.
    """
    late = {place for place, box in enumerate(picture.boxes) if box.node.kind in ("input", "constant", "compressed")}
    arrows = [(arrow.source, arrow.target) for arrow in picture.arrows]
    layout = lay_out([_size(box) for box in picture.boxes], arrows, late)
    return "\n".join([*_head(picture, layout.size), *_arrows(picture, layout), *_boxes(picture, layout), "</svg>", ""])


def _size(box: Box) -> Size:
    letters = max(map(len, box.lines), default=0)
    return Size(letters * _CHARACTER + 2 * _PADDING, len(box.lines) * _LINE + _PADDING)


def _head(picture: Picture, size: Size) -> Iterator[str]:
    legend = list(itertools.accumulate((len(kind) * _CHARACTER + 34 for kind in COLORS), initial=MARGIN))
    width = max(size.width, legend[-1], len(picture.title) * 8 + 2 * MARGIN)
    height = size.height + _HEAD
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">'
    )
    yield f"<title>{_escaped(picture.title)}</title>"
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" fill="#777"/></marker></defs>'
    )
    yield '<rect width="100%" height="100%" fill="white"/>'
    yield f'<text class="head" x="{MARGIN:.0f}" y="20">{_escaped(picture.title)}</text>'
    for left, (kind, colors) in zip(legend, COLORS.items(), strict=False):
        yield _rectangle(left, 29, Size(12, 12), colors)
        yield f'<text class="legend" x="{left + 17:.0f}" y="39">{kind}</text>'


def _arrows(picture: Picture, layout: Layout) -> Iterator[str]:
    for arrow, way in zip(picture.arrows, layout.ways, strict=True):
        yield f'<g class="arrow"><title>{_escaped(arrow.title)}</title><path d="{_path(way)}"/></g>'


def _path(way: tuple[Point, ...]) -> str:
    """A curve from layer to layer, a straight line through each layer between them."""
    parts = [f"M {way[0].x:.1f} {way[0].y + _HEAD:.1f}"]
    for index, (start, end) in enumerate(itertools.pairwise(way)):
        middle = (start.y + end.y) / 2 + _HEAD
        curve = f"C {start.x:.1f} {middle:.1f} {end.x:.1f} {middle:.1f}" if index % 2 == 0 else "L"
        parts.append(f"{curve} {end.x:.1f} {end.y + _HEAD:.1f}")
    return " ".join(parts)


def _boxes(picture: Picture, layout: Layout) -> Iterator[str]:
    for box, place in zip(picture.boxes, layout.boxes, strict=True):
        size, top = _size(box), place.y + _HEAD
        nested = " nested" if box.node.blocks else ""
        yield f'<g class="box{nested}" data-name="{_escaped(box.node.name)}"><title>{_escaped(box.title)}</title>'
        yield _rectangle(place.x - size.width / 2, top, size, COLORS[box.node.kind])
        for index, line in enumerate(box.lines):
            weight = ' class="first"' if index == 0 else ""
            y = top + _PADDING / 2 + _LINE * (index + 0.75)
            yield f'<text{weight} x="{place.x:.1f}" y="{y:.1f}">{_escaped(line)}</text>'
        yield "</g>"


def _rectangle(left: float, top: float, size: Size, colors: tuple[str, str]) -> str:
    fill, stroke = colors
    place = f'x="{left:.1f}" y="{top:.1f}" width="{size.width:.1f}" height="{size.height:.1f}"'
    return f'<rect {place} rx="4" fill="{fill}" stroke="{stroke}"/>'


def _escaped(text: str) -> str:
    """Text for XML, which can not write most control characters: a sign for "unknown" stands for them."""
    return html.escape(_NOT_IN_XML.sub("\ufffd", text))

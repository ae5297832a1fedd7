"""Drawings of programs: everything is in them once, boxes do not overlap, and the files are well formed."""

from __future__ import annotations

import itertools
import re
import time
import xml.etree.ElementTree as ET
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from milopt.ir.graphs.def_use import Graph, def_use_graph, named
from milopt.ir.graphs.dot import dot
from milopt.ir.graphs.layout import Layout, Size, lay_out, layers_of, rising
from milopt.ir.graphs.picture import LONGEST_LINE, picture
from milopt.ir.graphs.records import OpNode
from milopt.ir.graphs.svg import svg
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.ir.walking import walk
from support.editing import find_op
from support.program_registry import build_program, fp16
from support.programs import PROGRAMS, weights

SVG = "{http://www.w3.org/2000/svg}"
QUOTED = r'"(?:[^"\\]|\\.)*"'
ODD_NAME = 'a "b" \\ <c> & d\x01\n]]>'


def graph_of(name: str) -> Graph:
    return def_use_graph(PROGRAMS[name]())


def boxes_in(text: str) -> list[str]:
    """The names of the boxes of an SVG, which has to parse."""
    root = ET.fromstring(text)  # noqa: S314 - our own text
    return [each.get("data-name", "") for each in root.iter(f"{SVG}g") if "box" in each.get("class", "").split()]


def boxes(name: str, **options: Any) -> dict[str, Any]:
    return {box.node.name: box for box in picture(graph_of(name), "", **options).boxes if box.node.kind != "output"}


# --- what is drawn


@pytest.mark.parametrize("name", PROGRAMS)
def test_svg_holds_every_node_once(name: str) -> None:
    graph = graph_of(name)
    text = svg(picture(graph, name, fold=False))
    assert Counter(boxes_in(text)) == Counter(node.name for node in graph)
    assert text.count('<g class="arrow">') == graph.number_of_edges()


@pytest.mark.parametrize("name", PROGRAMS)
def test_folding_takes_away_small_constants_only(name: str) -> None:
    graph = graph_of(name)
    drawn = picture(graph, name)
    folded = set(graph) - {box.node for box in drawn.boxes}
    assert all(isinstance(node, OpNode) and node.op_type == "const" for node in folded)
    assert all(np.size(node.op.val.val) < 10 for node in folded if isinstance(node.op.val.val, np.ndarray))
    assert len(drawn.arrows) == sum(1 for source, _ in graph.edges if source not in folded)
    assert Counter(boxes_in(svg(drawn))) == Counter(box.node.name for box in drawn.boxes)


def test_box_says_what_its_op_is() -> None:
    box = boxes("conv_groups")["conv"]
    assert box.lines[:3] == ("conv", "conv", "fp16[1, 20, 15, 11]")
    assert "strides=[1, 2]" in box.lines[3]
    lines = box.title.splitlines()
    assert lines[0] == "conv conv in main"
    assert "groups = conv_groups_0: int32 = 2" in lines
    assert "weight = conv_weight_0: tensor<fp16, [20, 12, 3, 3]>" in lines
    assert lines[-1] == "gives conv: tensor<fp16, [1, 20, 15, 11]>"


def test_arrow_says_what_goes_along_it() -> None:
    drawn = picture(graph_of("variadic"), "")
    place = {box.node.name: index for index, box in enumerate(drawn.boxes)}
    (arrow,) = [each for each in drawn.arrows if (each.source, each.target) == (place["split"], place["joined"])]
    assert arrow.label == "fp16[10, 10], fp16[10, 30]"
    assert arrow.title.splitlines()[:2] == [
        "values = split_1: tensor<fp16, [10, 10]>",
        "values = split_0: tensor<fp16, [10, 30]>",
    ]


def test_constant_that_is_asked_for_or_given_back_is_not_folded() -> None:
    graph = graph_of("cond")
    (asked,) = named(graph, "chosen_dtype_0")
    assert asked not in [box.node for box in picture(graph, "").boxes]
    assert asked in [box.node for box in picture(graph, "", keep=[asked]).boxes]
    given_back = build_program(lambda x: (mb.relu(x=x), mb.const(val=2, name="two")), IOS17, x=fp16(1, 4))
    assert "two" in boxes_in(svg(picture(def_use_graph(given_back), "")))


def test_long_names_keep_both_ends() -> None:
    program = PROGRAMS["linear_chain"]()
    find_op(program, "relu").name = "begin_" + "x" * 100 + "_end"
    lines = [line for box in picture(def_use_graph(program), "").boxes for line in box.lines]
    (line,) = [line for line in lines if line.startswith("begin_")]
    assert line.endswith("_end")
    assert max(map(len, lines)) == LONGEST_LINE == len(line)


# --- files


def odd_graph() -> Graph:
    program = PROGRAMS["linear_chain"]()
    find_op(program, "relu").name = ODD_NAME
    return def_use_graph(program)


def test_odd_names_are_escaped_in_svg() -> None:
    text = svg(picture(odd_graph(), ODD_NAME))
    (found,) = [name for name in boxes_in(text) if name.startswith("a ")]
    assert re.sub(r"\s", " ", found) == 'a "b" \\ <c> & d\ufffd ]]>'


def test_odd_names_are_quoted_in_dot() -> None:
    text = dot(picture(odd_graph(), ODD_NAME))
    assert '\\"b\\" \\\\ <c> & d\x01\\n]]>' in text
    require_dot(text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_dot_is_well_formed_and_whole(name: str) -> None:
    drawn = picture(graph_of(name), name)
    text = dot(drawn)
    require_dot(text)
    assert len(re.findall(r"^ *n\d+ \[", text, re.MULTILINE)) == len(drawn.boxes)
    found = re.findall(r"^  n(\d+) -> n(\d+) \[", text, re.MULTILINE)
    assert [(int(source), int(target)) for source, target in found] == [(a.source, a.target) for a in drawn.arrows]


def require_dot(text: str) -> None:
    """Asserts that a text is a graph of statements, each on a line, with braces in pairs."""
    value = rf"(?:{QUOTED}|\w+)"
    attributes = rf"\[\w+={value}(?:, \w+={value})*\];"
    statements = [
        r"digraph \{", r"subgraph cluster_\d+ \{", r"\}", rf"label={QUOTED};", rf"(?:graph|node|edge) {attributes}",
        rf"n\d+ {attributes}", rf"n\d+ -> n\d+ {attributes}",
    ]  # fmt: skip
    lines = text.splitlines() if "\x01" not in text else text.split("\n")
    for line in lines:
        assert not line.strip() or any(re.fullmatch(each, line.strip()) for each in statements), line
    bare = re.sub(QUOTED, "", text)
    assert bare.count("{") == bare.count("}") == 1 + bare.count("subgraph")


def test_blocks_and_functions_are_clusters() -> None:
    nested = dot(picture(graph_of("cond_in_loop"), ""))
    labels = re.findall(rf"^ +label=({QUOTED});$", nested, re.MULTILINE)
    assert labels == ['"loop[0]"', '"loop[1]"', '"choice[0]"', '"choice[1]"']
    inner = nested[nested.index('"choice[1]"') :]
    assert "mul\\nhalved" in inner[: inner.index("}")]
    functions = dot(picture(graph_of("two_functions"), ""))
    assert re.findall(r'label="(function \w+)"', functions) == ["function encode", "function decode"]
    assert "cluster" not in dot(picture(graph_of("linear_chain"), ""))


def test_same_program_gives_the_same_files() -> None:
    for write in (svg, dot):
        first, second = (write(picture(graph_of("attention"), "")) for _ in range(2))
        assert first == second


# --- layout


@st.composite
def nets(draw: st.DrawFn) -> tuple[list[Size], list[tuple[int, int]], set[int]]:
    """Boxes of any size, arrows from earlier to later ones, and some late boxes."""
    count = draw(st.integers(0, 25))
    sizes = [Size(draw(st.integers(1, 300)), draw(st.integers(1, 90))) for _ in range(count)]
    pairs = list(itertools.combinations(range(count), 2))
    arrows = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=60)) if pairs else []
    return sizes, arrows, draw(st.sets(st.integers(0, max(count - 1, 0))))


def overlaps(layout: Layout, sizes: list[Size]) -> list[tuple[int, int]]:
    found = []
    for (i, a), (j, b) in itertools.combinations(enumerate(layout.boxes), 2):
        apart = abs(a.x - b.x) - (sizes[i].width + sizes[j].width) / 2
        if apart < -1e-6 and a.y < b.y + sizes[j].height and b.y < a.y + sizes[i].height:
            found.append((i, j))
    return found


@given(nets())
def test_boxes_stand_apart_inside_and_arrows_point_down(
    net: tuple[list[Size], list[tuple[int, int]], set[int]],
) -> None:
    sizes, arrows, late = net
    layout = lay_out(sizes, arrows, late)
    assert overlaps(layout, sizes) == []
    for place, size in zip(layout.boxes, sizes, strict=True):
        assert place.x - size.width / 2 >= 0
        assert place.x + size.width / 2 <= layout.size.width
        assert 0 <= place.y <= layout.size.height - size.height
    for (source, target), way in zip(arrows, layout.ways, strict=True):
        assert (way[0].x, way[0].y) == (layout.boxes[source].x, layout.boxes[source].y + sizes[source].height)
        assert way[-1] == layout.boxes[target]
        assert all(upper.y < lower.y for upper, lower in itertools.pairwise(way[::2]))
        assert len(way) % 2 == 0


def test_late_boxes_stand_above_their_users() -> None:
    arrows = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 3)]
    assert layers_of(6, arrows) == [0, 1, 2, 3, 0, 1]
    assert layers_of(6, arrows, late={4, 5}) == [0, 1, 2, 3, 1, 2]


def test_crossings_are_taken_out() -> None:
    sizes = [Size(50, 20)] * 8
    layout = lay_out(sizes, [(0, 7), (1, 6), (2, 5), (3, 4)])
    upper = sorted(range(4), key=lambda box: layout.boxes[box].x)
    lower = sorted(range(4, 8), key=lambda box: layout.boxes[box].x)
    assert [7 - box for box in upper] == lower


def crossings(layout: Layout, arrows: list[tuple[int, int]]) -> int:
    """How many pairs of arrows between two layers cross."""
    ends = [(layout.boxes[source].x, layout.boxes[target].x) for source, target in arrows]
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))


def test_sweeps_take_out_crossings(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, random = [Size(50, 20)] * 40, np.random.default_rng(3)
    arrows = [(int(upper), int(lower)) for upper in range(20) for lower in random.integers(20, 40, 2)]
    swept = crossings(lay_out(sizes, arrows), arrows)
    monkeypatch.setattr("milopt.ir.graphs.layout.SWEEPS", 0)
    assert swept < 0.7 * crossings(lay_out(sizes, arrows), arrows)


def test_chain_is_straight_beside_its_constants() -> None:
    sizes = [Size(80, 20)] * 9
    layout = lay_out(sizes, [(0, 1), (1, 2), (3, 1), (4, 1), (5, 2), (6, 2)], late={3, 4, 5, 6})
    middles = [layout.boxes[box].x for box in (0, 1, 2)]
    assert max(middles) - min(middles) < 20


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.1, 10)), min_size=1, max_size=12))
def test_rising_numbers_rise_and_are_the_nearest(pairs: list[tuple[float, float]]) -> None:
    wanted, heavy = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = rising(wanted, heavy)
    assert all(later >= before - 1e-9 for before, later in itertools.pairwise(found))
    # By the formula for isotonic regression: the greatest over starts of the least over ends of weighted means.
    for index in range(len(wanted)):
        best = max(
            min(np.average(wanted[start:end], weights=heavy[start:end]) for end in range(index + 1, len(wanted) + 1))
            for start in range(index + 1)
        )
        assert found[index] == pytest.approx(best, abs=1e-6)


def test_large_program_is_drawn_quickly() -> None:
    def deep(x: Any) -> Any:
        first, kept = x, [x]
        for index in range(500):
            y = mb.linear(x=mb.relu(x=x), weight=weights(40, 40, seed=index))
            x = mb.add(x=mb.add(x=y, y=x), y=kept[index // 2])
            kept.append(x)
        return mb.add(x=x, y=first)

    program = build_program(deep, IOS17, x=fp16(1, 40))
    assert len(list(walk(program))) > 2500
    start = time.perf_counter()
    text = svg(picture(def_use_graph(program), ""))
    assert time.perf_counter() - start < 8
    assert len(boxes_in(text)) > 2500

"""Graphs of programs: every use is an edge, whatever the program is built of, and slices and dominators follow."""

from __future__ import annotations

import itertools
import time
from typing import Any

import networkx as nx
import numpy as np
import pytest
from milopt.ir.errors import ProgramError
from milopt.ir.graphs.def_use import Graph, def_use_graph, edge_between, named, nodes, ops
from milopt.ir.graphs.dominators import dominators, post_dominators
from milopt.ir.graphs.records import BlockInputNode, InputNode, Node, OpNode, OutputNode
from milopt.ir.graphs.slices import around, backward_slice, forward_slice, nodes_around
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17, IOS18
from milopt.ir.walking import blocks_of, input_values, walk
from support.editing import find_op
from support.program_registry import build_program, fp16, int32, state
from support.programs import PROGRAMS


def graph_of(name: str) -> Graph:
    return def_use_graph(PROGRAMS[name]())


def one(graph: Graph, name: str) -> Node:
    (found,) = named(graph, name)
    return found


def names(found: Any) -> list[str]:
    return [node.name for node in found]


def computed(found: Any) -> list[str]:
    """The names of nodes that are no constants."""
    return [node.name for node in found if not (isinstance(node, OpNode) and node.is_constant)]


def uses(graph: Graph, source: str, target: str) -> list[str]:
    return [str(use) for use in edge_between(graph, one(graph, source), one(graph, target)).uses]


def diamond(x: Any) -> Any:
    top = mb.relu(x=x, name="top")
    left = mb.tanh(x=top, name="left")
    right = mb.sigmoid(x=mb.mul(x=top, y=np.float16(2), name="twice"), name="right")
    return mb.abs(x=mb.add(x=left, y=right, name="join"), name="end")


def diamond_graph() -> Graph:
    return def_use_graph(build_program(diamond, IOS17, x=fp16(10, 40)))


# --- shapes


def test_chain_is_a_chain() -> None:
    graph = graph_of("linear_chain")
    chain = [node for node in graph if not (isinstance(node, OpNode) and node.is_constant)]
    assert names(chain) == ["x", "first", "relu", "second", "second"]
    assert [type(node) for node in chain] == [InputNode, OpNode, OpNode, OpNode, OutputNode]
    assert all(graph.has_edge(*pair) for pair in itertools.pairwise(chain))
    assert uses(graph, "x", "first") == ["x = x: tensor<fp16, [10, 40]>"]
    assert uses(graph, "first_weight_0", "first") == ["weight = first_weight_0: tensor<fp16, [64, 40]>"]


def test_several_outputs_and_variadic_inputs_share_an_edge() -> None:
    graph = graph_of("variadic")
    assert [value.type for value in one(graph, "split").values] == ["tensor<fp16, [10, 30]>", "tensor<fp16, [10, 10]>"]
    taken = edge_between(graph, one(graph, "split"), one(graph, "joined")).uses
    assert [(use.parameter, use.value.shape) for use in taken] == [
        ("values", (10, 10)),
        ("values", (10, 30)),
        ("values", (10, 10)),
    ]
    outputs = list(nodes(graph, OutputNode))
    assert [output.index for output in outputs] == [0, 1, 2]
    assert [names(graph.predecessors(output)) for output in outputs] == [["topk"], ["topk"], ["same"]]


def test_shared_weight_has_both_users() -> None:
    graph = graph_of("shared_weight")
    shared = [node for node in ops(graph) if node.kind == "constant" and len(graph.succ[node]) == 2]
    assert [value.shape for node in shared for value in node.values] == [(64, 40)]


def test_compressed_constants_are_known() -> None:
    graph = graph_of("lut_of_int8")
    kinds = {node.op_type: node.kind for node in ops(graph) if node.op_type.startswith("constexpr_")}
    assert kinds
    assert set(kinds.values()) == {"compressed"}


def test_state_is_an_input_that_is_read_and_written() -> None:
    graph = graph_of("states")
    assert {node.name: node.is_state for node in nodes(graph, InputNode)} == {"x": False, "cache": True}
    assert one(graph, "cache").values[0].type == "state<tensor<fp16, [1, 64]>>"
    assert names(graph.successors(one(graph, "cache"))) == ["read", "updated"]


def test_functions_stand_apart() -> None:
    graph = graph_of("two_functions")
    assert {node.function for node in graph} == {"encode", "decode"}
    assert all(source.function == target.function for source, target in graph.edges)
    (encode,) = [each for name, each in PROGRAMS["two_functions"]().functions.items() if name == "encode"]
    assert {node.place for node in def_use_graph(encode, name="only")} == {"only"}


def test_choice_depends_on_what_its_branches_give() -> None:
    graph = graph_of("cond")
    assert uses(graph, "yes", "choice") == ["block 0 = yes: tensor<fp16, [10, 64]>"]
    assert uses(graph, "no", "choice") == ["block 1 = no: tensor<fp16, [10, 64]>"]
    assert uses(graph, "chosen", "choice") == ["pred = chosen: bool"]
    assert uses(graph, "outer_weight", "no") == ["weight = outer_weight: tensor<fp16, [64, 40]>"]
    assert [one(graph, name).place for name in ("choice", "yes", "no")] == ["main", "main/choice[0]", "main/choice[1]"]


def test_loop_variables_take_what_the_loop_starts_from() -> None:
    graph = graph_of("while_loop")
    variables = list(nodes(graph, BlockInputNode))
    assert [names(graph.predecessors(variable)) for variable in variables] == [["zero"], ["x"]]
    assert names(graph.successors(variables[1])) == ["step"]
    assert computed(graph.predecessors(one(graph, "loop"))) == ["x", "more", "next", "bounded"]


def test_nested_blocks_have_the_whole_path() -> None:
    graph = graph_of("cond_in_loop")
    assert one(graph, "halved").blocks == ("loop[1]", "choice[1]")
    assert uses(graph, "x_x0", "halved") == ["x = x_x0: tensor<fp16, [10, 40]>"]


def idle_in_a_branch(x: Any, flag: Any, cache: Any) -> Any:
    chosen = mb.cast(x=mb.squeeze(x=flag, name="scalar"), dtype="bool", name="chosen")

    def yes() -> Any:
        mb.coreml_update_state(state=cache, value=mb.tanh(x=x, name="kept"), name="remember")
        return mb.relu(x=x, name="yes")

    return mb.cond(pred=chosen, _true_fn=yes, _false_fn=lambda: mb.abs(x=x, name="no"), name="choice")


def test_owner_runs_what_nothing_takes() -> None:
    program = build_program(idle_in_a_branch, IOS18, x=fp16(1, 40), flag=int32(1), cache=state(1, 40))
    graph = def_use_graph(program)
    assert edge_between(graph, one(graph, "remember"), one(graph, "choice")).uses == ()
    assert {"kept", "remember", "cache"} <= set(names(backward_slice(graph, ["choice"])))
    assert "cache" not in names(backward_slice(graph, ["yes"]))


@pytest.mark.parametrize(
    ("name", "value", "words", "short", "shape"),
    [
        ("linear", "x", "tensor<fp16, [10, 40]>", "fp16[10, 40]", (10, 40)),
        ("flexible", "x", "tensor<fp16, [?, 40]>", "fp16[?, 40]", (None, 40)),
        ("unknown_rank", "filled", "tensor<fp32, [...]>", "fp32[...]", None),
        ("total", "total", "fp32", "fp32", ()),
        ("states", "cache", "state<tensor<fp16, [1, 64]>>", "state<fp16[1, 64]>", (1, 64)),
        ("lists", "made", "list<tensor<fp16, [1, 40]>, 3>", "list<fp16[1, 40], 3>", (1, 40)),
        ("classifier_strings", "labels", "list<string, 12>", "list<string, 12>", ()),
    ],
)
def test_types_are_told_in_words(name: str, value: str, words: str, short: str, shape: Any) -> None:
    (found,) = one(graph_of(name), value).values
    assert (found.type, found.short_type, found.shape) == (words, short, shape)


def test_dictionary_is_told_in_words() -> None:
    graph = graph_of("classifier_integers")
    assert [value.type for value in one(graph, "classify").values] == ["int64", "dict<int64, fp64>"]


# --- every program


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_op_and_every_use_is_there_in_order(name: str) -> None:
    program = PROGRAMS[name]()
    graph = def_use_graph(program)
    assert [node.op for node in sorted(ops(graph), key=lambda node: node.written)] == list(walk(program))
    assert [node.defined for node in graph] == list(range(len(graph)))
    assert all(source.defined < target.defined for source, target in graph.edges)
    nested = sum(len(block.outputs) for block in blocks_of(program))
    variables = sum(1 for node in nodes(graph, BlockInputNode))
    taken = sum(len(edge_between(graph, *edge).uses) for edge in graph.edges)
    assert taken == sum(len(list(input_values(each))) for each in walk(program)) + nested + variables


@pytest.mark.parametrize("name", PROGRAMS)
def test_edges_agree_with_the_ops_inputs(name: str) -> None:
    program = PROGRAMS[name]()
    graph = def_use_graph(program)
    by_op = {node.op: node for node in ops(graph)}
    for operation in walk(program):
        for parameter, var in input_values(operation):
            if var.op is not None and var.op in by_op:
                edge = edge_between(graph, by_op[var.op], by_op[operation])
                assert (parameter, var.name) in [(use.parameter, use.value.name) for use in edge.uses]


def test_value_from_nowhere_is_told() -> None:
    program = PROGRAMS["linear_chain"]()
    function = program.functions["main"]
    function.operations.remove(find_op(program, "first"))
    with pytest.raises(ProgramError, match=r"function 'main', op 'relu': it takes 'first', which is not defined"):
        def_use_graph(program)


def test_ten_thousand_ops_take_no_time() -> None:
    def deep(x: Any) -> Any:
        for _ in range(10_000):
            x = mb.relu(x=x)
        return x

    program = build_program(deep, IOS17, x=fp16(1, 40))
    start = time.perf_counter()
    graph = def_use_graph(program)
    assert len(backward_slice(graph, [program.functions["main"].outputs[0].name])) == 10_001
    assert len(dominators(graph)) == len(graph)
    assert time.perf_counter() - start < 4


# --- slices


@pytest.mark.parametrize("name", PROGRAMS)
def test_slices_are_closed_and_mirror_each_other(name: str) -> None:
    graph = graph_of(name)
    for node in graph:
        if isinstance(node, OutputNode) or len(named(graph, node.name)) > 1:
            continue
        start = one(graph, node.name)
        back, forth = (set(part(graph, [node.name])) for part in (backward_slice, forward_slice))
        assert back == nx.ancestors(graph, start) | {start}
        assert forth == nx.descendants(graph, start) | {start}
        assert all(set(graph.predecessors(each)) <= back for each in back)


def test_slices_end_where_they_are_told_to() -> None:
    graph = graph_of("linear_chain")
    assert computed(backward_slice(graph, ["second"], 0)) == ["second"]
    assert computed(backward_slice(graph, ["second"], 1)) == ["relu", "second"]
    assert computed(backward_slice(graph, ["second"], 2)) == ["first", "relu", "second"]
    assert names(forward_slice(graph, ["first"], 1)) == ["first", "relu"]
    assert computed(backward_slice(graph, ["first", "relu"], 1)) == ["x", "first", "relu"]


def test_slices_keep_to_their_side() -> None:
    graph = diamond_graph()
    assert computed(backward_slice(graph, ["left"])) == ["x", "top", "left"]
    assert computed(forward_slice(graph, ["twice"])) == ["twice", "right", "join", "end", "end"]


def test_around_gives_ops_in_the_programs_order_with_their_constants() -> None:
    graph = graph_of("linear_chain")
    assert names(around(graph, "relu", 0)) == ["relu"]
    found = around(graph, "relu", 1)
    assert [each.name for each in found if each.op_type != "const"] == ["first", "relu", "second"]
    assert {"first_weight_0", "second_weight_0"} <= set(names(found))
    order = list(walk(PROGRAMS["linear_chain"]()))
    assert names(found) == [each.name for each in order if each.name in names(found)]


def test_around_brings_what_constants_are_made_from() -> None:
    graph = graph_of("lut_of_int8")
    user = next(node for node in ops(graph) if node.op_type == "linear")
    found = nodes_around(graph, user.name, 0)
    assert set(found) == {user} | {node for node in nx.ancestors(graph, user) if isinstance(node, OpNode)}
    assert "compressed" in [node.kind for node in found]


def test_constants_are_no_bridges() -> None:
    graph = graph_of("shared_weight")
    shared = next(node for node in ops(graph) if node.kind == "constant" and len(graph.succ[node]) == 2)
    left, right = graph.successors(shared)
    assert right not in nodes_around(graph, left.name, 10)
    assert {left, right} <= set(nodes_around(graph, shared.name, 1))


def test_owner_comes_before_its_blocks_around_an_op() -> None:
    found = [each.name for each in around(graph_of("cond"), "choice", 1) if each.op_type != "const"]
    assert found == ["chosen", "choice", "yes", "no"]


def test_value_names_an_op_where_no_op_is_called_so() -> None:
    graph = graph_of("while_loop")
    assert named(graph, "loop_1") == named(graph, "loop")
    assert isinstance(one(graph, "limit"), InputNode)


@pytest.mark.parametrize(
    "ask", [lambda graph: backward_slice(graph, ["relo"]), lambda graph: forward_slice(graph, ["relu", "relo"]),
            lambda graph: around(graph, "relo", 1)]
)  # fmt: skip
def test_unknown_op_is_told_with_the_nearest(ask: Any) -> None:
    with pytest.raises(ProgramError, match=r"there is no op 'relo' \(did you mean 'relu'\?\)"):
        ask(graph_of("linear_chain"))


# --- dominators


def test_diamond_is_dominated_by_its_top_and_post_dominated_by_its_join() -> None:
    graph = diamond_graph()
    above = {
        node.name: found.name if found else None for node, found in dominators(graph).items() if node.kind != "output"
    }
    below = {node.name: found.name if found else None for node, found in post_dominators(graph).items()
             if node.kind == "compute"}  # fmt: skip
    assert above == {
        "x": None, "top": "x", "left": "top", "twice": "top", "right": "twice", "join": "top", "end": "join",
    }  # fmt: skip
    assert below == {
        "top": "join", "left": "join", "twice": "right", "right": "join", "join": "end", "end": "end",
    }  # fmt: skip


def test_writing_a_state_is_a_way_out() -> None:
    graph = graph_of("states_written_only")
    found = post_dominators(graph)
    assert found[one(graph, "sum")] is one(graph, "accumulate")
    assert found[one(graph, "accumulate")] is None
    assert found[one(graph, "old")] is None  # it goes to the output, and to the state


def test_nothing_dominates_constants_and_unneeded_values_are_not_post_dominated() -> None:
    graph = graph_of("unused_weight")
    above, below = dominators(graph), post_dominators(graph)
    assert not [node for node in above if isinstance(node, OpNode) and node.kind == "constant"]
    unused = [node for node in ops(graph) if not graph.succ[node]]
    assert unused
    assert not set(unused) & set(below)


@pytest.mark.parametrize("name", ["attention", "cond", "while_loop", "cond_in_loop", "states", "two_functions", "lstm"])
def test_dominators_are_those_that_nothing_gets_around(name: str) -> None:
    graph = graph_of(name)
    starts, found = list(nodes(graph, InputNode)), dominators(graph)
    assert set(found) == reached(graph, starts)
    for node in found:
        chain = set(dominating(found, node))
        for other in set(found) - {node}:
            without = graph.subgraph(set(graph) - {other})
            blocked = node not in reached(without, [start for start in starts if start is not other])
            assert blocked == (other in chain)


def dominating(found: dict[Node, Node | None], node: Node) -> list[Node]:
    above = found[node]
    return [] if above is None else [above, *dominating(found, above)]


def reached(graph: Graph, starts: list[Any]) -> set[Node]:
    return set(starts).union(*(nx.descendants(graph, start) for start in starts))

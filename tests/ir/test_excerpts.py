"""Programs cut out of larger ones: what they take and give, and that each of them is a program of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import ProgramError
from milopt.ir.excerpts import excerpt
from milopt.ir.graphs.def_use import def_use_graph
from milopt.ir.graphs.slices import around
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.type_words import type_words
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from milopt.runtime.session import Session
from support.editing import find_op
from support.packages import shared_model_params
from support.programs import PROGRAMS
from support.refusals import refusal
from support.running import plausible_inputs

# Programs of control flow, of states, of several outputs, of compressed weights.
NAMES = (
    "linear_chain", "attention", "lstm", "two_heads", "cond", "cond_in_loop", "while_loop", "states", "constants",
    "lists", "list_in_loop", "quantized_activations", "sub_byte_types", "states_written_only",
)  # fmt: skip


def cut(program: Any, *names: str) -> Any:
    """The excerpt of the ops with these names."""
    return excerpt(program, "main", [find_op(program, name) for name in names])


def interface(program: Any) -> tuple[list[str], list[str]]:
    """Names of inputs and outputs."""
    function = program.functions["main"]
    return list(function.inputs), [var.name for var in function.outputs]


def kinds(program: Any) -> list[str]:
    return [operation.op_type for operation in program.functions["main"].operations]


# --- what is taken and given


def test_op_comes_with_its_constants() -> None:
    program = PROGRAMS["linear_chain"]()
    found = cut(program, "second")
    assert kinds(found) == ["const", "const", "linear"]
    assert interface(found) == (["relu"], ["second"])
    assert verify(found) == []
    weight = find_op(found, "second_weight_0").outputs[0].val
    assert np.shares_memory(weight, find_op(program, "second_weight_0").outputs[0].val)


def test_constants_of_constants_come_too() -> None:
    program = PROGRAMS["affine_int8"]()
    found = cut(program, next(op.name for op in walk(program) if op.op_type in ("linear", "conv", "matmul")))
    assert any(kind.startswith("constexpr_") for kind in kinds(found))
    assert verify(found) == []
    assert len(interface(found)[0]) == 1


def test_everything_is_the_program_itself() -> None:
    for name in NAMES:
        program = PROGRAMS[name]()
        found = excerpt(program, "main", list(program.functions["main"].operations))
        assert first_difference(found, program) is None, name


def test_nothing_is_changed_in_the_program() -> None:
    program = PROGRAMS["cond_in_loop"]()
    for operation in list(walk(program.functions["main"])):
        excerpt(program, "main", [operation])
    assert first_difference(program, PROGRAMS["cond_in_loop"]()) is None


def test_types_and_names_are_as_they_were() -> None:
    program = PROGRAMS["attention"]()
    defined = {var.name: type_words(var.sym_type) for operation in walk(program) for var in operation.outputs}
    defined |= {name: type_words(var.sym_type) for name, var in program.functions["main"].inputs.items()}
    for operation in program.functions["main"].operations:
        function = excerpt(program, "main", [operation]).functions["main"]
        for var in (*function.inputs.values(), *function.outputs):
            assert type_words(var.sym_type) == defined[var.name]


FORK = """program(1.3) { func main<ios17>(fp16 x) {
    fp16 a = relu(x = x); fp16 b = exp(x = a); fp16 c = cos(x = a); fp16 unused = sin(x = c);
} -> (b, c, b); }"""


@pytest.mark.parametrize(
    ("names", "taken", "given"),
    [
        (["a"], ["x"], ["a"]),
        (["a", "b"], ["x"], ["b", "a"]),  # what the function gives comes first
        (["a", "b", "c"], ["x"], ["b", "c"]),
        (["b", "c"], ["a"], ["b", "c"]),
        (["a", "c", "unused"], ["x"], ["c", "a"]),
        (["unused"], ["c"], ["unused"]),
    ],
)
def test_what_is_taken_and_given(names: list[str], taken: list[str], given: list[str]) -> None:
    assert interface(cut(parse_program(FORK), *names)) == (taken, given)


def test_results_are_given_in_their_order() -> None:
    program = PROGRAMS["two_heads"]()
    made = [var.name for op in program.functions["main"].operations for var in op.outputs]
    results = [var.name for var in program.functions["main"].outputs]
    assert results != sorted(results, key=made.index)
    assert interface(cut(program, *made))[1] == results


def test_op_of_a_block_stands_for_its_owner() -> None:
    program = PROGRAMS["cond_in_loop"]()
    (loop,) = program.functions["main"].find_ops(op_type="while_loop")
    inner = next(operation for block in loop.blocks for operation in walk(block) if operation.op_type == "cond")
    deepest = next(operation for block in inner.blocks for operation in walk(block))
    whole = excerpt(program, "main", [loop])
    for operation in (inner, deepest):
        assert first_difference(excerpt(program, "main", [operation]), whole) is None
    inside = sum(1 for block in loop.blocks for _ in walk(block))
    assert len([op for op in walk(whole) if op.enclosing_block is not whole.functions["main"]]) == inside


def test_values_that_blocks_take_from_around_are_inputs() -> None:
    program = PROGRAMS["cond"]()
    (branch,) = program.functions["main"].find_ops(op_type="cond")
    found = excerpt(program, "main", [branch])
    assert interface(found)[0] == ["x", "chosen"]
    assert all(name not in interface(found)[0] for block in branch.blocks for name in block_names(block))
    assert verify(found) == []


def block_names(block: Any) -> set[str]:
    return {var.name for operation in walk(block) for var in operation.outputs}


def test_order_is_that_of_the_program_whatever_is_asked_for() -> None:
    program = PROGRAMS["linear_chain"]()
    names = [operation.name for operation in program.functions["main"].operations]
    assert first_difference(cut(program, *names), cut(program, *reversed(names))) is None
    assert first_difference(cut(program, *names, *names), program) is None


def test_constant_alone_gives_itself() -> None:
    program = PROGRAMS["linear_chain"]()
    found = cut(program, "first_weight_0")
    assert (kinds(found), interface(found)) == (["const"], ([], ["first_weight_0"]))


def test_list_can_not_be_an_input() -> None:
    program = PROGRAMS["lists"]()
    (written,) = (
        program.functions["main"].find_ops(op_type="list_write")
        or program.functions["main"].find_ops(op_type="list_scatter")[:1]
    )
    refusal(
        lambda: excerpt(program, "main", [written]),
        ProgramError,
        r"can not be an input, it is no tensor \(take more ops, so that it is made among them\)",
    )


def test_function_keeps_its_name_and_is_the_default() -> None:
    program = PROGRAMS["two_functions"]()
    for name, function in program.functions.items():
        found = excerpt(program, name, list(function.operations))
        assert list(found.functions) == [name]
        assert found.default_function_name == name
        assert verify(found) == []


# --- every op of a program


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_surroundings_of_every_op_are_programs(name: str, depth: int) -> None:
    program = PROGRAMS[name]()
    graph = def_use_graph(program.functions["main"])
    for operation in walk(program.functions["main"]):
        try:
            found = excerpt(program, "main", around(graph, operation.name, depth))
        except ProgramError as error:
            assert "list" in name, error  # noqa: PT017 - lists that are made further away
            continue
        assert verify(found) == [], operation.name
        text = print_program(found, weights="inline")
        assert first_difference(parse_program(text), found) is None, text


@pytest.mark.parametrize("package", shared_model_params())
def test_surroundings_of_ops_of_real_models_are_programs(package: Path) -> None:
    program = milopt.load(package).program
    name = program.default_function_name
    graph = def_use_graph(program.functions[name], name=name)
    operations = [operation for operation in walk(program.functions[name]) if operation.op_type != "const"]
    for operation in operations[:: max(1, len(operations) // 12)]:
        try:
            found = excerpt(program, name, around(graph, operation.name, 1))
        except ProgramError as error:
            assert "can not be an input" in str(error)  # noqa: PT017 - lists that are made further away
            continue
        assert verify(found) == []
        text = print_program(found)
        again = parse_program(text, missing_weights="zeros")
        assert print_program(again, weights="inline").count("= const()") == text.count("= const()")


def test_excerpt_computes_what_the_program_does() -> None:
    program = PROGRAMS["linear_chain"]()
    inputs = plausible_inputs(program.functions["main"])
    first = cut(program, "first")
    rest = [op.name for op in program.functions["main"].operations if not op.name.startswith("first")]
    last = Session(cut(program, *rest)).run(Session(first).run(inputs))
    expected = Session(program).run(inputs)
    assert list(last) == list(expected)
    for name, array in last.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-3, atol=1e-3)

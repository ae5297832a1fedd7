"""All faults of a protobuf program, in order, with what they are about; and none that only follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, PackageError, ProgramError
from milopt.ir.proto.faults import Fault, Part
from milopt.ir.proto.program_faults import diagnostic_of_fault, message_of, read_with_faults
from milopt.ir.proto.reader import read_program
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from milopt.ir.verifier import verify
from milopt.ir.weights.store import WeightStore
from support.packages import Shelf, read_specification
from support.programs import PROGRAMS

X = "tensor<fp16, [2, 3]>"


def function(*operations: str, outputs: str = "y", name: str = "main", inputs: str = f"{X} x") -> str:
    """The text of a function."""
    return f"func {name}<ios18>({inputs}) {{ {' '.join(operations)} }} -> ({outputs});"


def faults(*functions: str, folder: Path | None = None) -> Sequence[Fault]:
    """The faults of a program of these functions."""
    parsed = parse_proto(f"program(1.3) {{ {' '.join(functions)} }}")
    _, found = read_with_faults(parsed.program, WeightStore(folder), parsed.functions)
    return found


def places(found: Sequence[Fault]) -> list[tuple[str, int | None, str, str]]:
    return [(fault.function, fault.operation, fault.part.kind, fault.part.name) for fault in found]


def test_program_without_faults_is_given(shelf: Shelf) -> None:
    for name in ("linear", "cond_in_loop", "states", "two_functions"):
        specification = read_specification(shelf[name]).mlProgram
        weights = WeightStore(shelf[name] / "Data" / "com.apple.CoreML")
        program, found = read_with_faults(specification, weights, PROGRAMS[name]().functions)
        assert found == []
        assert first_difference(program, read_program(specification, weights, function_order=program.functions)) is None


def test_an_op_whose_name_is_empty_is_called_like_its_value() -> None:
    text = function(f'{X} y = relu(x = x)[name = string("")];')
    program = parse_program(Source(f"program(1.3) {{ {text} }}", "x.mil"))
    (operation,) = program.functions["main"].operations
    assert operation.name == "y"
    assert verify(program) == []


def test_faults_of_each_part_of_an_op() -> None:
    found = faults(
        function(
            f"{X} a = relu(x = nothing);",
            f"{X} b = unknown(x = x);",
            f"{X} c = relu(y = x);",
            f"{X} d = add(x = x);",
            "tensor<fp16, [3, 2]> e = relu(x = x);",
            "int64 f = const()[val = int64(1)];",
            outputs="x, gone",
        )
    )
    assert sorted(places(found), key=str) == sorted(
        [
            ("main", None, "result", "gone"),
            ("main", 0, "operand", "x nothing"),
            ("main", 1, "op", ""),
            ("main", 2, "input name", "y"),
            ("main", 3, "op", ""),
            ("main", 4, "output", "e"),
            ("main", 5, "attribute", "val"),
        ],
        key=str,
    )
    operations = [fault for fault in found if fault.operation is not None]
    assert [fault.operation for fault in operations] == sorted(fault.operation for fault in operations)
    assert [fault.subject for fault in operations] == [f"op {name!r}" for name in "abcdef"]


def test_several_faults_of_one_op() -> None:
    found = faults(function("fp16 y = add(x = one, y = two, z = x);"))
    assert places(found) == [
        ("main", 0, "operand", "x one"),
        ("main", 0, "operand", "y two"),
        ("main", 0, "input name", "z"),
    ]


def test_ops_are_counted_before_those_in_their_blocks() -> None:
    branch = f"() {{ {X} in = relu(x = gone); }} -> (in) () {{ {X} other = relu(x = gone); }} -> (lost);"
    found = faults(
        function(
            "bool flag = const()[val = bool(true)];", f"{X} y = cond(pred = flag) {branch}", f"{X} z = relu(x = gone);"
        )
    )
    assert places(found)[:3] == [
        ("main", 1, "result", "1 lost"),
        ("main", 2, "operand", "x gone"),
        ("main", 3, "operand", "x gone"),
    ]
    assert places(found)[3:] == [("main", 4, "operand", "x gone")]


def test_faults_of_all_functions() -> None:
    found = faults(function(f"{X} y = relu(x = p);"), function(f"{X} y = relu(x = q);", name="other"))
    assert {(fault.function, fault.error.message) for fault in found} == {
        ("main", "'p' is not defined"),
        ("other", "'q' is not defined"),
    }


def test_program_without_functions() -> None:
    (found,) = faults()
    assert (found.function, found.error.message) == ("", "the program has no functions")


# --- names that are defined twice

TWICE = {
    "output of another op": ([f"{X} y = relu(x = x);", f"{X} y = relu(x = x);"], (1, "output", "y")),
    "input of the function": ([f"{X} x = relu(x = x);", f"{X} y = relu(x = x);"], (0, "output", "x")),
    "outputs of one op": (
        ["fp16 y, fp16 y = split(axis = int32(0), num_splits = int32(2), x = x);"], (0, "output", "y")
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TWICE)
def test_names_that_are_defined_twice(case: str) -> None:
    operations, (number, kind, name) = TWICE[case]
    found = [fault for fault in faults(function(*operations)) if "defined twice" in fault.error.message]
    assert places(found) == [("main", number, kind, name)]
    assert found[0].error.hint == "names are unique where they are visible"


def test_inputs_of_one_name() -> None:
    found = faults(function(outputs="x", inputs=f"{X} x, {X} x"))
    assert [(fault.operation, fault.part, fault.subject) for fault in found] == [
        (None, Part("parameter", "x"), "input 'x'")
    ]


def block(name: str, *before: str) -> str:
    """A `cond` whose branches both define a name."""
    branch = f"() {{ {X} {name} = relu(x = x); }} -> ({name})"
    flag = "bool flag = const()[val = bool(true)];"
    return function(flag, *before, f"{X} y = cond(pred = flag) {branch} {branch};")


def test_blocks_that_do_not_see_each_other_may_use_one_name() -> None:
    assert faults(block("inner")) == []


def test_name_in_a_block_hides_none_around_it() -> None:
    found = faults(block("taken", f"{X} taken = relu(x = x);"))
    assert places(found) == [("main", 3, "output", "taken"), ("main", 4, "output", "taken")]


def test_functions_may_use_the_same_names() -> None:
    assert faults(function(f"{X} y = relu(x = x);"), function(f"{X} y = relu(x = x);", name="other")) == []


# --- files


def weight(name: str, path: str) -> str:
    return f'{X} {name} = const()[val = {X}(BLOBFILE(path = string("@model_path/{path}"), offset = uint64(64)))];'


def test_each_missing_file_is_told_once(tmp_path: Path) -> None:
    found = faults(
        function(weight("a", "one.bin"), weight("b", "two.bin"), weight("c", "one.bin"), f"{X} y = relu(x = a);"),
        folder=tmp_path,
    )
    assert [type(fault.error) for fault in found] == [PackageError, PackageError]
    assert places(found) == [("main", 0, "attribute", "val"), ("main", 1, "attribute", "val")]
    assert message_of(found[0]) == f"{tmp_path / 'one.bin'}: the weight file is missing"


# --- words


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(ProgramError("bad", where="op 'y'"), "main", 3, subject="op 'y'"), "function 'main', op 'y': bad"),
        (Fault(ProgramError("bad", where="f"), "main", 3, subject="op 'y'"), "function 'main', op 'y': f: bad"),
        (Fault(ProgramError("bad", hint="do"), "main"), "function 'main': bad (do)"),
        (Fault(ProgramError("bad", where="function 'main'"), "main"), "function 'main': bad"),
        (Fault(MiloptError("bad"), ""), "bad"),
    ],
)
def test_diagnostic_of_a_fault_without_a_text(fault: Fault, expected: str) -> None:
    found = diagnostic_of_fault(fault)
    assert (str(found), found.location, found.severity) == (expected, None, "error")


def test_text_of_faults_is_that_of_their_places() -> None:
    """A text has a diagnostic for each fault, with the same words."""
    text = function(f"{X} a = relu(x = nothing);", f"{X} y = unknown(x = x);")
    with pytest.raises(MiloptError) as caught:
        parse_program(f"program(1.3) {{ {text} }}")
    error: Any = caught.value
    assert [each.message for each in error.diagnostics] == [message_of(fault) for fault in faults(text)]


LOOP = (
    "int32 zero = const()[val = int32(0)]; int32 n, {x} m = while_loop(loop_vars = (zero, x)) "
    "(int32 i, {kind} v) {{ bool go = less(x = i, y = int32(3)); }} -> ({condition}) "
    "(int32 j, {x} u) {{ int32 k = add(x = j, y = int32(1)); }} -> ({given});"
)


@pytest.mark.parametrize(
    ("kind", "condition", "given", "part", "words"),
    [
        (
            "tensor<fp16, [5, 7]>",
            "go",
            "k, u",
            ("parameter", "0 v"),
            "the input 'v' of the block is declared as tensor<fp16",
        ),
        (X, "i", "k, u", ("result", "0 i"), "the condition gives int32"),
        (X, "go", "k", ("op", ""), "the body gives 1 value, loop_vars 2 values"),
    ],
)
def test_faults_of_loops(kind: str, condition: str, given: str, part: tuple[str, str], words: str) -> None:
    found = faults(function(LOOP.format(x=X, kind=kind, condition=condition, given=given), outputs="x"))
    assert places(found) == [("main", 1, *part)]
    assert found[0].error.message.startswith(words)


def test_condition_may_be_a_tensor_of_one_element() -> None:
    loop = (
        "tensor<int32, [1]> zero = const()[val = tensor<int32, [1]>([0])]; "
        "tensor<int32, [1]> n = while_loop(loop_vars = (zero)) "
        "(tensor<int32, [1]> i) { tensor<bool, [1]> go = less(x = i, y = int32(3)); } -> (go) "
        "(tensor<int32, [1]> j) { tensor<int32, [1]> k = add(x = j, y = int32(1)); } -> (k);"
    )
    assert faults(function(loop, outputs="n")) == []


@pytest.mark.parametrize(
    ("text", "part", "words"),
    [
        (
            f"{X} a = softmax(x = x)[axis = int32(1)];",
            "axis",
            "'axis' is an input of softmax, no attribute",
        ),
        (f'{X} a = relu(x = x)[nam = string("a")];', "nam", "unknown attribute 'nam'"),
    ],
)
def test_attributes_that_are_none(text: str, part: str, words: str) -> None:
    (found,) = faults(function(text, outputs="x"))
    assert (places([found]), found.error.message) == ([("main", 0, "attribute", part)], words)


def test_other_attributes_are_kept() -> None:
    assert faults(function(f"{X} a = relu(x = x)[milId = uint64(3)];", outputs="a")) == []


def test_names_that_both_blocks_have_are_told_apart() -> None:
    loop = LOOP.replace("int32 i,", "int32 j,").replace("(x = i,", "(x = j,").replace("{x} u", "{kind} u")
    text = loop.format(x=X, kind=X, condition="go", given="k, u").replace(f"(int32 j, {X} u)", "(int32 j, fp16 u)")
    found = faults(function(text, outputs="x"))
    assert places(found) == [("main", 1, "parameter", "1 u")]

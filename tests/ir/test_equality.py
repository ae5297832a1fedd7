"""Equality: every kind of difference is found and named, and what does not count is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.equality import first_difference, same_value
from milopt.ir.pymil import Program, get_new_symbol, mb, mil_list, types
from milopt.ir.targets import IOS15, IOS17, IOS18
from support.editing import declare_opset, find_op, replace_constant
from support.packages import Shelf
from support.program_registry import Input, build_program, fp16, fp32
from support.programs import PROGRAMS, weights


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_equals_itself_built_again(name: str) -> None:
    assert first_difference(PROGRAMS[name](), PROGRAMS[name]()) is None


@pytest.mark.parametrize("name", ["conv", "linear", "matmul", "embedding", "lstm", "flexible", "while_loop", "cond"])
def test_program_equals_itself_written_and_read(name: str, shelf: Shelf) -> None:
    assert first_difference(PROGRAMS[name](), milopt.load(shelf[name]).program) is None


def difference(name: str, change: Callable[[Any], object]) -> str:
    """What is reported between a program and itself after a change; the same from both sides."""
    changed = PROGRAMS[name]()
    change(changed)
    there, back = first_difference(PROGRAMS[name](), changed), first_difference(changed, PROGRAMS[name]())
    assert there is not None
    assert back is not None
    return there


def rename_op(program: Any) -> None:
    find_op(program, "relu").name = "other"


def rename_output(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "other"


def drop_last(program: Any) -> None:
    function = program.functions["main"]
    function.set_outputs([find_op(program, "relu").outputs[0]])
    function.remove_ops([find_op(program, "second")])


def change_type(program: Any) -> None:
    find_op(program, "relu").outputs[0]._sym_type = types.tensor(types.fp32, (10, 64))


def rewire(program: Any) -> None:
    find_op(program, "second")._input_vars["x"] = find_op(program, "first").outputs[0]


def drop_input(program: Any) -> None:
    del find_op(program, "second")._input_vars["bias"]


def other_outputs(program: Any) -> None:
    program.functions["main"].set_outputs([find_op(program, "relu").outputs[0]])


def other_attributes(program: Any) -> None:
    find_op(program, "relu")._milopt_attributes = {"note": 1}


CHANGES = [
    (rename_op, "relu named 'relu' and relu named 'other'"),
    (
        rename_output,
        "op 'relu': outputs [('relu', 'tensor<fp16, [10, 64]>')] and [('other', 'tensor<fp16, [10, 64]>')]",
    ),
    (drop_last, "op 'second' (linear) is in one only"),
    (change_type, "op 'relu': outputs [('relu', 'tensor<fp16, [10, 64]>')] and [('relu', 'tensor<fp32, [10, 64]>')]"),
    (rewire, "op 'second': inputs "),
    (drop_input, "op 'second': inputs "),
    (
        other_outputs,
        "function 'main': outputs [('second', 'tensor<fp16, [10, 50]>')] and [('relu', 'tensor<fp16, [10, 64]>')]",
    ),
    (other_attributes, "op 'relu': the attributes differ"),
    (lambda p: declare_opset(p.functions["main"], IOS18), "function 'main': opset iOS17 and iOS18"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES, ids=lambda value: getattr(value, "__name__", ""))
def test_difference_is_named(change: Callable[[Any], object], words: str) -> None:
    assert words in difference("linear_chain", change)


def test_first_of_several_differences_is_reported() -> None:
    def change(program: Any) -> None:
        find_op(program, "second").name = "later"
        find_op(program, "first").name = "earlier"

    assert difference("linear_chain", change) == (
        "function 'main': op 'first': linear named 'first' and linear named 'earlier'"
    )


def unary(op_type: str, spec: Input = fp16(10, 40), name: str = "op") -> Any:  # noqa: B008 - a tuple
    return build_program(lambda x: getattr(mb, op_type)(x=x, name=name), IOS15, x=spec)


def test_another_op_type_is_a_difference() -> None:
    found = first_difference(unary("relu"), unary("tanh"))
    assert found == "function 'main': op 'op': relu named 'op' and tanh named 'op'"


@pytest.mark.parametrize("spec", [fp32(10, 40), fp16(10, 41), fp16(10, 40, 1), fp16(None, 40)], ids=str)
def test_another_input_type_is_a_difference(spec: Input) -> None:
    found = first_difference(unary("relu"), unary("relu", spec))
    assert found is not None
    assert found.startswith("function 'main': inputs [('x', 'tensor<fp16, [10, 40]>')] and ")


def test_unknown_dimensions_are_equal_to_each_other() -> None:
    left, right = unary("relu", fp16(None, 40)), unary("relu", fp16(None, 40))
    assert left.functions["main"].inputs["x"].shape != right.functions["main"].inputs["x"].shape
    assert first_difference(left, right) is None
    assert get_new_symbol() != get_new_symbol()


def test_other_functions_are_a_difference() -> None:
    one, both = PROGRAMS["two_functions"](), PROGRAMS["two_functions"]()
    del one.functions["decode"]
    assert first_difference(one, both) == "functions ['encode'] and ['encode', 'decode']"


def test_another_order_of_functions_is_a_difference() -> None:
    both, turned = PROGRAMS["two_functions"](), Program()
    turned.functions = dict(reversed(both.functions.items()))
    assert first_difference(both, turned) == "functions ['encode', 'decode'] and ['decode', 'encode']"


def test_difference_in_the_second_function_is_placed_there() -> None:
    found = difference("two_functions", lambda p: setattr(find_op(p, "decode"), "name", "other"))
    assert found.startswith("function 'decode': op 'decode': ")


def test_difference_in_a_nested_block_is_placed_there() -> None:
    found = difference("cond_in_loop", lambda p: setattr(find_op(p, "halved"), "name", "other"))
    assert found == ("function 'main': op 'loop': op 'choice': op 'halved': mul named 'halved' and mul named 'other'")


def test_other_block_inputs_are_a_difference() -> None:
    def change(program: Any) -> None:
        find_op(program, "loop").blocks[1].inputs[0].name = "other"

    assert "op 'loop': block inputs [('zero_x0', 'int32'), " in difference("while_loop", change)


def test_another_output_of_a_block_is_a_difference() -> None:
    def change(program: Any) -> None:
        (body,) = [block for block in find_op(program, "choice").blocks if find_op(program, "yes") in block.operations]
        body._outputs = [program.functions["main"].inputs["x"]]

    assert "op 'choice': outputs [('yes', " in difference("cond", change)


def test_values_of_another_order_are_a_difference() -> None:
    def change(program: Any) -> None:
        joined = find_op(program, "joined")
        joined._input_vars["values"] = [joined.values[1], joined.values[0], joined.values[2]]

    assert "op 'joined': inputs " in difference("variadic", change)


# --- constants


@pytest.mark.parametrize(
    "value",
    [weights(64, 40, seed=1), weights(64, 40).astype(np.float32), weights(64, 40)[:, ::-1]],
    ids=["values", "type", "order"],
)
def test_another_constant_is_a_difference(value: np.ndarray) -> None:
    found = first_difference(
        PROGRAMS["linear"](), build_with_weight(value) if value.dtype == np.float16 else with_constant(value)
    )
    assert found is not None
    assert "op 'linear_weight_0': " in found


def build_with_weight(value: np.ndarray) -> Any:
    program = PROGRAMS["linear"]()
    replace_constant(find_op(program, "linear_weight_0"), np.ascontiguousarray(value))
    return program


def with_constant(value: np.ndarray) -> Any:
    program = PROGRAMS["linear"]()
    find_op(program, "linear_weight_0").outputs[0]._sym_type = types.tensor(types.fp32, value.shape)
    return program


def test_last_bit_of_a_constant_counts() -> None:
    value = weights(64, 40).copy()
    value[63, 39] = np.nextafter(value[63, 39], np.float16(np.inf))
    assert first_difference(PROGRAMS["linear"](), build_with_weight(value)) == (
        "function 'main': op 'linear_weight_0': the constants differ"
    )


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (np.float16(0.0), np.float16(-0.0), False),
        (np.float32(np.nan), np.float32(np.nan), True),
        (np.array([np.nan, np.inf]), np.array([np.nan, np.inf]), True),
        (np.array([np.inf]), np.array([-np.inf]), False),
        (np.float16(1), np.float32(1), False),
        (np.int32(1), np.int32(2), False),
        (np.zeros((2, 3)), np.zeros((3, 2)), False),
        (np.zeros((0, 3)), np.zeros((0, 3)), True),
        (np.zeros((0, 3)), np.zeros((3, 0)), False),
        (np.arange(6).reshape(2, 3).T, np.arange(6).reshape(2, 3).T.copy(), True),
        ("a", "a", True),
        ("a", "b", False),
        (True, True, True),
        (True, np.True_, True),
        (True, np.False_, False),
        (True, 1, False),
        (1, np.int32(1), False),
        (mil_list(["a", "b"]), mil_list(["a", "b"]), True),
        (mil_list(["a", "b"]), mil_list(["b", "a"]), False),
        (mil_list([np.int64(1)]), mil_list([np.int64(2)]), False),
    ],
)
def test_values_are_compared_bit_by_bit(left: Any, right: Any, *, same: bool) -> None:
    assert same_value(left, right) is same
    assert same_value(right, left) is same


def test_class_labels_count() -> None:
    def labelled(last: str) -> Any:
        def body(x: Any) -> Any:
            labels = mb.const(val=mil_list(["first", last]), name="labels")
            return mb.classify(probabilities=x, classes=labels, name="classify")

        return build_program(body, IOS17, x=fp32(1, 2))

    assert first_difference(labelled("second"), labelled("second")) is None
    assert first_difference(labelled("second"), labelled("third")) == (
        "function 'main': op 'labels': the constants differ"
    )


def test_scopes_do_not_count() -> None:
    program = PROGRAMS["linear"]()
    find_op(program, "linear").scopes["somewhere"] = ["layer 1"]
    assert first_difference(program, PROGRAMS["linear"]()) is None

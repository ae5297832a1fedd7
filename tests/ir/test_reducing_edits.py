"""Single edits: what each of them leaves of a program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import ProgramError
from milopt.ir.pymil import mb
from milopt.ir.reducing.edits import (
    Bypass,
    Cut,
    DropFunction,
    DropInput,
    DropOutput,
    Edit,
    Inline,
    Omit,
    Rename,
    Replace,
)
from milopt.ir.reducing.plain_values import Noise, elements, filled, noise
from milopt.ir.reducing.rebuilding import rebuild
from milopt.ir.reducing.sizes import size_of
from milopt.ir.targets import IOS17
from milopt.ir.type_words import type_words
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from milopt.ir.weights.missing import StandIns, mark_missing_weights, missing_weights
from milopt.ir.weights.references import BlobReference
from support.editing import find_op
from support.program_registry import build_program, fp16, int32
from support.programs import PROGRAMS
from support.refusals import refusal


def edited(program: Any, *edits: Edit) -> Any:
    """A program after edits, which must be well-formed."""
    result = rebuild(program, edits)
    assert verify(result) == []
    return result


def kinds(program: Any) -> list[str]:
    return [operation.op_type for operation in walk(program) if operation.op_type != "const"]


def interface(program: Any, function: str = "main") -> tuple[list[str], list[str]]:
    found = program.functions[function]
    return list(found.inputs), [var.name for var in found.outputs]


def line() -> Any:
    """Three ops in a row, and one beside them."""

    def body(x: Any) -> Any:
        y = mb.relu(x=x, name="first")
        return mb.tanh(x=mb.sigmoid(x=y, name="second"), name="third"), mb.add(x=y, y=x, name="beside")

    return build_program(body, IOS17, x=fp16(3, 4))


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_without_edits_it_is_a_copy(name: str) -> None:
    program = PROGRAMS[name]()
    assert first_difference(program, rebuild(program, ())) is None


def test_op_cut_out_leaves_an_input_and_an_output() -> None:
    program = line()
    result = edited(program, Cut(find_op(program, "second")))
    assert kinds(result) == ["relu", "tanh", "add"]
    assert interface(result) == (["x", "second"], ["third", "beside"])
    assert type_words(result.functions["main"].inputs["second"].sym_type) == "tensor<fp16, [3, 4]>"


def test_op_whose_users_are_all_cut_out_gives_its_value() -> None:
    program = line()
    result = edited(program, *(Cut(find_op(program, name)) for name in ("third", "beside")))
    assert interface(result) == (["x"], ["second"])


def test_value_that_is_known_becomes_a_constant() -> None:
    def body(x: Any) -> Any:
        sizes = mb.shape(x=x, name="sizes")
        return mb.reshape(x=x, shape=mb.concat(values=[sizes, [1]], axis=0, name="longer"), name="reshaped")

    program = build_program(body, IOS17, x=fp16(3, 4))
    result = edited(program, Cut(find_op(program, "longer")))
    assert kinds(result) == ["shape", "reshape"]
    assert find_op(result, "reshaped").shape.val.tolist() == [3, 4, 1]
    assert list(result.functions["main"].inputs) == ["x"]


def test_op_cut_out_of_a_block_leaves_an_input_of_the_function() -> None:
    program = PROGRAMS["cond_in_loop"]()
    result = edited(program, Cut(find_op(program, "rectified")))
    assert "rectified" in result.functions["main"].inputs


def test_value_that_no_function_takes_can_not_be_cut_out() -> None:
    program = PROGRAMS["lists"]()
    refusal(lambda: rebuild(program, [Cut(find_op(program, "made"))]), ProgramError, "main")


def test_bypassed_op_leaves_nothing() -> None:
    program = line()
    second = find_op(program, "second")
    result = edited(program, Bypass(second, (second.x,)))
    assert kinds(result) == ["relu", "tanh", "add"]
    assert interface(result) == (["x"], ["third", "beside"])
    assert find_op(result, "third").x.name == "first"


def test_bypasses_in_a_row_reach_through() -> None:
    program = line()
    ops = [find_op(program, name) for name in ("first", "second")]
    result = edited(program, *(Bypass(operation, (operation.x,)) for operation in ops))
    assert find_op(result, "third").x.name == "x"
    assert find_op(result, "beside").x.name == "x"


def test_output_that_would_be_an_input_goes() -> None:
    program = line()
    beside = find_op(program, "beside")
    assert interface(edited(program, Bypass(beside, (beside.y,)))) == (["x"], ["third"])


def test_dropped_output_takes_with_it_what_only_it_needs() -> None:
    program = line()
    result = edited(program, DropOutput(find_op(program, "third").outputs[0]))
    assert kinds(result) == ["relu", "add"]


def test_dead_op_stays_until_it_is_cut_out() -> None:
    def body(x: Any) -> Any:
        mb.tanh(x=x, name="dead")
        return mb.relu(x=x, name="alive")

    program = build_program(body, IOS17, x=fp16(3))
    assert kinds(edited(program)) == ["tanh", "relu"]
    result = edited(program, Cut(find_op(program, "dead")))
    assert (kinds(result), interface(result)) == (["relu"], (["x"], ["alive"]))


def test_last_op_gives_the_output_where_none_is_left() -> None:
    program = PROGRAMS["states_written_only"]()
    result = edited(program, Cut(find_op(program, "old")), Cut(find_op(program, "relu")))
    assert kinds(result) == ["coreml_update_state", "add", "coreml_update_state"]
    assert interface(result)[1] == ["accumulate"]


def test_something_must_be_left() -> None:
    program = line()
    cuts = [Cut(operation) for operation in walk(program)]
    refusal(lambda: rebuild(program, cuts), ProgramError, "no output is left")
    refusal(lambda: rebuild(program, [DropFunction("main")]), ProgramError, "no function is left")


def test_default_function_is_one_that_is_left() -> None:
    result = edited(PROGRAMS["two_functions"](), DropFunction("encode"))
    assert list(result.functions) == ["decode"]
    assert result.default_function_name == "decode"


def test_input_goes_only_if_nothing_takes_it() -> None:
    def body(x: Any, unused: Any) -> Any:  # noqa: ARG001
        return mb.relu(x=x, name="y")

    program = build_program(body, IOS17, x=fp16(3), unused=int32(2))
    drops = [DropInput(var) for var in program.functions["main"].inputs.values()]
    assert interface(edited(program, *drops)) == (["x"], ["y"])


@pytest.mark.parametrize(("index", "op"), [(0, "yes"), (1, "no")])
def test_branch_takes_the_place_of_the_choice(index: int, op: str) -> None:
    program = PROGRAMS["cond"]()
    choice = find_op(program, "choice")
    block = choice.blocks[index]
    result = edited(program, Inline(choice, block, tuple(block.outputs)))
    assert kinds(result) == ["linear"]
    assert interface(result)[1] == [op]


def test_body_takes_the_place_of_the_loop() -> None:
    program = PROGRAMS["while_loop"]()
    loop = find_op(program, "loop")
    body = loop.blocks[1]
    result = edited(program, Inline(loop, body, tuple(body.outputs)))
    assert kinds(result) == ["linear", "add", "tanh"]
    assert find_op(result, "step").x.name == "x"
    assert interface(result)[1][-1] == "bounded"


def test_input_that_is_left_out_has_its_default() -> None:
    program = PROGRAMS["while_loop"]()
    result = edited(program, Omit(find_op(program, "step"), "bias"))
    assert not np.any(find_op(result, "step").bias.val)
    assert size_of(result).noise < size_of(program).noise


def test_constant_is_replaced_under_its_name() -> None:
    program = PROGRAMS["linear"]()
    weight = find_op(program, "linear_weight_0")
    result = edited(program, Replace(weight, filled(weight.outputs[0].val, 1)))
    found = find_op(result, "linear_weight_0").outputs[0].val
    assert (found == 1).all()
    assert found.shape == weight.outputs[0].shape
    assert not any(found.strides)  # it takes no memory


def test_compressed_constant_is_replaced_with_what_it_decodes() -> None:
    program = PROGRAMS["affine_int8"]()
    compressed = next(operation for operation in walk(program) if operation.op_type.startswith("constexpr_"))
    zeros = np.zeros(compressed.outputs[0].shape, np.float16)
    result = edited(program, Replace(compressed, zeros))
    assert kinds(result) == ["linear"]


def test_names_change_everywhere() -> None:
    program = line()
    first = find_op(program, "first")
    x = program.functions["main"].inputs["x"]
    result = edited(program, Rename({id(x): "in", id(first): "op", id(first.outputs[0]): "value"}))
    assert interface(result)[0] == ["in"]
    assert find_op(result, "op").outputs[0].name == "value"
    assert find_op(result, "second").x.name == "value"


def test_missing_weights_stay_marked() -> None:
    program, stand_ins = line(), StandIns()
    stand_ins.note(BlobReference("weights/weight.bin", 64))
    mark_missing_weights(program, stand_ins)
    assert missing_weights(edited(program, Cut(find_op(program, "second")))) == ("weights/weight.bin",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((2, 3), np.float16), Noise.ZEROS),
        (np.ones(4, np.int32), Noise.ONES),
        (np.full((2, 2), 7.5), Noise.ONE_VALUE),
        (np.arange(4), Noise.ANYTHING),
        (np.zeros((0, 4)), Noise.ZEROS),
        (np.float32(-1), Noise.ONE_VALUE),
        (True, Noise.ONES),
        ("words", Noise.ZEROS),
        (["a", "b"], Noise.ZEROS),
        (np.broadcast_to(np.float32(1), (1000, 1000)), Noise.ONES),
    ],
)
def test_noise_of_constants(value: Any, expected: Noise) -> None:
    assert noise(value) == expected
    assert elements(value) == (np.size(value) if not isinstance(value, str | list) else 1)


def test_filled_constants_have_the_type_of_others() -> None:
    assert filled(np.arange(6, dtype=np.int8).reshape(2, 3), 1).dtype == np.int8
    assert isinstance(filled(np.float32(3), 0), np.float32)
    assert filled(True, 0) is False  # noqa: FBT003
    assert filled(np.ones((2, 3)), 2, (1, 3)).tolist() == [[2, 2, 2]]

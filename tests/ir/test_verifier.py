"""The verifier: clean on what is well formed, and one fault of each kind found where it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.diagnostics import Diagnostic
from milopt.ir.pymil import mb, new_operation, types
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS26
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from support.editing import declare_opset, find_op, ops_of_type
from support.packages import Shelf
from support.program_registry import build_program, fp16
from support.programs import PROGRAMS, weights
from support.saving import loaded_whole, saved


@pytest.mark.parametrize("name", PROGRAMS)
def test_built_program_is_clean(name: str) -> None:
    assert verify(PROGRAMS[name]()) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_loaded_program_is_clean(name: str, shelf: Shelf) -> None:
    assert verify(milopt.load(shelf[name]).program) == []


def rewire(operation: Any, parameter: str, var: Any) -> None:
    """Gives an op another input, use lists included, without any of PyMIL's checks."""
    old = operation.inputs.get(parameter)
    if old is not None:
        old._child_ops.remove(operation)
    if var is not None:
        var._child_ops.append(operation)
    operation._input_vars[parameter] = var
    setattr(operation, parameter, var)


def output(program: Any, name: str) -> Any:
    return find_op(program, name).outputs[0]


def main(program: Any) -> Any:
    return program.functions["main"]


def repeated_name(program: Any) -> None:
    output(program, "relu").name = "second"


def name_of_an_input(program: Any) -> None:
    output(program, "relu").name = "x"


def later_value(program: Any) -> None:
    rewire(find_op(program, "relu"), "x", output(program, "second"))


def foreign_value(program: Any) -> None:
    other = PROGRAMS["linear_chain"]()
    rewire(find_op(program, "relu"), "x", output(other, "first"))


def foreign_output(program: Any) -> None:
    main(program)._outputs = [output(PROGRAMS["linear_chain"](), "second")]


def forgotten_use(program: Any) -> None:
    output(program, "first")._child_ops.clear()


def invented_use(program: Any) -> None:
    output(program, "first")._child_ops.append(find_op(program, "second"))


def missing_input(program: Any) -> None:
    rewire(find_op(program, "second"), "weight", None)


def computed_weight(program: Any) -> None:
    rewire(find_op(program, "second"), "bias", output(program, "first"))


def shapes_that_do_not_fit(program: Any) -> None:
    rewire(find_op(program, "second"), "x", main(program).inputs["x"])


def other_type(program: Any) -> None:
    output(program, "first")._sym_type = types.tensor(types.fp16, (10, 63))


def other_element_type(program: Any) -> None:
    output(program, "relu")._sym_type = types.tensor(types.fp32, (10, 64))


def op_without_a_name(program: Any) -> None:
    find_op(program, "relu").name = None


def op_with_an_empty_name(program: Any) -> None:
    find_op(program, "relu").name = ""


def op_with_a_number_for_a_name(program: Any) -> None:
    find_op(program, "relu").name = 3


def constant_without_a_name(program: Any) -> None:
    first_constant(program).name = None


def value_without_a_name(program: Any) -> None:
    output(program, "relu").name = None


def value_with_an_empty_name(program: Any) -> None:
    output(program, "relu").name = ""


def input_without_a_name(program: Any) -> None:
    main(program).inputs["x"].name = None


def constant_that_gives_nothing(program: Any) -> None:
    first_constant(program).outputs[0]._sym_val = None


def constant_that_gives_none(program: Any) -> None:
    first_constant(program).outputs[0]._sym_val = types.unknown(None)


def constant_that_was_given_nothing(program: Any) -> None:
    first_constant(program)._input_vars["val"] = None


def constant_that_was_given_none(program: Any) -> None:
    first_constant(program)._input_vars["val"]._sym_val.val = None


def no_outputs(program: Any) -> None:
    main(program).set_outputs([])


def first_constant(program: Any) -> Any:
    constant = find_op(program, "first").weight.op
    assert constant.op_type == "const"
    return constant


CORRUPTIONS: list[tuple[Callable[[Any], None], str, str]] = [
    (repeated_name, "op 'second' (linear)", "the name 'second' is defined twice"),
    (name_of_an_input, "op 'relu' (relu)", "the name 'x' is defined twice"),
    (later_value, "op 'relu' (relu)", "its input 'x', 'second', is not defined before it"),
    (foreign_value, "op 'relu' (relu)", "its input 'x', 'first', is not defined before it"),
    (foreign_output, "", "the output 'second' is not defined in or around its block"),
    (forgotten_use, "", "the use list of 'first' does not agree with the ops that use it"),
    (invented_use, "", "the use list of 'first' does not agree with the ops that use it"),
    (missing_input, "op 'second' (linear)", "its required input 'weight' is missing"),
    (computed_weight, "op 'second' (linear)", "its input 'bias' must be constant"),
    (shapes_that_do_not_fit, "op 'second' (linear)", "its types do not fit: "),
    (other_type, "op 'first' (linear)", "its output 'first' is tensor<fp16, [10, 63]>, its inputs give"),
    (other_element_type, "op 'relu' (relu)", "its output 'relu' is tensor<fp32, [10, 64]>, its inputs give"),
    (op_without_a_name, "op 'relu' (relu)", "its name is None"),
    (op_with_an_empty_name, "op 'relu' (relu)", "its name is ''"),
    (op_with_a_number_for_a_name, "op 'relu' (relu)", "its name is 3"),
    (constant_without_a_name, "op 'first_weight_0' (const)", "its name is None"),
    (value_without_a_name, "op 'relu' (relu)", "the name of one of its values is None"),
    (value_with_an_empty_name, "op 'relu' (relu)", "the name of one of its values is ''"),
    (input_without_a_name, "", "the name of one of its values is None"),
    (constant_that_gives_nothing, "op 'first_weight_0' (const)", "it has no value"),
    (constant_that_gives_none, "op 'first_weight_0' (const)", "it has no value"),
    (constant_that_was_given_nothing, "op 'first_weight_0' (const)", "it has no value"),
    (constant_that_was_given_none, "op 'first_weight_0' (const)", "it has no value"),
    (no_outputs, "", "it has no outputs"),
]


@pytest.mark.parametrize(("corrupt", "where", "message"), CORRUPTIONS, ids=lambda value: getattr(value, "__name__", ""))
def test_fault_is_found_where_it_is(corrupt: Callable[[Any], None], where: str, message: str) -> None:
    program = PROGRAMS["linear_chain"]()
    corrupt(program)
    place = "function 'main'" + (f", {where}" if where else "")
    found = verify(program)
    assert [each for each in found if each.where == place and each.message.startswith(message)], found


def test_op_of_another_version_is_found() -> None:
    program = PROGRAMS["embedding"]()
    declare_opset(main(program), IOS16)
    (found,) = verify(program)
    assert found.where == "function 'main', op 'rows' (gather)"
    assert (found.message, found.hint) == (
        "it is an op of another version than that of iOS16",
        "build it anew in the opset iOS16",
    )


def test_op_of_a_later_opset_is_found() -> None:
    program = PROGRAMS["states"]()
    declare_opset(main(program), IOS17)
    found = [str(each) for each in verify(program)]
    assert [each for each in found if re.search(r"'read' .*'read_state' is not in the opset iOS17 \(it came", each)]


def test_ops_of_ios18_are_those_of_ios26() -> None:
    program = PROGRAMS["states"]()
    declare_opset(main(program), IOS26)
    assert verify(program) == []


def test_input_of_a_type_that_the_op_does_not_take_is_found() -> None:
    program = PROGRAMS["conv_batch_norm"]()
    norm = find_op(program, "norm")
    with main(program):
        epsilon = mb.const(val=np.float32(1e-4), name="epsilon", before_op=norm)
    rewire(norm, "epsilon", epsilon)  # the others are of half precision
    assert [each for each in verify(program) if each.where == "function 'main', op 'norm' (batch_norm)"]


def test_every_fault_is_reported() -> None:
    program = PROGRAMS["linear_chain"]()
    repeated_name(program)
    missing_input(program)
    assert len({each.message for each in verify(program)}) >= 2


def test_two_ops_may_have_one_name(shelf: Shelf, tmp_path: Path) -> None:
    """The file format does not mind: such a program is saved, and comes back."""
    model = milopt.load(shelf["linear_chain"])
    find_op(model.program, "relu").name = "second"
    assert verify(model.program) == []
    again = loaded_whole(saved(model, tmp_path)).program
    assert [operation.name for operation in walk(again)].count("second") == 2
    assert verify(again) == []


# --- nested blocks and functions


def test_fault_in_a_nested_block_is_found() -> None:
    program = PROGRAMS["cond_in_loop"]()
    output(program, "halved")._sym_type = types.tensor(types.fp16, (3, 3))
    found = [str(each) for each in verify(program)]
    assert [
        each
        for each in found
        if each.startswith("function 'main', op 'halved' (mul): its output 'halved' is tensor<fp16, [3, 3]>, ")
    ]


def test_value_of_one_branch_is_not_visible_in_the_other() -> None:
    program = PROGRAMS["cond"]()
    rewire(find_op(program, "no"), "weight", output(program, "inner_weight"))
    found = [(each.where, each.message) for each in verify(program)]
    wanted = "its input 'weight', 'inner_weight', is not defined before it"
    assert ("function 'main', op 'no' (linear)", wanted) in found


def test_value_of_a_block_is_not_visible_after_it() -> None:
    program = PROGRAMS["cond"]()
    main(program)._outputs = [output(program, "yes")]
    assert "the output 'yes' is not defined in or around its block" in [each.message for each in verify(program)]


def test_both_branches_may_use_a_name() -> None:
    program = PROGRAMS["cond"]()
    output(program, "no").name = "yes"
    assert verify(program) == []


def test_block_may_not_use_a_name_from_around_it() -> None:
    program = PROGRAMS["cond"]()
    output(program, "yes").name = "x"
    assert "the name 'x' is defined twice" in [each.message for each in verify(program)]


def test_both_functions_may_use_a_name() -> None:
    program = PROGRAMS["two_functions"]()
    output(program, "decode").name = "encode"
    assert verify(program) == []


def test_fault_in_the_second_function_is_placed_there() -> None:
    program = PROGRAMS["two_functions"]()
    output(program, "decode")._sym_type = types.tensor(types.fp16, (1,))
    (found,) = verify(program)
    assert found.where == "function 'decode', op 'decode' (matmul)"


def test_value_that_is_used_twice_by_one_op_is_counted_twice() -> None:
    program = build_program(lambda x: mb.mul(x=x, y=x, name="square"), IOS15, x=fp16(10, 40))
    assert verify(program) == []
    main(program).inputs["x"]._child_ops.pop()
    assert [each.message for each in verify(program)] == ["the use list of 'x' does not agree with the ops that use it"]


def test_op_added_by_hand_is_checked() -> None:
    program = PROGRAMS["linear"]()
    with main(program):
        new_operation(type(find_op(program, "linear")), name="more", inputs={"x": output(program, "linear"),
                                                                             "weight": weights(30, 64)})  # fmt: skip
    assert verify(program) == []
    assert len(ops_of_type(program, "linear")) == 2


def test_diagnostic_reads_as_place_and_message() -> None:
    assert str(Diagnostic("function 'main'", "it is wrong")) == "function 'main': it is wrong"

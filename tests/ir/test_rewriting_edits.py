from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.pymil import graph_pass_scope, mb
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.rewriting.patterns import Pattern, PatternError
from milopt.ir.rewriting.rewriter import Rewriter
from milopt.ir.targets import IOS17
from support.editing import find_op
from support.packages import Shelf
from support.programs import PROGRAMS, fp16, fp32, int32
from support.rewriting import NO_IDENTITY, RELU_TO_ABS, applied, built, chain, half, names, op_types, outputs
from support.saving import loaded_whole, saved


def at(op_type: str, edit: Any, *, times: int = 1) -> Pattern:
    """A pattern that does something at the first ops of a type."""
    done: list[str] = []

    def run(operation: Any, rewriter: Rewriter) -> bool:
        if len(done) >= times:
            return False
        done.append(operation.name)
        return edit(operation, rewriter) is not False

    return Pattern(name="edit", ops=(op_type,), rewrite=run)


def test_outputs_of_functions_keep_their_names() -> None:
    program = chain("relu", 1, last="identity")
    applied(program, [NO_IDENTITY])
    assert outputs(program) == ["out"]
    assert names(program) == ["relu_0"]


def test_inner_values_keep_their_own_names() -> None:
    def body(x: Any) -> Any:
        return mb.abs(x=mb.identity(x=mb.relu(x=x, name="first"), name="second"), name="out")

    program = built(body)
    applied(program, [NO_IDENTITY])
    assert find_op(program, "out").x.name == "first"


@pytest.mark.parametrize("twice", [False, True])
def test_an_input_does_not_become_an_output(*, twice: bool) -> None:
    def body(x: Any) -> Any:
        first = mb.identity(x=x, name="first")
        return mb.identity(x=first, name="second") if twice else first

    program = built(body)
    applied(program, [NO_IDENTITY])
    assert op_types(program) == ["identity"]
    assert outputs(program) == ["second" if twice else "first"]


def test_one_value_does_not_become_two_outputs() -> None:
    def body(x: Any) -> Any:
        y = mb.relu(x=x, name="y")
        return y, mb.identity(x=y, name="again"), mb.identity(x=y, name="and_again")

    program = built(body)
    assert not applied(program, [NO_IDENTITY]).changed
    assert outputs(program) == ["y", "again", "and_again"]


def test_one_value_does_not_become_two_outputs_in_one_attempt() -> None:
    def body(x: Any) -> Any:
        return mb.relu(x=x, name="y"), mb.relu(x=x, name="z")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        made = rewriter.new("exp", {"x": operation.x}).outputs[0]
        rewriter.replace(operation, made)
        rewriter.replace(find_op(program, "z"), made)

    program = built(body)
    assert not applied(program, [at("relu", edit)]).changed
    assert outputs(program) == ["y", "z"]


def test_a_constant_does_not_become_an_output() -> None:
    def body(x: Any) -> Any:
        return mb.relu(x=x, name="y"), mb.identity(x=mb.const(val=half(1), name="one"), name="z")

    assert not applied(built(body), [NO_IDENTITY]).changed


def test_outputs_of_nested_blocks_stay_inside() -> None:
    program = PROGRAMS["cond"]()
    before = copy_program(program)
    block = next(op for op in program.functions["main"].operations if op.op_type == "cond").blocks[0]
    result, outer = block.outputs[0], program.functions["main"].inputs["x"]

    def edit(operation: Any, rewriter: Rewriter) -> bool:
        rewriter.replace(operation, outer)
        return True

    rewrite(program, [at(result.op.op_type, edit)])
    assert first_difference(before, program) is None


def test_outputs_of_nested_blocks_keep_their_names() -> None:
    program = built(branching)
    choice = find_op(program, "choice")
    assert applied(program, [NO_IDENTITY]).changed
    assert [[var.name for var in block.outputs] for block in choice.blocks] == [["yes"], ["no"]]
    assert [block.outputs[0].op.name for block in choice.blocks] == ["inner", "no"]


def branching(x: Any) -> Any:
    flag = mb.cast(x=mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0], size=[1, 1])), dtype="bool")

    def yes() -> Any:
        return mb.identity(x=mb.relu(x=x, name="inner"), name="yes")

    return mb.cond(pred=flag, _true_fn=yes, _false_fn=lambda: mb.abs(x=x, name="no"), name="choice")


def test_what_must_be_constant_stays_constant() -> None:
    def body(x: Any, order: Any) -> Any:
        return mb.transpose(x=x, perm=mb.const(val=[1, 0], name="perm")), mb.identity(x=order, name="same")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        rewriter.replace(operation.perm.op, program.functions["main"].inputs["order"])

    program = built(body, x=fp16(2, 3), order=int32(2))
    assert not applied(program, [at("transpose", edit)]).changed


def test_compressed_weights_that_are_needed_no_more_are_forgotten() -> None:
    def body(x: Any) -> Any:
        weight = mb.constexpr_blockwise_shift_scale(data=np.ones((2, 3), np.int8), scale=np.ones((2, 1), np.float16))
        return mb.abs(x=mb.sub(x=x, y=weight), name="out")

    program = built(body)
    needed = find_op(program, "out").outputs[0]
    assert len(needed.nonreplaceable_vars_upstream) == 1
    applied(program, [at("sub", lambda op, rewriter: rewriter.replace_by(op, "exp", {"x": op.x}))])
    assert not needed.nonreplaceable_vars_upstream


@pytest.mark.parametrize(("value", "why"), [(np.float32(1), "element type"), (np.zeros((3, 2), np.float16), "shape")])
def test_other_types_end_the_attempt_without_a_trace(value: Any, why: str) -> None:
    program = chain("relu", 2)
    before = copy_program(program)

    def edit(operation: Any, rewriter: Rewriter) -> None:
        made = rewriter.constant(value, "made")
        rewriter.replace(operation, made)

    assert not applied(program, [at("relu", edit)]).changed, why
    assert first_difference(before, program) is None


def test_known_sizes_may_replace_unknown_ones_and_not_the_other_way_round() -> None:
    def body(x: Any, y: Any) -> Any:
        return mb.exp(x=mb.relu(x=x, name="known"), name="a"), mb.exp(x=mb.abs(x=y, name="unknown"), name="b")

    def swap(name: str) -> Any:
        return lambda operation, rewriter: rewriter.replace(operation, find_op(program, name).outputs[0])

    program = built(body, x=fp16(2, 3), y=fp16(None, 3))
    assert not rewrite(program, [at("relu", swap("unknown"))]).changed
    program = built(body, x=fp16(2, 3), y=fp16(None, 3))
    assert applied(program, [at("abs", swap("known"))]).changed


def test_outputs_of_unknown_size_keep_it() -> None:
    def body(x: Any, y: Any) -> Any:
        return mb.relu(x=x, name="known"), mb.abs(x=y, name="unknown")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        rewriter.replace(operation, rewriter.new("exp", {"x": find_op(program, "known").x}).outputs[0])

    program = built(body, x=fp16(2, 3), y=fp16(None, 3))
    assert not applied(program, [at("abs", edit)]).changed


def test_values_that_are_made_too_late_are_declined() -> None:
    program = chain("relu", 3)
    late = find_op(program, "relu_2").outputs[0]
    assert not applied(program, [at("relu", lambda op, rewriter: rewriter.replace(op, late))]).changed


def test_a_pattern_that_says_no_takes_its_new_ops_back() -> None:
    """It may make an op to learn what it would give, and decline."""
    program = chain("relu", 2)
    before = copy_program(program)

    def edit(operation: Any, rewriter: Rewriter) -> bool:
        product = rewriter.new("mul", {"x": operation.x, "y": half(2)})
        return bool(product.outputs[0].rank > 2)

    assert not applied(program, [at("relu", edit)]).changed
    assert first_difference(before, program) is None


EDITS = {
    "replace": lambda op, rewriter: rewriter.replace(op, op.x),
    "set_input": lambda op, rewriter: rewriter.set_input(op, "x", op.x.op.x),
    "erase": lambda op, rewriter: rewriter.erase(op),
}


@pytest.mark.parametrize(("answer", "words"), [(False, "says that it did not rewrite"), (None, "returned None")])
@pytest.mark.parametrize("kind", EDITS)
def test_a_pattern_that_edits_and_says_no_is_told(kind: str, answer: Any, words: str) -> None:
    program = chain("relu", 2)
    before = copy_program(program)

    def edit(operation: Any, rewriter: Rewriter) -> Any:
        EDITS[kind](operation, rewriter)
        return answer

    forgetful = Pattern(name="forgetful", ops=("abs",), rewrite=edit)
    with pytest.raises(PatternError, match=rf"^pattern 'forgetful', op 'out' \(abs\): it .*{words} \(return True"):
        rewrite(program, [forgetful])
    assert first_difference(before, program) is None


def test_replace_by_keeps_all_names() -> None:
    program = chain("relu", 2)
    applied(program, [at("relu", lambda op, rewriter: rewriter.replace_by(op, "square", {"x": op.x}))])
    assert names(program) == ["relu_0", "relu_1", "out"]
    assert op_types(program) == ["square", "relu", "abs"]
    assert find_op(program, "relu_0").outputs[0].name == "relu_0"


def test_several_outputs_are_replaced_together() -> None:
    def body(x: Any) -> Any:
        first, second = mb.split(x=x, num_splits=2, axis=0, name="parts")
        return mb.relu(x=second, name="a"), mb.abs(x=first, name="b")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        rows = [
            rewriter.new("slice_by_size", {"x": operation.x, "begin": [row, 0], "size": [1, 3]}).outputs[0]
            for row in (0, 1)
        ]
        rewriter.replace(operation, *rows)

    program = built(body)
    applied(program, [at("split", edit)])
    begins = [find_op(program, name).x.op.begin.val.tolist() for name in ("a", "b")]
    assert begins == [[1, 0], [0, 0]]


def test_every_use_changes_variadic_and_nested_ones_too() -> None:
    def body(x: Any) -> Any:
        y = mb.identity(x=x, name="y")
        flag = mb.cast(x=mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0], size=[1, 1])), dtype="bool")
        inner = mb.cond(pred=flag, _true_fn=lambda: mb.relu(x=y), _false_fn=lambda: mb.abs(x=y), name="choice")
        return mb.concat(values=[y, inner, y], axis=0, name="out")

    program = built(body)
    applied(program, [NO_IDENTITY])
    assert "identity" not in op_types(program)
    assert [var.name for var in find_op(program, "out").values] == ["x", "choice", "x"]


def test_set_input_changes_one_input() -> None:
    def body(x: Any) -> Any:
        return mb.mul(x=mb.identity(x=x, name="i"), y=half(2), name="out")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        rewriter.set_input(operation, "x", operation.x.op.x)
        rewriter.set_input(operation, "y", half(3))

    program = built(body)
    found = applied(program, [at("mul", edit)])
    out = find_op(program, "out")
    assert (out.x.name, float(out.y.val), op_types(program)) == ("x", 3.0, ["mul"])
    assert found.dead == 2  # the identity, and the constant 2


def test_set_input_declines_what_is_made_too_late() -> None:
    program = chain("relu", 3)
    late = find_op(program, "relu_2").outputs[0]
    assert not applied(program, [at("relu", lambda op, rewriter: rewriter.set_input(op, "x", late))]).changed


@pytest.mark.parametrize("value", [np.float32(1), np.ones((5, 2, 3), np.float16)])
def test_set_input_that_changes_types_ends_the_attempt(value: Any) -> None:
    def body(x: Any) -> Any:
        return mb.mul(x=x, y=half(2), name="out")

    program = built(body)
    before = copy_program(program)
    assert not applied(program, [at("mul", lambda op, rewriter: rewriter.set_input(op, "y", value))]).changed
    assert first_difference(before, program) is None


def test_erased_ops_leave_with_their_users() -> None:
    program = PROGRAMS["states_written_only"]()
    applied(program, [at("coreml_update_state", lambda op, rewriter: rewriter.erase(op), times=1)])
    assert op_types(program).count("coreml_update_state") == 1


def test_erasing_what_is_used_is_the_patterns_mistake() -> None:
    with pytest.raises(PatternError, match=r"'edit', op 'relu_0'.*still used"):
        rewrite(chain("relu", 2), [at("relu", lambda op, rewriter: rewriter.erase(op))])


def test_replacing_twice_is_the_patterns_mistake() -> None:
    def edit(operation: Any, rewriter: Rewriter) -> None:
        rewriter.replace(operation, operation.x)
        rewriter.replace(operation, operation.x)

    with pytest.raises(PatternError, match="replaced twice"):
        rewrite(chain("relu", 2), [at("relu", edit)])


def test_a_value_is_not_replaced_by_what_is_computed_from_it() -> None:
    def edit(operation: Any, rewriter: Rewriter) -> None:
        later = next(iter(operation.outputs[0].child_ops))
        made = rewriter.new("abs", {"x": operation.outputs[0]}, before=later)
        rewriter.replace(operation, made.outputs[0])

    program = chain("relu", 2)
    assert not applied(program, [at("relu", edit)]).changed


def test_replacements_follow_each_other() -> None:
    def body(x: Any) -> Any:
        return mb.abs(x=mb.identity(x=mb.identity(x=x, name="first"), name="second"), name="out")

    def edit(operation: Any, rewriter: Rewriter) -> None:
        (second,) = operation.outputs[0].child_ops
        rewriter.replace(second, operation.outputs[0])
        rewriter.replace(operation, operation.x)

    program = built(body)
    applied(program, [at("identity", edit)])
    assert op_types(program) == ["abs"]


def test_inputs_that_do_not_fit_are_an_error_and_leave_nothing() -> None:
    program = chain("relu", 1)
    bad = at("relu", lambda op, rewriter: rewriter.new("conv", {"x": op.x, "weight": np.zeros(3, np.float32)}))
    before = copy_program(program)
    with pytest.raises(PatternError, match=r"pattern 'edit', op 'relu_0' \(relu\)"):
        rewrite(program, [bad])
    assert first_difference(before, program) is None


def test_new_ops_remember_the_pass_the_pattern_and_where_they_come_from() -> None:
    program = chain("relu", 1, last="identity")
    with graph_pass_scope("canonicalize"):
        rewrite(program, [at("relu", lambda op, rewriter: rewriter.replace_by(op, "exp", {"x": op.x}))])
    with graph_pass_scope("later"):
        rewrite(program, [at("exp", lambda op, rewriter: rewriter.replace_by(op, "square", {"x": op.x}))])
    scopes = {source.name: words for source, words in find_op(program, "relu_0").scopes.items()}
    assert scopes == {"COREMLTOOLS_GRAPH_PASS": ["canonicalize/edit", "later/edit"]}


def test_a_rewritten_program_is_saved_and_opened_again(shelf: Shelf, tmp_path: Path) -> None:
    model = milopt.load(shelf["cond_in_loop"])
    with graph_pass_scope("canonicalize"):
        assert applied(model.program, [RELU_TO_ABS]).changed
    again = loaded_whole(saved(model, tmp_path))
    assert first_difference(again.program, model.program) is None


def test_new_names_are_free() -> None:
    def body(x: Any) -> Any:
        taken = mb.exp(x=x, name="abs_0")
        return mb.relu(x=taken, name="out")

    program = built(body, IOS17, x=fp32(2, 3))
    wrap = at("relu", lambda op, r: r.replace_by(op, "square", {"x": r.new("abs", {"x": op.x}).outputs[0]}))
    applied(program, [wrap])
    assert names(program) == ["abs_0", "abs_1", "out"]

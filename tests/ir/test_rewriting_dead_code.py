from __future__ import annotations

from typing import Any

import pytest
from milopt.ir.pymil import mb
from milopt.ir.rewriting.rules import rule
from milopt.ir.targets import IOS18
from milopt.ir.walking import walk
from support.programs import PROGRAMS, fp16, state
from support.rewriting import applied, built, half, op_types

KEEP_LEFT = rule("sub(x, y) -> relu(x)", name="keep-left")


def test_a_chain_that_nobody_needs_goes_with_its_constants() -> None:
    def body(x: Any) -> Any:
        unneeded = mb.abs(x=mb.mul(x=mb.exp(x=x), y=half(3)))
        return mb.sub(x=x, y=unneeded, name="out")

    program = built(body)
    found = applied(program, [KEEP_LEFT])
    assert [operation.op_type for operation in walk(program)] == ["relu"]
    assert found.dead == 4  # abs, mul, exp, and the constant


def test_what_others_use_stays() -> None:
    def body(x: Any) -> Any:
        shared = mb.exp(x=x, name="shared")
        return mb.sub(x=x, y=mb.abs(x=shared), name="a"), mb.square(x=shared, name="b")

    program = built(body)
    assert applied(program, [KEEP_LEFT]).dead == 1
    assert sorted(op_types(program)) == ["exp", "relu", "square"]


def test_outputs_stay() -> None:
    def body(x: Any) -> Any:
        kept = mb.exp(x=x, name="kept")
        return mb.sub(x=x, y=kept, name="a"), kept

    program = built(body)
    assert applied(program, [KEEP_LEFT]).dead == 0
    assert sorted(op_types(program)) == ["exp", "relu"]


def test_what_was_dead_before_stays() -> None:
    def body(x: Any) -> Any:
        mb.exp(x=x, name="dead")
        return mb.sub(x=x, y=x, name="a")

    program = built(body)
    assert applied(program, [KEEP_LEFT]).dead == 0
    assert sorted(op_types(program)) == ["exp", "relu"]


def test_states_are_still_written() -> None:
    def body(x: Any, cache: Any) -> Any:
        old = mb.read_state(input=cache, name="old")
        new = mb.coreml_update_state(state=cache, value=mb.add(x=old, y=x), name="new")
        return mb.sub(x=x, y=new, name="out")

    program = built(body, IOS18, x=fp16(2, 3), cache=state(2, 3))
    assert applied(program, [KEEP_LEFT]).dead == 0
    assert "coreml_update_state" in op_types(program)


@pytest.mark.parametrize("writes", [False, True])
def test_control_flow_goes_unless_it_writes_a_state(*, writes: bool) -> None:
    def body(x: Any, cache: Any) -> Any:
        flag = mb.cast(x=mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0], size=[1, 1])), dtype="bool", name="flag")

        def yes() -> Any:
            return mb.coreml_update_state(state=cache, value=x, name="written") if writes else mb.exp(x=x)

        chosen = mb.cond(pred=flag, _true_fn=yes, _false_fn=lambda: mb.relu(x=x), name="chosen")
        return mb.sub(x=x, y=chosen, name="out"), mb.read_state(input=cache, name="state")

    program = built(body, IOS18, x=fp16(2, 3), cache=state(2, 3))
    applied(program, [KEEP_LEFT])
    assert ("cond" in op_types(program)) == writes
    assert ("cast" in op_types(program)) == writes


def test_loops_that_nobody_needs_go_with_all_that_is_in_them() -> None:
    program = PROGRAMS["while_loop"]()
    function = program.functions["main"]
    loop = next(op for op in function.operations if op.op_type == "while_loop")
    last = loop.outputs[1]
    with function:
        out = mb.sub(x=function.inputs["x"], y=last, name="difference")
        function.set_outputs([out])
    if out.shape != function.inputs["x"].shape:
        pytest.fail("the loop's value has the shape of the input")
    applied(program, [KEEP_LEFT])
    assert "while_loop" not in op_types(program)

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.pymil import inside, mb
from milopt.ir.rewriting import order as order_module
from milopt.ir.rewriting.order import Order
from support.editing import find_op
from support.programs import PROGRAMS
from support.rewriting import chain


@pytest.mark.parametrize("distance", [1, 2, 64, 1 << 64])
@settings(max_examples=25, deadline=None)
@given(places=st.lists(st.integers(0, 1000), min_size=1, max_size=40))
def test_new_ops_fall_into_place(distance: int, places: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_module, "_DISTANCE", distance)
        block: Any = chain("relu", 4).functions["main"]
        order = Order()
        for place in places:
            operations = [*block.operations]
            with inside(block):
                mb.exp(x=block.inputs["x"], before_op=operations[place % len(operations)])
            now = [*block.operations]
            at = place % len(now)
            assert not order.precedes(now[at], now[at])
            assert at == 0 or order.precedes(now[at - 1], now[at])
        assert all(order.precedes(one, other) for one, other in pairwise(block.operations))
        assert not any(order.precedes(other, one) for one, other in pairwise(block.operations))


def test_what_stands_around_comes_first_and_neighbours_of_other_blocks_do_not() -> None:
    program = PROGRAMS["cond"]()
    choice = next(op for op in program.functions["main"].operations if op.op_type == "cond")
    inner, other = (block.outputs[0].op for block in choice.blocks)
    order = Order()
    assert order.precedes(choice.pred.op, inner)
    assert not order.precedes(inner, other)
    assert not order.precedes(inner, choice.pred.op)


def test_removed_ops_do_not_matter() -> None:
    program = chain("relu", 3)
    order = Order()
    first, last = find_op(program, "relu_0"), find_op(program, "out")
    assert order.precedes(first, last)
    program.functions["main"].set_outputs([find_op(program, "relu_2").outputs[0]])
    program.functions["main"].remove_ops([last])
    assert order.precedes(first, find_op(program, "relu_2"))

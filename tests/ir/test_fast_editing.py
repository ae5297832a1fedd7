from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from coremltools import PassPipeline
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
from coremltools.converters.mil.mil.scope import ScopeSource
from coremltools.converters.mil.mil.types import type_mapping
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.equality import first_difference
from milopt.ir.fast_editing import fast_editing
from milopt.ir.pymil import Block, Operation, Var, graph_pass_scope, mb, unique_names
from milopt.ir.targets import IOS17, IOS18
from milopt.ir.use_lists import UseList
from milopt.ir.walking import names_in, walk
from support.editing import find_op
from support.programs import PROGRAMS, fp16
from support.rewriting import built, chain, half

PATCHED = [
    (Block, "_propagate_nonreplaceable_vars"),
    (Block, "_replace_var"),
    (mb, "_add_const"),
    (Operation, "get_flattened_inputs"),
    (Var, "_set_nonreplaceable_vars_upstream"),
    (Var, "add_child_op"),
    (Var, "remove_child_op"),
    (type_mapping, "get_type_info"),
]


def methods() -> list[Any]:
    return [vars(owner)[name] for owner, name in PATCHED]


def transposed(x: Any) -> Any:
    """Transposes around a branching of several users: what `reduce_transposes` rewires the most."""
    for index in range(6):
        y = mb.transpose(x=x, perm=[0, 2, 3, 1], name=f"there_{index}")
        y = mb.add(x=mb.relu(x=y), y=mb.mul(x=y, y=half(2)), name=f"sum_{index}")
        x = mb.transpose(x=y, perm=[0, 3, 1, 2], name=f"back_{index}")
    return x, mb.identity(x=x, name="again")


def shared(x: Any) -> Any:
    """One value with very many users, some of them equal."""
    scale = mb.const(val=half(2), name="scale")
    parts = [mb.mul(x=mb.identity(x=x), y=scale) for _ in range(80)]
    return mb.concat(values=parts, axis=0, name="out")


def compressed(x: Any) -> Any:
    """Values that are computed from several compressed weights, one of which only a shape needs."""

    def weight(name: str) -> Any:
        codes, scale = np.ones((8, 8), np.int8), np.full((8, 1), 0.5, np.float16)
        return mb.constexpr_blockwise_shift_scale(data=codes, scale=scale, name=name)

    for index in range(4):
        y = mb.linear(x=x, weight=weight(f"weight_{index}"), name=f"linear_{index}")
        x = mb.add(x=y, y=mb.relu(x=mb.identity(x=x)), name=f"sum_{index}")
    return mb.reshape(x=mb.transpose(x=x, perm=[1, 0]), shape=mb.shape(x=weight("shaped")), name="out")


OWN = {
    "transposed": lambda: built(transposed, IOS17, x=fp16(1, 2, 3, 5)),
    "shared": lambda: built(shared, IOS17, x=fp16(2, 3)),
    "compressed": lambda: built(compressed, IOS18, x=fp16(8, 8)),
    "chain": lambda: chain("identity", 50),
}
EVERY: dict[str, Callable[[], Any]] = {**PROGRAMS, **OWN}


def run_passes(program: Any) -> list[str]:
    """Runs coremltools' default pipeline; the errors of the passes that fail."""
    errors = []
    with unique_names(names_in(program)):
        for name in PassPipeline.DEFAULT.passes:
            try:
                PASS_REGISTRY[name](program)
            except Exception as error:  # noqa: BLE001 - both ways have to fail alike
                errors.append(f"{name}: {type(error).__name__}: {error}")
    return errors


def bookkeeping(program: Any) -> list[Any]:
    """What PyMIL keeps beside the program: users in their order, compressed weights, scopes."""
    return [
        (
            var.name,
            [user.name for user in var.child_ops],
            len(var.consuming_blocks),
            sorted(each.name for each in var.nonreplaceable_vars_upstream),
            var.is_descendant_of_const,
            {source.name: words for source, words in operation.scopes.items()},
        )
        for operation in walk(program)
        for var in operation.outputs
    ]


@pytest.mark.parametrize("name", sorted(EVERY))
def test_passes_do_exactly_the_same(name: str) -> None:
    plain, fast = EVERY[name](), EVERY[name]()
    said = run_passes(plain)
    with fast_editing():
        assert run_passes(fast) == said
    assert first_difference(plain, fast) is None
    assert bookkeeping(plain) == bookkeeping(fast)


def test_it_is_restored_also_behind_errors() -> None:
    before = methods()
    with fast_editing(), fast_editing():
        assert all(now is not then for now, then in zip(methods(), before, strict=True))
    with pytest.raises(ZeroDivisionError), fast_editing():
        raise ZeroDivisionError
    assert methods() == before


def test_the_last_one_that_leaves_restores() -> None:
    before = methods()
    first, second = fast_editing(), fast_editing()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert methods() != before
    second.__exit__(None, None, None)
    assert methods() == before


def test_use_lists_are_plain_lists_again() -> None:
    program = EVERY["shared"]()
    scale = find_op(program, "scale").outputs[0]
    users = [*scale.child_ops]
    with fast_editing():
        scale.remove_child_op(users[3])
        assert isinstance(scale.child_ops, UseList)
    assert scale.child_ops == users[:3] + users[4:]
    assert type(scale.child_ops) is list


@pytest.mark.parametrize("until", [None, "sum_2", "there_4", "sum_0"])
@pytest.mark.parametrize("after", [None, "there_0", "there_1", "sum_3"])
def test_replacing_between_two_ops_is_the_same(after: str | None, until: str | None) -> None:
    """Every op that takes the input, in the order of the block, behind one op and up to another."""

    def body(x: Any) -> Any:
        flag = mb.cast(x=mb.squeeze(x=mb.slice_by_size(x=x, begin=[0, 0], size=[1, 1])), dtype="bool")
        y = mb.relu(x=x, name="y")
        users = [mb.add(x=x, y=mb.mul(x=y, y=x, name=f"there_{index}"), name=f"sum_{index}") for index in range(3)]
        users.append(mb.cond(pred=flag, _true_fn=lambda: mb.abs(x=y), _false_fn=lambda: y, name="choice"))
        users += [mb.add(x=x, y=mb.mul(x=y, y=x, name=f"there_{index}"), name=f"sum_{index}") for index in (3, 4)]
        return y, mb.concat(values=[y, *users, x], axis=0, name="out")

    def replaced() -> Any:
        program = built(body)
        anchor, end = (name and find_op(program, name) for name in (after, until))
        function, old = program.functions["main"], find_op(program, "y").outputs[0]
        old.op.scopes[ScopeSource.TORCHSCRIPT_MODULE_NAME] = ["net"]
        with graph_pass_scope("replacing"), function:
            first = function.operations[0]
            new = mb.exp(x=function.inputs["x"], name="new", before_op=first)
            function.replace_uses_of_var_after_op(anchor_op=anchor, old_var=old, new_var=new, end_op=end)
        return program

    plain = replaced()
    with fast_editing():
        fast = replaced()
    assert first_difference(plain, fast) is None
    assert bookkeeping(plain) == bookkeeping(fast)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=40))
def test_a_use_list_is_like_a_list(steps: list[tuple[bool, int]]) -> None:
    plain: list[int] = [3, 1, 3]
    uses = UseList(plain)
    for adds, item in steps:
        if adds:
            plain.append(item)
            uses.append(item)
        elif item in plain:
            plain.remove(item)
            uses.remove(item)
        else:
            with pytest.raises(ValueError, match="not in the list"):
                uses.remove(item)
        assert uses == plain
        assert (len(uses), bool(uses), [*reversed(uses)]) == (len(plain), bool(plain), plain[::-1])
        assert [item in uses for item in range(6)] == [item in plain for item in range(6)]
        assert [uses.count(item) for item in range(6)] == [plain.count(item) for item in range(6)]
        assert (uses[:2], uses[1:], uses[::2]) == (plain[:2], plain[1:], plain[::2])
        assert (uses + steps, steps + uses) == (plain + steps, steps + plain)
        if plain:
            assert (uses[0], uses[-1], uses[len(plain) // 2]) == (plain[0], plain[-1], plain[len(plain) // 2])


def test_weights_of_a_model_are_found_as_pymil_finds_them() -> None:
    """A compressed weight that a shape alone needs keeps nothing from being replaced."""
    program = EVERY["compressed"]()
    with fast_editing(), program.functions["main"]:
        pass
    needed = {each.name for each in find_op(program, "out").outputs[0].nonreplaceable_vars_upstream}
    assert needed == {f"weight_{index}" for index in range(4)}

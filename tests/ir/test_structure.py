"""Snapshots and hashes: equal for equal programs, different after every kind of edit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.copying import copy_program
from milopt.ir.edit_watch import watching_edits
from milopt.ir.equality import first_difference
from milopt.ir.pymil import mb, types
from milopt.ir.structure import fingerprints, first_change, snapshot, structural_hash
from support.editing import find_op, replace_constant
from support.programs import PROGRAMS


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_copy_has_the_same_hash(name: str) -> None:
    program = PROGRAMS[name]()
    copy = copy_program(program)
    assert structural_hash(program) == structural_hash(copy) == structural_hash(PROGRAMS[name]())
    assert len(structural_hash(program)) == 64


def test_programs_have_different_hashes() -> None:
    hashes = {structural_hash(build()) for build in PROGRAMS.values()}
    different = [name for name in PROGRAMS if first_difference(PROGRAMS[name](), PROGRAMS["linear"]()) is not None]
    assert len(hashes) >= len(different)


def rename_value(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "other"


def rename_op(program: Any) -> None:
    find_op(program, "relu").name = "other"


def change_type(program: Any) -> None:
    find_op(program, "relu").outputs[0]._sym_type = types.tensor(types.fp32, (10, 64))


def change_constant(program: Any) -> None:
    weight = find_op(program, "first").weight.op
    value = weight.val.val.copy()
    value.flat[-1] += 1
    replace_constant(weight, value)


def add_op(program: Any) -> None:
    function = program.functions["main"]
    with function:
        mb.relu(x=find_op(program, "first").outputs[0], before_op=find_op(program, "relu"))


def rewire(program: Any) -> None:
    second = find_op(program, "second")
    second.set_inputs(x=find_op(program, "first").outputs[0])


def remove_op(program: Any) -> None:
    relu = find_op(program, "relu")
    function = program.functions["main"]
    with function:
        function.replace_uses_of_var_after_op(relu, relu.outputs[0], relu.x)
        function.remove_ops([relu])


def change_outputs(program: Any) -> None:
    program.functions["main"].set_outputs([find_op(program, "relu").outputs[0]])


def rename_input(program: Any) -> None:
    next(iter(program.functions["main"].inputs.values())).name = "other"


EDITS: list[Callable[[Any], None]] = [
    rename_value, rename_op, change_type, change_constant, add_op, rewire, remove_op, change_outputs, rename_input
]  # fmt: skip


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_every_edit_is_seen(edit: Callable[[Any], None]) -> None:
    program = PROGRAMS["linear_chain"]()
    before, digest = snapshot(program), structural_hash(program)
    with watching_edits() as watch:
        edit(program)
    assert watch.count > 0
    assert snapshot(program) != before
    assert structural_hash(program) != digest


@pytest.mark.parametrize("name", ["linear_chain", "cond", "while_loop"])
def test_looking_is_no_edit(name: str) -> None:
    program = PROGRAMS[name]()
    before = snapshot(program)
    with watching_edits() as watch:
        structural_hash(program)
        first_difference(program, program)
        str(program)
    assert watch.count == 0
    assert snapshot(program) == before


def test_watches_may_overlap_and_leave_nothing_behind() -> None:
    program = PROGRAMS["linear_chain"]()
    with watching_edits() as outer:
        with watching_edits() as inner:
            rename_value(program)
        rename_op(program)
    rename_input(program)
    assert (inner.count, outer.count) == (1, 2)
    assert "__setattr__" not in vars(type(program))


def test_watch_ends_with_an_error() -> None:
    program = PROGRAMS["linear_chain"]()

    def fail() -> None:
        with watching_edits():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "__setattr__" not in vars(type(program))


def test_fingerprints_name_each_op_of_nested_blocks_too() -> None:
    subjects = [str(subject) for subject, _ in fingerprints(PROGRAMS["cond"]())]
    assert subjects[0] == "function 'main'"
    assert len(subjects) > 3


def without_relu(program: Any) -> None:
    relu, second = find_op(program, "relu"), find_op(program, "second")
    main = program.functions["main"]
    main.replace_uses_of_var_after_op(anchor_op=relu, old_var=relu.outputs[0], new_var=relu.x)
    main.remove_ops([relu])
    assert second.x is relu.x


def with_a_dead_op(program: Any) -> None:
    main = program.functions["main"]
    with main:
        mb.relu(x=main.inputs["x"], name="new", before_op=find_op(program, "second"))


def without_a_dead_op(program: Any) -> None:
    program.functions["main"].remove_ops([find_op(program, "new")])


def with_a_moved_op(program: Any) -> None:
    operations = program.functions["main"].operations
    bias = find_op(program, "second").bias.op
    program.functions["main"].operations = [bias, *(each for each in operations if each is not bias)]


@pytest.mark.parametrize(
    ("prepare", "edit", "found"),
    [
        (None, lambda _: None, None),
        (None, rename_op, "other"),
        (None, without_relu, "second"),  # which takes something else
        (None, with_a_dead_op, "new"),
        (with_a_dead_op, without_a_dead_op, "new"),  # and not what stands behind it
        (None, with_a_moved_op, "second_bias_0"),
    ],
)
def test_first_change_names_the_op_that_is_not_as_it_was(prepare: Any, edit: Any, found: str | None) -> None:
    program = PROGRAMS["linear_chain"]()
    if prepare is not None:
        prepare(program)
    before = [*fingerprints(program)]
    edit(program)
    subject = first_change(before, [*fingerprints(program)])
    assert (subject and subject.op) == found


def test_order_of_ops_counts() -> None:
    with watching_edits():
        program = PROGRAMS["linear_chain"]()
    digests = [digest for _, digest in fingerprints(program)]
    assert len(set(digests)) == len(digests)


def test_nan_has_one_hash() -> None:
    def with_constant(value: np.ndarray) -> Any:
        program = PROGRAMS["linear_chain"]()
        replace_constant(find_op(program, "first").weight.op, value)
        return program

    shape = find_op(PROGRAMS["linear_chain"](), "first").weight.shape
    dtype = find_op(PROGRAMS["linear_chain"](), "first").weight.val.dtype
    nan = np.full(shape, np.nan, dtype)
    assert structural_hash(with_constant(nan)) == structural_hash(with_constant(nan.copy()))

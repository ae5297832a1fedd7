"""What holds for every two programs, and how the time grows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.copying import copy_program
from milopt.ir.diffing.comparing import diff_programs
from milopt.ir.diffing.options import DiffOptions
from milopt.ir.diffing.records import FunctionDiff
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.ir.walking import walk
from support.program_registry import build_program, fp16, weights
from support.programs import PROGRAMS

# One op: its type, which of the values before it goes in, which as a second input, a number, and its name's number.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["relu", "tanh", "mul", "sub", "linear", "split"]),
        st.integers(0, 9),
        st.integers(0, 9),
        st.integers(1, 3),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=12,
)
OPTIONS = st.builds(DiffOptions, names=st.booleans(), weights=st.booleans())
Step = tuple[str, int, int, int, int]
TURNED = ("relu", "tanh")


def built(steps: list[Step]) -> Any:
    """A program of these steps; names are free, so that they may agree, disagree or mislead."""

    def body(x: Any) -> Any:
        values, names = [x], set[str]()
        for op_type, first, second, number, label in steps:
            name = f"op{label}"
            while name in names:
                name += "_"
            names.add(name)
            values.append(
                _made(op_type, values[-1 - first % len(values)], values[-1 - second % len(values)], number, name)
            )
        return tuple(values[-2:]) if len(values) > 2 else values[-1]

    return build_program(body, IOS17, x=fp16(4, 6))


def _made(op_type: str, x: Any, y: Any, number: int, name: str) -> Any:
    if op_type == "sub":
        return mb.sub(x=x, y=y, name=name)
    if op_type == "mul":
        return mb.mul(x=x, y=np.float16(number), name=name)
    if op_type == "linear":
        return mb.linear(x=x, weight=weights(6, 6, seed=number), name=name)
    if op_type == "split":
        halves = mb.split(x=x, num_splits=2, axis=1, name=name)
        return mb.concat(values=[halves[number % 2], halves[0]], axis=1, name=f"{name}_joined")
    return getattr(mb, op_type)(x=x, name=name)


def said(diff: FunctionDiff, *, turned: bool = False) -> tuple[Any, ...]:
    """What a difference says; turned, what the one in the other direction should say."""
    way = -1 if turned else 1
    ops = (_sorted(diff.added), _sorted(diff.removed))[::way]
    pairs = [((c.old, c.new)[::way], sorted((each.kind, each.subject) for each in c.changes)) for c in diff.changed]
    weight_pairs = [(c.kind, (c.old, c.new)[::way], sorted(c.parts)) for c in diff.weights]
    return ops, _sorted(pairs), _sorted(weight_pairs)


def _sorted(records: Iterable[Any]) -> list[Any]:
    return sorted(records, key=str)


@given(steps=STEPS, options=OPTIONS)
@settings(max_examples=60, deadline=None)
def test_copy_does_not_differ(steps: list[Step], options: DiffOptions) -> None:
    program = built(steps)
    assert not diff_programs(program, copy_program(program), options)


@given(steps=STEPS, seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_new_names_do_not_change_the_structure(steps: list[Step], seed: int) -> None:
    program, renamed = built(steps), built(steps)
    names = [f"new{index}" for index in range(len(list(walk(renamed))))]
    np.random.default_rng(seed).shuffle(names)
    for name, operation in zip(names, walk(renamed), strict=True):
        operation.name = name
        for index, output in enumerate(operation.outputs):
            output.name = f"{name}_{index}" if index else name
    assert not diff_programs(program, renamed, DiffOptions(names=False))
    diff = diff_programs(program, renamed)
    assert {key for key, n in diff.counts().items() if n} <= {"ops_renamed", "weights_renamed", "function_changes"}


@given(one=STEPS, other=STEPS, options=OPTIONS)
@settings(max_examples=80, deadline=None)
def test_difference_is_the_same_from_both_sides(one: list[Step], other: list[Step], options: DiffOptions) -> None:
    left, right = built(one), built(other)
    there, back = diff_programs(left, right, options).functions, diff_programs(right, left, options).functions
    assert len(there) == len(back)
    for diff, mirrored in zip(there, back, strict=True):
        assert said(diff) == said(mirrored, turned=True)


def test_exchanged_ops_are_the_same_from_both_sides() -> None:
    """Either op could be the one that stayed; which one may not depend on the direction."""
    one, other = (built([(kind, 0, 0, 1, at) for at, kind in enumerate(kinds)]) for kinds in (TURNED, TURNED[::-1]))
    there, back = (diff_programs(*pair, DiffOptions(names=False)).functions[0] for pair in ((one, other), (other, one)))
    assert (len(there.added), len(there.removed)) == (1, 1)
    assert said(there) == said(back, turned=True)


@given(steps=STEPS, at=st.integers(0, 11), options=OPTIONS)
@settings(max_examples=60, deadline=None)
def test_every_op_is_told_of_once(steps: list[Step], at: int, options: DiffOptions) -> None:
    shorter = [*steps[: at % len(steps)], *steps[at % len(steps) + 1 :]] or steps
    left, right = built(steps), built(shorter)
    for diff in diff_programs(left, right, options).functions:
        for side, ops, pairs in (
            (left, diff.removed, [change.old for change in diff.changed]),
            (right, diff.added, [change.new for change in diff.changed]),
        ):
            told = [op.name for op in (*ops, *pairs)]
            assert len(told) == len(set(told))
            assert set(told) <= {op.name for op in walk(side) if op.op_type != "const"}


@pytest.mark.parametrize("name", ["conv", "cond_in_loop", "two_functions", "sparse_int4", "states"])
def test_result_is_the_same_in_every_run(name: str) -> None:
    other = PROGRAMS["cond" if name == "cond_in_loop" else "linear"]()
    assert diff_programs(PROGRAMS[name](), other) == diff_programs(PROGRAMS[name](), other)


def long_chain(length: int, *, prefix: str = "", extra: int = -1) -> Any:
    """Elementwise ops with shortcuts; one more `tanh` at the place `extra`."""

    def body(x: Any) -> Any:
        values = [x]
        for index in range(length):
            y = mb.tanh(x=values[-1], name=f"{prefix}extra") if index == extra else values[-1]
            other = values[max(0, len(values) - 7)] if index % 3 else np.float16(index % 5)
            values.append(mb.add(x=y, y=other, name=f"{prefix}op{index}"))
        return values[-1]

    return build_program(body, IOS17, x=fp16(4, 5))


@pytest.mark.parametrize("prefix", ["", "z"], ids=["names", "renamed"])
def test_time_grows_with_the_number_of_ops(prefix: str) -> None:
    seconds = {}
    for length in (400, 3200):
        before, after = long_chain(length), long_chain(length, prefix=prefix, extra=length // 2)
        start = time.process_time()
        counts = diff_programs(before, after).counts()
        seconds[length] = time.process_time() - start
        assert (counts["ops_added"], counts["ops_removed"], counts["ops_changed"]) == (1, 0, 1)
    assert seconds[3200] < 32 * max(seconds[400], 0.02)  # eight times the ops; a quadratic step would take 64 times

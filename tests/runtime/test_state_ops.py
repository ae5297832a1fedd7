from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS18
from milopt.runtime.executable import Executable
from milopt.runtime.lower import lower_function
from milopt.runtime.types import Precision
from support.program_registry import Input, build_program, fp16, int32, state

NAMES = ("first", "second")


def opened(body: Callable[..., Any], precision: Precision = "float32", **inputs: Input) -> Executable:
    """A function that has the states `first` and `second` of the shape (2, 3), and further inputs."""
    program = build_program(body, IOS18, **inputs, first=state(2, 3), second=state(2, 3))
    return Executable(lower_function(program.functions["main"], precision))


def add(var: Any, number: float) -> Any:
    return mb.add(x=var, y=np.float16(number))


def increase(held: Any, number: float) -> Any:
    """Adds to a state."""
    return mb.coreml_update_state(state=held, value=add(mb.read_state(input=held), number))


def test_reads_see_the_update_before_them() -> None:
    def body(first: Any, second: Any) -> Any:
        before = mb.read_state(input=first)
        updated = increase(first, 2)
        return before, updated, mb.read_state(input=first), mb.read_state(input=second)

    executable = opened(body)
    held = {"first": np.full((2, 3), 5, np.float32), "second": np.full((2, 3), 7, np.float32)}
    outputs, held, _ = executable.run({}, held)

    assert [float(value[1, 2]) for value in outputs.values()] == [5, 7, 7, 7]
    assert [float(held[name][1, 2]) for name in NAMES] == [7, 7]


def test_states_last_from_run_to_run() -> None:
    executable = opened(lambda first, second: (increase(first, 2), increase(second, -1)))
    held = executable.new_states()
    for _ in range(3):
        _, held, _ = executable.run({}, held)

    np.testing.assert_array_equal(held["first"], np.full((2, 3), 6))
    np.testing.assert_array_equal(held["second"], np.full((2, 3), -3))


def test_state_may_hold_an_input_or_a_constant() -> None:
    def body(x: Any, first: Any, second: Any) -> Any:
        mb.coreml_update_state(state=first, value=x)
        mb.coreml_update_state(state=second, value=np.float16([[1, 2, 3], [4, 5, 6]]))
        return mb.read_state(input=second)

    x = np.float16([[9, 8, 7], [6, 5, 4]])
    outputs, held, _ = opened(body, x=fp16(2, 3)).run({"x": x})

    np.testing.assert_array_equal(held["first"], x)
    np.testing.assert_array_equal(held["second"], np.arange(1, 7).reshape(2, 3))
    np.testing.assert_array_equal(next(iter(outputs.values())), held["second"])


@pytest.mark.parametrize("chosen", [1, 0])
def test_branches_update_different_states(chosen: int) -> None:
    def body(p: Any, first: Any, second: Any) -> Any:
        increase(second, 100)
        result = mb.cond(
            pred=mb.squeeze(x=mb.cast(x=p, dtype="bool")),
            _true_fn=lambda: increase(first, 1),
            _false_fn=lambda: increase(second, 2),
        )
        return result, mb.read_state(input=first), mb.read_state(input=second)

    outputs, held, _ = opened(body, p=int32(1)).run({"p": np.int32([chosen])})
    result, first, second = (float(value[0, 0]) for value in outputs.values())

    assert (first, second) == ((1, 100) if chosen else (0, 102))
    assert result == (first if chosen else second)
    assert [float(held[name][0, 0]) for name in NAMES] == [first, second]


@pytest.mark.parametrize("times", [0, 4])
def test_loop_carries_states_that_its_condition_reads(times: int) -> None:
    def body(n: Any, first: Any, second: Any) -> Any:
        def condition(_: Any) -> Any:
            largest = mb.reduce_max(x=mb.read_state(input=first), axes=[0, 1])
            return mb.less(x=largest, y=mb.squeeze(x=mb.cast(x=n, dtype="fp16")))

        def step(i: Any) -> Any:
            increase(first, 1)
            increase(second, 10)
            return mb.add(x=i, y=1)

        count = mb.while_loop(_cond=condition, _body=step, loop_vars=(0,))
        return count, increase(second, 0.5)

    outputs, held, _ = opened(body, n=int32(1)).run({"n": np.int32([times])})
    count, last = outputs.values()

    assert int(count) == times
    assert float(last[1, 1]) == times * 10 + 0.5
    assert [float(held[name][1, 2]) for name in NAMES] == [times, times * 10 + 0.5]


def test_updates_in_a_branch_in_a_loop_reach_the_outside() -> None:
    def body(n: Any, first: Any, second: Any) -> Any:
        def step(i: Any) -> Any:
            odd = mb.equal(x=mb.mod(x=i, y=2), y=1)
            mb.cond(pred=odd, _true_fn=lambda: increase(first, 1), _false_fn=lambda: increase(second, 3))
            return mb.add(x=i, y=1)

        limit = mb.squeeze(x=n)
        return mb.while_loop(_cond=lambda i: mb.less(x=i, y=limit), _body=step, loop_vars=(0,))

    _, held, _ = opened(body, n=int32(1)).run({"n": np.int32([5])})

    assert [float(held[name][0, 1]) for name in NAMES] == [2, 9]


def test_half_precision_states_hold_what_the_device_stores() -> None:
    def body(x: Any, first: Any, second: Any) -> Any:
        mb.coreml_update_state(state=first, value=mb.mul(x=x, y=x))
        return mb.sub(x=mb.read_state(input=first), y=mb.read_state(input=second))

    x = np.float16([[1.1, 1.3, 2.7], [3.1, 0.3, 0.7]])
    rounded = opened(body, "float16", x=fp16(2, 3)).run({"x": x})[1]["first"]
    exact = opened(body, x=fp16(2, 3)).run({"x": x})[1]["first"]

    np.testing.assert_array_equal(rounded, x * x)
    np.testing.assert_array_equal(exact, x.astype(np.float32) ** 2)

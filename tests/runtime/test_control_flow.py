from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS18
from milopt.runtime.lower import lower_function
from support.program_registry import weights
from support.running import program_of, run

X = np.float32([[1, -2, 3], [4, 5, -6]])


def truth(number: Any) -> Any:
    return mb.squeeze(x=mb.cast(x=number, dtype="bool"))


def count(limit: Any, step: Callable[..., Any], *variables: Any) -> list[Any]:
    """Runs `step` on the number of the iteration and the variables, as often as `limit` says."""

    def body(i: Any, *held: Any) -> tuple[Any, ...]:
        new = step(i, *held)
        return mb.add(x=i, y=1), *(new if isinstance(new, tuple) else (new,))

    return mb.while_loop(_cond=lambda i, *_: mb.less(x=i, y=limit), _body=body, loop_vars=(0, *variables))[1:]


@pytest.mark.parametrize("chosen", [1, 0])
def test_branch_gives_outputs_of_the_chosen_block(chosen: int) -> None:
    def body(p: Any, x: Any) -> Any:
        return mb.cond(
            pred=truth(p),
            _true_fn=lambda: (mb.add(x=x, y=1.0), mb.reduce_sum(x=x, axes=[1])),
            _false_fn=lambda: (mb.mul(x=x, y=2.0), mb.reduce_max(x=x, axes=[1])),
        )

    same, reduced = run(body, p=np.int32([chosen]), x=X)

    np.testing.assert_array_equal(same, X + 1 if chosen else X * 2)
    np.testing.assert_array_equal(reduced, X.sum(1) if chosen else X.max(1))


@pytest.mark.parametrize("chosen", [1, 0])
def test_branch_may_give_what_it_did_not_make(chosen: int) -> None:
    def body(p: Any, x: Any) -> Any:
        return mb.cond(
            pred=truth(p),
            _true_fn=lambda: (x, x, mb.const(val=np.int32([7, 8]))),
            _false_fn=lambda: (mb.relu(x=x), x, mb.const(val=np.int32([9, 8]))),
        )

    first, second, constant = run(body, p=np.int32([chosen]), x=X)

    np.testing.assert_array_equal(first, X if chosen else np.maximum(X, 0))
    np.testing.assert_array_equal(second, X)
    np.testing.assert_array_equal(constant, [7, 8] if chosen else [9, 8])


@pytest.mark.parametrize("chosen", [1, 0])
def test_branches_may_give_different_shapes(chosen: int) -> None:
    def body(p: Any, x: Any) -> Any:
        def halved() -> Any:
            return mb.slice_by_index(x=x, begin=[0, 0], end=[0, 1], end_mask=[True, False])

        return mb.reduce_sum(x=mb.cond(pred=truth(p), _true_fn=lambda: mb.add(x=x, y=1.0), _false_fn=halved))

    (total,) = run(body, symbolic=True, p=np.int32([chosen]), x=X)

    assert total == ((X + 1) if chosen else X[:, :1]).sum()


@pytest.mark.parametrize("outer", [1, 0])
@pytest.mark.parametrize("inner", [1, 0])
def test_nested_branches_see_values_of_all_blocks_around(outer: int, inner: int) -> None:
    def body(p: Any, q: Any, x: Any) -> Any:
        def chosen() -> Any:
            y = mb.mul(x=x, y=3.0)
            return mb.cond(pred=truth(q), _true_fn=lambda: mb.add(x=x, y=y), _false_fn=lambda: mb.sub(x=y, y=1.0))

        return mb.cond(pred=truth(p), _true_fn=chosen, _false_fn=lambda: mb.identity(x=x))

    (result,) = run(body, p=np.int32([outer]), q=np.int32([inner]), x=X)

    np.testing.assert_array_equal(result, (X + 3 * X if inner else 3 * X - 1) if outer else X)


def test_branch_that_is_known_needs_no_if() -> None:
    def body(x: Any) -> Any:
        return mb.cond(pred=False, _true_fn=lambda: mb.add(x=x, y=1.0), _false_fn=lambda: mb.sub(x=x, y=1.0))

    nodes = lower_function(program_of(body, IOS15, {"x": X}, symbolic=False).functions["main"]).graph.main.nodes

    assert [node.op_type for node in nodes] == ["Sub"]
    np.testing.assert_array_equal(run(body, x=X)[0], X - 1)


def test_large_weights_reach_branches() -> None:
    matrix = weights(520, 510, dtype="float32")

    def body(p: Any, x: Any) -> Any:
        return mb.cond(
            pred=truth(p), _true_fn=lambda: mb.matmul(x=x, y=matrix), _false_fn=lambda: mb.matmul(x=x, y=-2 * matrix)
        )

    x = weights(3, 520, dtype="float32", seed=1)

    np.testing.assert_allclose(run(body, p=np.int32([1]), x=x)[0], x @ matrix, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(body, p=np.int32([0]), x=x)[0], x @ (-2 * matrix), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("times", [0, 1, 5])
def test_loop_carries_values_and_may_run_zero_times(times: int) -> None:
    def body(n: Any, x: Any) -> Any:
        return count(mb.squeeze(x=n), lambda i, y: mb.add(x=mb.mul(x=y, y=2.0), y=mb.cast(x=i, dtype="fp32")), x)

    expected = X
    for i in range(times):
        expected = 2 * expected + i

    np.testing.assert_array_equal(run(body, n=np.int32([times]), x=X)[0], expected)


def test_loop_condition_may_be_a_vector_of_one_element() -> None:
    def body(n: Any, x: Any) -> Any:
        return count(n, lambda _, y: mb.add(x=y, y=x), x)

    np.testing.assert_array_equal(run(body, n=np.int32([3]), x=X)[0], 4 * X)


def test_loop_variables_may_be_exchanged() -> None:
    def body(n: Any, x: Any, y: Any) -> Any:
        return count(mb.squeeze(x=n), lambda _i, a, b: (b, a), x, y)

    a, b = run(body, n=np.int32([3]), x=X, y=-X)

    np.testing.assert_array_equal(a, -X)
    np.testing.assert_array_equal(b, X)


def test_loop_condition_may_compute_and_share_constants_with_the_body() -> None:
    def body(x: Any) -> Any:
        limit = mb.const(val=np.float32(100))

        def condition(y: Any) -> Any:
            return mb.less(x=mb.reduce_max(x=mb.mul(x=y, y=2.0)), y=limit)

        return mb.while_loop(_cond=condition, _body=lambda y: mb.add(x=mb.mul(x=y, y=2.0), y=limit), loop_vars=(x,))

    expected = X
    while (2 * expected).max() < 100:
        expected = 2 * expected + 100

    np.testing.assert_array_equal(run(body, x=X)[0], expected)


@pytest.mark.parametrize("times", [0, 3])
def test_shape_may_change_in_each_iteration(times: int) -> None:
    def body(n: Any, x: Any) -> Any:
        return count(mb.squeeze(x=n), lambda _, y: mb.concat(values=[y, x], axis=0), x)

    np.testing.assert_array_equal(run(body, n=np.int32([times]), x=X)[0], np.concatenate([X] * (times + 1)))


@pytest.mark.parametrize(("outer", "inner"), [(2, 3), (3, 0), (0, 2)])
def test_nested_loops(outer: int, inner: int) -> None:
    def body(n: Any, m: Any, x: Any) -> Any:
        def step(i: Any, y: Any) -> Any:
            shift = mb.cast(x=i, dtype="fp32")
            return count(mb.squeeze(x=m), lambda _, z: mb.add(x=mb.add(x=z, y=shift), y=x), y)[0]

        return count(mb.squeeze(x=n), step, x)

    expected = X + sum(i + X for i in range(outer) for _ in range(inner))

    np.testing.assert_array_equal(run(body, n=np.int32([outer]), m=np.int32([inner]), x=X)[0], expected)


def test_branch_inside_of_a_loop_sees_its_variables() -> None:
    def body(n: Any, x: Any) -> Any:
        def step(i: Any, y: Any) -> Any:
            odd = mb.equal(x=mb.mod(x=i, y=2), y=1)
            return mb.cond(pred=odd, _true_fn=lambda: mb.add(x=y, y=10.0), _false_fn=lambda: mb.mul(x=y, y=3.0))

        return count(mb.squeeze(x=n), step, x)

    np.testing.assert_array_equal(run(body, n=np.int32([4]), x=X)[0], 3 * (3 * X + 10) + 10)


def test_half_precision_values_are_rounded_in_each_iteration() -> None:
    def body(n: Any, x: Any) -> Any:
        return count(mb.squeeze(x=n), lambda _, y: mb.mul(x=y, y=np.float16(1.1)), x)

    x = np.float16([1, 3, 7])
    expected = x
    for _ in range(9):
        expected = expected * np.float16(1.1)

    rounded = run(body, IOS18, precision="float16", n=np.int32([9]), x=x)[0]

    np.testing.assert_array_equal(rounded, expected)
    assert (run(body, IOS18, n=np.int32([9]), x=x)[0] != expected).any()

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb, mil_list
from milopt.ir.targets import IOS16, IOS18
from support.running import run

X = np.float32([1, 2, 3])


def everything(held: Any) -> Any:
    """All elements of a list."""
    return mb.list_gather(ls=held, indices=mb.range_1d(start=0, end=mb.list_length(ls=held), step=1))


def test_list_is_zeros_at_first() -> None:
    def body(x: Any) -> Any:
        held = mb.make_list(init_length=2, elem_shape=(3, 5), dtype="int32")
        return mb.list_gather(ls=held, indices=[0, 1]), mb.list_length(ls=held), mb.identity(x=x)

    elements, length, _ = run(body, x=X)

    assert elements.dtype == np.int32
    np.testing.assert_array_equal(elements, np.zeros((2, 3, 5)))
    assert int(length) == 2


@pytest.mark.parametrize("dtype", ["fp16", "fp32", "int32", "bool"])
def test_list_holds_what_is_written(dtype: str) -> None:
    def body(x: Any) -> Any:
        held = mb.make_list(init_length=2, dynamic_length=False, elem_shape=(3,), dtype=dtype)
        held = mb.list_write(ls=held, index=1, value=mb.cast(x=x, dtype=dtype))
        return [mb.cast(x=mb.list_read(ls=held, index=index), dtype="fp32") for index in (0, 1)]

    unwritten, written = run(body, IOS16, x=X)

    np.testing.assert_array_equal(unwritten, np.zeros(3))
    np.testing.assert_array_equal(written, X.astype(bool) if dtype == "bool" else X)


@pytest.mark.parametrize("elements", [(3,), ("any",)])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_writing_beyond_the_end_grows_the_list(place: int, elements: tuple[int | str]) -> None:
    def body(x: Any, place: Any) -> Any:
        held = mb.make_list(init_length=2, elem_shape=elements)
        held = mb.list_write(ls=held, index=mb.squeeze(x=place), value=x)
        return everything(held), mb.list_length(ls=held)

    expected = np.zeros((max(place + 1, 2), 3))
    expected[place] = X
    held, length = run(body, x=X, place=np.int32([place]))

    np.testing.assert_array_equal(held, expected)
    assert int(length) == len(expected)


def test_writing_at_a_known_place_beyond_the_end_grows_the_list() -> None:
    def body(x: Any) -> Any:
        return everything(mb.list_write(ls=mb.make_list(init_length=1, elem_shape=(3,)), index=2, value=x))

    np.testing.assert_array_equal(run(body, x=X)[0], [[0, 0, 0], [0, 0, 0], X])


def test_elements_may_be_scalars() -> None:
    def body(x: Any) -> Any:
        held = mb.list_scatter(ls=mb.make_list(init_length=1, elem_shape=()), indices=[4, 1, 2], value=x)
        return everything(held), mb.list_read(ls=held, index=2)

    held, third = run(body, x=X)

    np.testing.assert_array_equal(held, [0, 2, 3, 0, 1])
    assert third.shape == ()
    assert third == 3


def test_scattering_and_gathering_in_any_order() -> None:
    def body(x: Any, places: Any) -> Any:
        held = mb.make_list(init_length=1, elem_shape=(3,))
        held = mb.list_scatter(ls=held, indices=places, value=x)
        held = mb.list_scatter(ls=held, indices=[1], value=np.float32([[9, 9, 9]]))
        return mb.list_gather(ls=held, indices=[4, 0, 4, 1]), mb.list_length(ls=held)

    elements, length = run(body, x=np.stack([X, -X]), places=np.int32([4, 0]))

    np.testing.assert_array_equal(elements, [X, -X, X, [9, 9, 9]])
    assert int(length) == 5


def test_scattering_nothing_changes_nothing() -> None:
    def body(x: Any, places: Any) -> Any:
        held = mb.list_write(ls=mb.make_list(init_length=2, elem_shape=(3,)), index=1, value=np.float32([4, 5, 6]))
        return everything(mb.list_scatter(ls=held, indices=places, value=x))

    (held,) = run(body, x=np.zeros((0, 3), np.float32), places=np.zeros(0, np.int32))

    np.testing.assert_array_equal(held, [[0, 0, 0], [4, 5, 6]])


@pytest.mark.parametrize("times", [0, 1, 4])
def test_loop_appends_to_a_list_of_elements_of_any_size(times: int) -> None:
    def body(n: Any, x: Any) -> Any:
        held = mb.make_list(init_length=1, elem_shape=("rows", "columns"))

        def step(i: Any, held: Any) -> Any:
            value = mb.mul(x=x, y=mb.cast(x=i, dtype="fp32"))
            return mb.add(x=i, y=1), mb.list_write(ls=held, index=i, value=value)

        limit = mb.squeeze(x=n)
        _, held = mb.while_loop(_cond=lambda i, _: mb.less(x=i, y=limit), _body=step, loop_vars=(0, held))
        return everything(held), mb.list_length(ls=held)

    x = np.stack([X, -X])
    elements, length = run(body, IOS18, symbolic=True, n=np.int32([times]), x=x)

    assert int(length) == max(times, 1)
    np.testing.assert_array_equal(elements, [x * i for i in range(times)] if times else np.zeros((1, 0, 0)))


def test_length_known_when_the_program_runs() -> None:
    def body(n: Any) -> Any:
        held = mb.make_list(init_length=mb.squeeze(x=n), elem_shape=(3,))
        return everything(held), mb.list_length(ls=held)

    held, length = run(body, n=np.int32([4]))

    np.testing.assert_array_equal(held, np.zeros((4, 3)))
    assert int(length) == 4


@pytest.mark.parametrize("place", [2, 7])
def test_list_of_fixed_length_does_not_grow(place: int) -> None:
    def body(x: Any, place: Any) -> Any:
        held = mb.make_list(init_length=2, dynamic_length=False, elem_shape=(3,))
        return mb.list_read(ls=mb.list_write(ls=held, index=mb.squeeze(x=place), value=x), index=0)

    with pytest.raises(RunError, match="the run failed"):
        run(body, x=X, place=np.int32([place]))


def test_list_of_numbers_may_be_constant() -> None:
    def body(x: Any) -> Any:
        return mb.list_read(ls=mb.const(val=mil_list([np.int64(5), np.int64(6)])), index=1), mb.identity(x=x)

    assert run(body, x=X)[0] == 6


def made() -> Any:
    return mb.make_list(elem_shape=(3,), dtype="string")


def constant() -> Any:
    return mb.const(val=mil_list([np.str_("a"), np.str_("b")]))


@pytest.mark.parametrize("held", [made, constant])
def test_list_of_strings_is_refused(held: Callable[[], Any]) -> None:
    def body(x: Any) -> Any:
        return mb.list_read(ls=held(), index=0), mb.identity(x=x)

    with pytest.raises(RunError, match=r"can not run '(make_list|list_read)': lists of strings"):
        run(body, x=X)


def test_of_several_values_at_one_place_the_last_wins() -> None:
    def body(x: Any, places: Any) -> Any:
        return everything(mb.list_scatter(ls=mb.make_list(init_length=3, elem_shape=(3,)), indices=places, value=x))

    x = np.arange(30_000, dtype=np.float32).reshape(10_000, 3)

    (held,) = run(body, x=x, places=np.ones(10_000, np.int32))

    np.testing.assert_array_equal(held, [[0, 0, 0], x[-1], [0, 0, 0]])

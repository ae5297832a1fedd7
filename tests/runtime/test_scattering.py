from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17, IOS18, Opset
from milopt.runtime.lower import lower_function
from milopt.runtime.session import Session
from support.program_registry import Input, build_program
from support.running import program_of, run

MODES: dict[str, Callable[[Any, Any], Any]] = {
    "update": lambda _, new: new,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": lambda old, new: np.trunc(old / new) if old.dtype.kind == "i" else old / new,
    "max": np.maximum,
    "min": np.minimum,
}


def values(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Whole numbers, so that every order of additions and products gives the same; none is zero."""
    numbers = np.random.default_rng([seed, *shape]).integers(1, 9, shape)
    return (numbers * np.where(numbers % 3, 1, -1)).astype(dtype)


def scattered(data: np.ndarray, places: list[tuple[Any, ...]], updates: np.ndarray, mode: str) -> np.ndarray:
    """One update after the other."""
    result = data.copy()
    for place, update in zip(places, updates, strict=True):
        result[place] = MODES[mode](result[place], update)
    return result


@pytest.mark.parametrize("dtype", ["float32", "int32"])
@pytest.mark.parametrize("mode", MODES)
def test_updates_to_one_place_are_all_taken(mode: str, dtype: str) -> None:
    data, updates, indices = values(3, 4, dtype=dtype), values(5, 4, dtype=dtype, seed=1), np.int32([2, 0, 2, 2, 0])
    data *= 1000 if mode == "div" else 1
    columns, elements = np.int32([[2], [0], [2], [1], [0]]), values(5, dtype=dtype, seed=2)

    def body(d: Any, i: Any, u: Any, c: Any, e: Any) -> Any:
        return [
            mb.scatter(data=d, indices=i, updates=u, mode=mode),
            mb.scatter_nd(data=d, indices=mb.stack(values=[i, mb.squeeze(x=c)], axis=1), updates=e, mode=mode),
            mb.scatter_along_axis(data=d, indices=mb.concat(values=[c] * 4, axis=1), updates=u, mode=mode),
        ]

    slices, single, along = run(body, d=data, i=indices, u=updates, c=columns, e=elements)

    flat = columns.ravel()
    expected = scattered(data, [(i,) for i in indices], updates, mode)
    np.testing.assert_allclose(slices, expected, rtol=1e-6)
    expected = scattered(data, list(zip(indices, flat, strict=True)), elements, mode)
    np.testing.assert_allclose(single, expected, rtol=1e-6)
    expected = scattered(data, [(i,) for i in flat], updates, mode)
    np.testing.assert_allclose(along, expected, rtol=1e-6)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("indices", [np.int32([1, 0, -1, 1]), np.int32([[0, -2, 1]])])
def test_slices_are_written_along_any_axis(axis: int, indices: np.ndarray, *, symbolic: bool) -> None:
    data = values(2, 3, 5)
    front = np.moveaxis(data, axis, 0)
    updates = values(indices.size, *front.shape[1:], seed=1)
    shape = (*data.shape[: axis % 3], *indices.shape, *data.shape[axis % 3 + 1 :])
    given = np.moveaxis(updates, 0, axis).reshape(shape)

    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter(data=d, indices=i, updates=u, axis=axis, mode="sub")

    (y,) = run(body, d=data, i=indices, u=given, symbolic=symbolic)

    expected = scattered(front, [(i,) for i in indices.ravel()], updates, "sub")
    np.testing.assert_array_equal(y, np.moveaxis(expected, 0, axis))


@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_a_single_index_writes_one_slice(opset: Opset) -> None:
    data, update = values(2, 3, 5), values(2, 5, seed=1)

    def body(d: Any, u: Any) -> Any:
        return mb.scatter(data=d, indices=np.int32(2), updates=u, axis=1, mode="update")

    (y,) = run(body, opset, d=data, u=update)

    np.testing.assert_array_equal(y[:, 2], update)
    np.testing.assert_array_equal(y[:, :2], data[:, :2])


@pytest.mark.parametrize("shape", [(2,), (4, 1), (4, 3), (2, 2, 2), (0, 2)])
@pytest.mark.parametrize("opset", [IOS15, IOS17])
@pytest.mark.parametrize("constant", [False, True])
def test_slices_are_written_at_coordinates(shape: tuple[int, ...], opset: Opset, *, constant: bool) -> None:
    data = values(2, 3, 5)
    low = -2 if opset == IOS15 else 0  # negative ones were taken before iOS17
    indices = np.random.default_rng(1).integers(low, 2, shape).astype(np.int32)
    updates = values(*shape[:-1], *data.shape[shape[-1] :], seed=1)

    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter_nd(data=d, indices=indices if constant else i, updates=u, mode="update")

    (y,) = run(body, opset, d=data, i=indices, u=updates)

    places = [tuple(place) for place in indices.reshape(-1, shape[-1])]
    flat = updates.reshape(len(places), *data.shape[shape[-1] :])
    np.testing.assert_array_equal(y, scattered(data, places, flat, "update"))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements_are_written_along_any_axis(axis: int) -> None:
    shape = [2, 3, 5]
    shape[axis] = 2
    data, updates = values(2, 3, 5), values(*shape, seed=1)
    indices = np.argsort(np.random.default_rng(0).random(shape), axis).astype(np.int32) - 2

    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter_along_axis(data=d, indices=i, updates=u, axis=axis, mode="update")

    (y,) = run(body, d=data, i=indices, u=updates)

    expected = data.copy()
    np.put_along_axis(expected, indices, updates, axis)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_elements_are_written_where_the_size_is_unknown(opset: Opset) -> None:
    indices = np.int32([3, 0, 3] if opset == IOS17 else [-1, 0, -1])

    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter_along_axis(data=d, indices=i, updates=u, mode="add")

    (y,) = run(body, opset, symbolic=True, d=np.float32([1, 2, 3, 4]), i=indices, u=np.float32([10, 20, 30]))

    np.testing.assert_array_equal(y, [21, 2, 3, 44])


@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_coordinates_of_data_of_unknown_sizes(opset: Opset) -> None:
    def body(d: Any, i: Any, u: Any) -> Any:
        return [mb.scatter_nd(data=d, indices=i, updates=u), mb.gather_nd(x=d, indices=i)]

    specs = {"d": Input((None, None, None), "fp32"), "i": Input((None, 2), "int32"), "u": Input((None, None), "fp32")}
    data, updates = values(2, 3, 5), values(3, 5, seed=1)
    indices = np.int32([[1, 2], [0, 1], [1, 2]] if opset == IOS17 else [[-1, 2], [0, -2], [1, -1]])

    outputs = Session(build_program(body, opset, **specs)).run({"d": data, "i": indices, "u": updates})

    written, read = outputs.values()
    np.testing.assert_array_equal(written, scattered(data, [(1, 2), (0, 1), (1, 2)], updates, "add"))
    np.testing.assert_array_equal(read, data[[1, 0, 1], [2, 1, 2]])


Body = Callable[..., Any]
# Each writes to places of a [2, 3] array: two good ones, a negative and a large one.
OUTSIDE: dict[str, tuple[Body, np.ndarray, np.ndarray, list[Any]]] = {
    "scatter": (mb.scatter, np.int32([0, -1, 1, 2]), values(4, 3, seed=1), [(0,), None, (1,), None]),
    "scatter_nd": (
        mb.scatter_nd,
        np.int32([[0, 2], [0, -1], [1, 0], [0, 3]]),
        values(4, seed=1),
        [(0, 2), None, (1, 0), None],
    ),
    "scatter_along_axis": (
        mb.scatter_along_axis,
        np.int32([[0, 0, 0], [-1, -1, -1], [1, 1, 1], [2, 2, 2]]),
        values(4, 3, seed=1),
        [(0,), None, (1,), None],
    ),
}


@pytest.mark.parametrize("op", OUTSIDE)
@pytest.mark.parametrize("mode", ["update", "mul"])
@pytest.mark.parametrize("constant", [False, True])
def test_since_ios17_updates_out_of_range_are_left_out(op: str, mode: str, *, constant: bool) -> None:
    function, indices, updates, places = OUTSIDE[op]

    def body(d: Any, i: Any, u: Any) -> Any:
        return function(data=d, indices=indices if constant else i, updates=u, mode=mode)

    data = values(2, 3)
    (y,) = run(body, IOS18, d=data, i=indices, u=updates)

    good = [index for index, place in enumerate(places) if place is not None]
    np.testing.assert_array_equal(y, scattered(data, [places[index] for index in good], updates[good], mode))


@pytest.mark.parametrize("op", OUTSIDE)
@pytest.mark.parametrize("bad", [1, 3])
def test_validated_indices_out_of_range_fail_the_run(op: str, bad: int) -> None:
    function, indices, updates, places = OUTSIDE[op]

    def body(d: Any, i: Any, u: Any) -> Any:
        return function(data=d, indices=i, updates=u, validate_indices=True)

    data = values(2, 3)
    (y,) = run(body, IOS17, d=data, i=indices[[0, 2]], u=updates[[0, 2]])
    np.testing.assert_array_equal(y, scattered(data, [places[0], places[2]], updates[[0, 2]], "add"))

    with pytest.raises(RunError, match="run failed"):
        run(body, IOS17, d=data, i=indices[[0, bad]], u=updates[[0, bad]])


@pytest.mark.parametrize("op", OUTSIDE)
def test_before_ios17_only_indices_too_large_fail(op: str) -> None:
    function, indices, updates, _ = OUTSIDE[op]

    def body(d: Any, i: Any, u: Any) -> Any:
        return function(data=d, indices=i, updates=u, mode="update")

    (y,) = run(body, IOS15, d=values(2, 3), i=indices[:2], u=updates[:2])
    np.testing.assert_array_equal(y.reshape(2, 3)[(0, 2) if op == "scatter_nd" else 1], updates[1])

    with pytest.raises(RunError, match="run failed"):
        run(body, IOS15, d=values(2, 3), i=indices, u=updates)


@pytest.mark.parametrize("op", OUTSIDE)
def test_a_constant_index_out_of_range_is_refused_before_ios17(op: str) -> None:
    function, indices, updates, _ = OUTSIDE[op]

    def body(d: Any, u: Any) -> Any:
        return function(data=d, indices=indices, updates=u)

    program = program_of(body, IOS15, {"d": values(2, 3), "u": updates}, symbolic=False)

    with pytest.raises(RunError, match=f"can not run '{op}': an index is out of range"):
        lower_function(program.functions["main"])


def test_the_last_of_many_updates_wins_and_no_addition_is_lost() -> None:
    count = 200_000  # enough for several threads
    indices, updates = np.zeros((count, 1), np.int32), np.ones((count, 8), np.float32)
    updates[-1] = 7

    def body(d: Any, i: Any, u: Any) -> Any:
        return [mb.scatter_nd(data=d, indices=i, updates=u, mode=mode) for mode in ("update", "add")]

    last, total = run(body, d=np.zeros((2, 8), np.float32), i=indices, u=updates)

    np.testing.assert_array_equal(last[0], np.full(8, 7))
    np.testing.assert_array_equal(total[0], np.full(8, count + 6))


def test_division_by_several_updates_rounds_once() -> None:
    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter(data=d, indices=i, updates=u, mode="div")

    (y,) = run(body, d=np.float32([1, 49]), i=np.int32([0, 1, 0]), u=np.float32([3, 49, 7]))

    np.testing.assert_array_equal(y, np.float32([1 / np.float32(21), 1]))


def test_an_unknown_mode_is_refused() -> None:
    def body(d: Any, i: Any, u: Any) -> Any:
        return mb.scatter(data=d, indices=i, updates=u, mode="maximum")

    with pytest.raises(RunError, match="no mode 'maximum'"):
        run(body, d=np.float32([1]), i=np.int32([0]), u=np.float32([2]))


def test_a_write_of_slices_needs_no_check_before_ios17() -> None:
    arrays = {"d": values(2, 3), "i": np.int32([0]), "u": values(1, 3)}
    program = program_of(lambda d, i, u: mb.scatter(data=d, indices=i, updates=u), IOS15, arrays, symbolic=False)

    nodes = lower_function(program.functions["main"]).graph.main.nodes

    assert [node.op_type for node in nodes] == ["Unsqueeze", "Shape", "Expand", "ScatterElements"]

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, Opset
from milopt.runtime.lower import lower_function
from support.running import inferred, program_of, run

DISTINCT = np.random.default_rng(0).permutation(30).reshape(2, 3, 5)
TIES = np.float32([[2, 1, 2, 1], [0, 0, -1, 0]])


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize(("axis", "dtype"), [(0, "float32"), (1, "int32"), (-1, "float16"), (-3, "int32")])
def test_argsort_along_any_axis(axis: int, dtype: str, *, ascending: bool, symbolic: bool) -> None:
    x = DISTINCT.astype(dtype)

    (order,) = run(lambda x: mb.argsort(x=x, axis=axis, ascending=ascending), x=x, symbolic=symbolic)

    assert order.dtype == np.int32
    np.testing.assert_array_equal(order, np.argsort(x if ascending else -x, axis))


def test_equal_elements_stay_in_order() -> None:
    def body(x: Any) -> Any:
        return [mb.argsort(x=x), mb.argsort(x=x, ascending=True), mb.topk(x=x, k=3)[1]]

    down, up, top = run(body, x=TIES)

    np.testing.assert_array_equal(down, [[0, 2, 1, 3], [0, 1, 3, 2]])
    np.testing.assert_array_equal(up, [[1, 3, 0, 2], [2, 0, 1, 3]])
    np.testing.assert_array_equal(top, down[:, :3])


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("opset", [IOS15, IOS16, IOS17])
def test_topk_gives_values_and_indices(opset: Opset, axis: int, *, ascending: bool) -> None:
    def body(x: Any) -> Any:
        return mb.topk(x=x, k=2, axis=axis, ascending=ascending)

    x = DISTINCT.astype(np.float32)
    values, indices = run(body, opset, x=x)

    expected_values, expected_indices = inferred(body, opset, x=x)
    np.testing.assert_array_equal(values, expected_values)
    np.testing.assert_array_equal(indices, expected_indices)


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int16", "uint16", "int32"])
def test_topk_of_every_type_since_ios17(dtype: str) -> None:
    def body(x: Any) -> Any:
        return mb.topk(x=x, k=np.int8(2), output_indices_dtype="uint16")

    x = np.asarray([[7, 120, 3], [90, 1, 80]], dtype)
    values, indices = run(body, IOS17, x=x)

    assert (values.dtype, indices.dtype) == (dtype, np.uint16)
    np.testing.assert_array_equal(values, [[120, 7], [90, 80]])
    np.testing.assert_array_equal(indices, [[1, 0], [0, 2]])


def test_topk_of_unsigned_numbers_beyond_the_signed_range() -> None:
    (values,) = run(lambda x: mb.topk(x=x, k=2, return_indices=False), IOS17, x=np.uint16([1, 65535, 40000]))

    np.testing.assert_array_equal(values, [65535, 40000])


def test_unsorted_topk_without_indices_is_sorted_as_core_mls_is() -> None:
    (values,) = run(lambda x: mb.topk(x=x, k=2, sort=False, return_indices=False), IOS16, x=np.float32([[1, 5, 9, 7]]))

    np.testing.assert_array_equal(values, [[9, 7]])


@pytest.mark.parametrize("symbolic", [False, True])
def test_topk_of_minus_one_takes_all_elements(*, symbolic: bool) -> None:
    def body(x: Any) -> Any:
        values, _ = mb.topk(x=x, k=-1, axis=1)
        return mb.argsort(x=values, axis=1, ascending=True)

    np.testing.assert_array_equal(run(body, IOS18, x=TIES, symbolic=symbolic)[0], [[2, 3, 0, 1], [3, 0, 1, 2]])


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_one_hot_puts_the_new_axis_anywhere(axis: int) -> None:
    indices = np.int32([[1, 0, 3], [2, 2, 1]])

    def body(i: Any) -> Any:
        return mb.one_hot(indices=i, one_hot_vector_size=4, axis=axis)

    (y,) = run(body, i=indices)

    assert y.dtype == np.int32
    np.testing.assert_array_equal(np.moveaxis(y, axis, -1), np.eye(4)[indices])


def test_one_hot_of_a_single_index() -> None:
    def body(i: Any) -> Any:
        return mb.one_hot(indices=mb.squeeze(x=i, axes=[0]), one_hot_vector_size=3)

    np.testing.assert_array_equal(run(body, i=np.int32([2]))[0], [0, 0, 1])


@pytest.mark.parametrize(("on", "off"), [(2.5, -1.0), (np.float16(0), np.float16(1)), (7, 9), (True, False)])
def test_indices_out_of_range_are_nowhere_on(on: Any, off: Any) -> None:
    def body(i: Any, n: Any) -> Any:
        size = mb.squeeze(x=n, axes=[0])
        return [
            mb.one_hot(indices=i, one_hot_vector_size=each, axis=0, on_value=on, off_value=off) for each in (3, size)
        ]

    for y in run(body, i=np.int32([-1, 3, 1]), n=np.int32([3]), symbolic=True):
        np.testing.assert_array_equal(y, [[off, off, off], [off, off, on], [off, off, off]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "bool"])
def test_non_zero_gives_rows_of_coordinates(dtype: str) -> None:
    x = np.asarray([[[0, 1], [1, 0]], [[0, 0], [1, 1]], [[0, 0], [0, 0]]], dtype)

    (y,) = run(lambda x: mb.non_zero(x=mb.logical_not(x=x) if dtype == "bool" else x), x=x, symbolic=True)

    assert y.dtype == np.int32
    np.testing.assert_array_equal(y, np.argwhere(~x if dtype == "bool" else x))


def test_the_places_of_a_scalar_are_refused() -> None:
    with pytest.raises(RunError, match="x is a scalar"):
        run(lambda x: mb.non_zero(x=mb.squeeze(x=x, axes=[0])), x=np.float32([1]))


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "int32"])
def test_a_band_of_each_innermost_matrix_is_kept(dtype: str, *, symbolic: bool) -> None:
    x = np.arange(1, 31).reshape(2, 3, 5).astype(dtype)
    bands = [(-1, -1), (0, -1), (-1, 0), (0, 0), (1, 2), (2, 1), (9, 9)]

    outputs = run(lambda x: [mb.band_part(x=x, lower=low, upper=up) for low, up in bands], x=x, symbolic=symbolic)

    row, column = np.indices((3, 5))
    for y, (lower, upper) in zip(outputs, bands, strict=True):
        kept = ((lower < 0) | (row - column <= lower)) & ((upper < 0) | (column - row <= upper))
        np.testing.assert_array_equal(y, np.where(kept, x, 0))


def test_outside_the_band_infinity_becomes_zero() -> None:
    (y,) = run(lambda x: mb.band_part(x=x, lower=0, upper=0), x=np.full((2, 2), np.inf, np.float32))

    np.testing.assert_array_equal(y, [[np.inf, 0], [0, np.inf]])


@pytest.mark.parametrize(
    ("start", "end", "step"), [(0, 7, 2), (5, -5, -3), (2, 2, 1), (3, 0, 1), (0.5, 2.0, 0.25), (1.0, -1.0, -0.5)]
)
def test_computed_ranges(start: float, end: float, step: float) -> None:
    bounds = np.asarray([start, end, step], np.int32 if isinstance(start, int) else np.float32)

    def body(bounds: Any) -> Any:
        begin, end, step = (mb.squeeze(x=each, axes=[0]) for each in mb.split(x=bounds, num_splits=3, axis=0))
        return mb.range_1d(start=begin, end=end, step=step)

    (y,) = run(body, bounds=bounds)

    assert y.dtype == bounds.dtype
    np.testing.assert_array_equal(y, np.arange(*bounds))


def test_long_ranges_do_not_add_up_rounding_errors() -> None:
    def body(start: Any) -> Any:
        return mb.range_1d(start=mb.squeeze(x=start, axes=[0]), end=np.float32(10000), step=np.float32(0.1))

    (y,) = run(body, start=np.float32([0]))

    np.testing.assert_array_equal(y, np.arange(100000, dtype=np.float32) * np.float32(0.1))


@pytest.mark.parametrize("value", [-1.5, np.float16(0.1), 7, True])
def test_fill_takes_constant_and_computed_shapes(value: Any) -> None:
    def body(x: Any, n: Any) -> Any:
        return [
            mb.fill(shape=[3, 2], value=value),
            mb.fill(shape=n, value=value),
            mb.fill_like(ref_tensor=x, value=value),
        ]

    x, shape = np.zeros((3, 2), np.int32), np.int32([3, 2])
    for y in [*run(body, IOS16, x=x, n=shape), *run(body, IOS16, x=x, n=shape, symbolic=True)]:
        assert y.dtype == {float: "float32", int: "int32", bool: "bool"}.get(type(value), "float16")
        np.testing.assert_array_equal(y, np.full((3, 2), value, y.dtype))


def test_common_cases_are_few_nodes() -> None:
    def body(x: Any, i: Any) -> Any:
        hot = mb.one_hot(indices=i, one_hot_vector_size=4, on_value=np.float16(1), off_value=np.float16(0))
        return [mb.fill_like(ref_tensor=x), mb.band_part(x=x, upper=0), mb.topk(x=x, k=1)[0], hot]

    program = program_of(body, IOS16, {"x": np.zeros((2, 3), np.float16), "i": np.int32([1, 2])}, symbolic=False)
    nodes = lower_function(program.functions["main"], "float16").graph.main.nodes

    kinds = [node.op_type for node in nodes]
    rounding = ["Cast", "Cast"]  # of the input
    assert sorted(kinds) == sorted([*rounding, "ConstantOfShape", "Trilu", "TopK", "Unsqueeze", "Equal", "Cast"])

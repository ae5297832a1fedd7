from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from support.running import run

X = (np.arange(30, dtype=np.float32).reshape(2, 3, 5) % 7 + 0.5) / 3


def log_sum_exp(x: np.ndarray, **kwargs: Any) -> Any:
    return np.log(np.sum(np.exp(x), **kwargs))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "reduce_l1_norm": lambda x, **kwargs: np.sum(np.abs(x), **kwargs),
    "reduce_l2_norm": lambda x, **kwargs: np.sqrt(np.sum(np.square(x), **kwargs)),
    "reduce_log_sum": lambda x, **kwargs: np.log(np.sum(x, **kwargs)),
    "reduce_log_sum_exp": log_sum_exp,
    "reduce_max": np.max,
    "reduce_mean": np.mean,
    "reduce_min": np.min,
    "reduce_prod": np.prod,
    "reduce_sum": np.sum,
    "reduce_sum_square": lambda x, **kwargs: np.sum(np.square(x), **kwargs),
}


def reduced(name: str, x: np.ndarray, opset: Any = IOS15, *, symbolic: bool = True, **arguments: Any) -> np.ndarray:
    return run(lambda x: getattr(mb, name)(x=x, **arguments), opset, symbolic=symbolic, x=x)[0]


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("axes", [None, [1], [-1], [0, -1], [2, 0, 1]])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_over_axes(name: str, axes: list[int] | None, *, keep_dims: bool) -> None:
    result = reduced(name, X, axes=axes, keep_dims=keep_dims)

    expected = REDUCTIONS[name](X, axis=None if axes is None else tuple(axes), keepdims=keep_dims)
    np.testing.assert_allclose(result, expected, rtol=2e-6, strict=True)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_integers_give_integers(name: str) -> None:
    x = np.int32([[1, 2, 4], [-7, 3, 9]])

    result = reduced(name, x, axes=[1])

    expected = REDUCTIONS[name](x.astype(np.float64), axis=1)
    np.testing.assert_array_equal(result, expected.astype(np.int32), strict=True)


def test_mean_of_large_integers_is_truncated_towards_zero() -> None:
    x = np.int32([[2**31 - 1, 2**31 - 3, 2**31 - 1], [-3, -4, 0]])

    np.testing.assert_array_equal(reduced("reduce_mean", x, axes=[1]), [2**31 - 2, -2])


@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_over_no_axes_each_element_is_reduced_alone(name: str, *, keep_dims: bool) -> None:
    x = np.float32([[0.5, 2, 3]])

    result = reduced(name, x, axes=np.zeros(0, np.int32), keep_dims=keep_dims)

    np.testing.assert_allclose(result, REDUCTIONS[name](x, axis=()), rtol=1e-6, strict=True)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_a_scalar(name: str) -> None:
    def body(x: Any) -> Any:
        return getattr(mb, name)(x=mb.reduce_max(x=x))

    (result,) = run(body, x=np.float32([1, 2.5]))

    np.testing.assert_allclose(result, REDUCTIONS[name](np.float32(2.5)), rtol=1e-6)
    assert result.shape == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("reduce_l1_norm", 0),
        ("reduce_l2_norm", 0),
        ("reduce_log_sum", -np.inf),
        ("reduce_prod", 1),
        ("reduce_sum", 0),
        ("reduce_sum_square", 0),
    ],
)
def test_reductions_of_no_elements(name: str, expected: float) -> None:
    np.testing.assert_array_equal(reduced(name, np.zeros((2, 0), np.float32), axes=[1]), [expected] * 2)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_that_leave_no_elements(name: str) -> None:
    assert reduced(name, np.zeros((2, 0, 3), np.float32), axes=[0]).shape == (0, 3)


def test_log_sum_exp_does_not_overflow() -> None:
    x = np.float32([[1000, 1000], [-1000, -1000], [-np.inf, 3], [-np.inf, -np.inf]])

    expected = [1000 + np.log(2), -1000 + np.log(2), 3, -np.inf]
    np.testing.assert_allclose(reduced("reduce_log_sum_exp", x, axes=[1]), expected, rtol=1e-6)


def test_sums_of_half_precision_are_rounded_once() -> None:
    x = np.full((1, 4096), 1, np.float16)

    (total,) = run(lambda x: mb.reduce_sum(x=x, axes=[1]), precision="float16", x=x)

    np.testing.assert_array_equal(total, np.float16([4096]), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize("keep_dims", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("name", ["reduce_argmax", "reduce_argmin"])
def test_positions_of_extremes(name: str, axis: int, dtype: Any, *, keep_dims: bool) -> None:
    x = np.array([[3, 9, 1, 4], [5, -2, 9, 0], [1, 8, 2, 7]], dtype)

    result = reduced(name, x, axis=axis, keep_dims=keep_dims)

    expected = getattr(np, name.removeprefix("reduce_"))(x, axis=axis, keepdims=keep_dims).astype(np.int32)
    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("name", ["reduce_argmax", "reduce_argmin"])
def test_positions_by_default_along_the_last_axis_and_first_of_several(name: str) -> None:
    np.testing.assert_array_equal(
        reduced(name, np.float32([[0, 5, 5, 0]]) - 2.5), [{"reduce_argmax": 1, "reduce_argmin": 0}[name]]
    )


@pytest.mark.parametrize(("output_dtype", "expected"), [("int32", np.int32), ("uint16", np.uint16), (None, np.int32)])
@pytest.mark.parametrize("name", ["reduce_argmax", "reduce_argmin"])
def test_type_of_positions(name: str, output_dtype: str | None, expected: Any) -> None:
    result = reduced(name, np.float32([[1, 3, 3, 1]]), IOS17, axis=1, output_dtype=output_dtype)

    np.testing.assert_array_equal(
        result, np.array([{"reduce_argmax": 1, "reduce_argmin": 0}[name]], expected), strict=True
    )


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [[1, 2, 3], [5, 7, 9]]),
        ({"axis": -1}, [[1, 3, 6], [4, 9, 15]]),
        ({"axis": 1, "reverse": True}, [[6, 5, 3], [15, 11, 6]]),
        ({"axis": 1, "exclusive": True}, [[0, 1, 3], [0, 4, 9]]),
        ({"axis": -1, "exclusive": True, "reverse": True}, [[5, 3, 0], [11, 6, 0]]),
    ],
)
def test_running_sums(arguments: dict[str, Any], expected: Any, dtype: Any, *, symbolic: bool) -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], dtype)

    (result,) = run(lambda x: mb.cumsum(x=x, **arguments), symbolic=symbolic, x=x)

    np.testing.assert_array_equal(result, np.array(expected, dtype), strict=True)


def test_running_sum_of_no_elements() -> None:
    (result,) = run(lambda x: mb.cumsum(x=x, axis=1), symbolic=True, x=np.zeros((2, 0), np.float32))

    assert result.shape == (2, 0)

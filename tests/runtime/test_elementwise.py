from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from support.running import inferred, run

WIDE = np.float32([[-3.5, -1, -0.25], [0.5, 2, 6.75]])
NARROW = np.float32([[-0.9, -0.5, 0], [0.3, 0.5, 0.99]])
POSITIVE = np.float32([[0.001, 0.5, 1], [2, 3, 700]])
INTEGERS = np.int32([[-7, 7, -8], [1, 0, 2**31 - 1]])

UNARY: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "abs": (np.abs, WIDE),
    "acos": (np.arccos, NARROW),
    "asin": (np.arcsin, NARROW),
    "atan": (np.arctan, WIDE),
    "atanh": (np.arctanh, NARROW),
    "ceil": (np.ceil, WIDE),
    "cos": (np.cos, WIDE),
    "cosh": (np.cosh, WIDE),
    "exp": (np.exp, WIDE),
    "exp2": (np.exp2, WIDE),
    "floor": (np.floor, WIDE),
    "sign": (np.sign, np.float32([[-2, -0.0, 0], [1e-30, 1, np.inf]])),
    "sin": (np.sin, WIDE),
    "sinh": (np.sinh, WIDE),
    "sqrt": (np.sqrt, POSITIVE),
    "square": (np.square, WIDE),
    "tan": (np.tan, NARROW),
    "tanh": (np.tanh, WIDE),
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "equal": np.equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "mul": np.multiply,
    "not_equal": np.not_equal,
    "sub": np.subtract,
}


def applied(name: str, opset: Any = IOS15, **arguments: Any) -> np.ndarray:
    inputs = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}
    rest = {key: value for key, value in arguments.items() if key not in inputs}

    def unary(x: Any) -> Any:
        return getattr(mb, name)(x=x, **rest)

    def binary(x: Any, y: Any) -> Any:
        return getattr(mb, name)(x=x, y=y, **rest)

    return run(binary if "y" in inputs else unary, opset, symbolic=True, **inputs)[0]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_floats(name: str) -> None:
    function, x = UNARY[name]

    np.testing.assert_allclose(applied(name, x=x), function(x), rtol=2e-6, atol=1e-7)


def test_error_function() -> None:
    (expected,) = inferred(lambda x: mb.erf(x=x), x=WIDE)

    np.testing.assert_allclose(applied("erf", x=WIDE), expected, atol=1e-6)


@pytest.mark.parametrize(("name", "expected"), [("abs", [7, 0, 8]), ("sign", [-1, 0, 1]), ("square", [49, 0, 64])])
def test_functions_of_integers(name: str, expected: list[int]) -> None:
    result = applied(name, x=np.int32([-7, 0, 8]))

    np.testing.assert_array_equal(result, np.int32(expected), strict=True)


def test_powers_of_two_of_integers() -> None:
    np.testing.assert_array_equal(applied("exp2", x=np.int32([0, 1, 30])), np.int32([1, 2, 2**30]), strict=True)


def test_rounding_takes_halves_to_the_even_neighbour() -> None:
    np.testing.assert_array_equal(applied("round", x=np.float32([-2.5, -0.5, 0.5, 1.5, 2.5, 2.6])), [-2, 0, 0, 2, 2, 3])


def test_negation_of_truth_values() -> None:
    np.testing.assert_array_equal(applied("logical_not", x=np.array([True, False])), [False, True])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
@pytest.mark.parametrize("name", BINARY)
def test_operators_broadcast(name: str, dtype: Any) -> None:
    x, y = np.arange(6, dtype=dtype).reshape(2, 1, 3), np.array([[1], [4]], dtype)

    np.testing.assert_array_equal(applied(name, x=x, y=y), BINARY[name](x, y), strict=True)


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logical_operators(name: str) -> None:
    x, y = np.array([[True], [False]]), np.array([True, False])

    np.testing.assert_array_equal(applied(name, x=x, y=y), getattr(np, name)(x, y))


@pytest.mark.parametrize("name", ["maximum", "minimum", "equal", "not_equal", "less"])
def test_what_is_no_number(name: str) -> None:
    x, y = np.float32([np.nan, 1, np.nan]), np.float32([1, np.nan, np.nan])

    np.testing.assert_array_equal(applied(name, x=x, y=y), BINARY[name](x, y))


def test_powers() -> None:
    x, y = np.float32([2, 0.25, -2, 0]), np.float32([-1, 0.5, 3, 0])

    np.testing.assert_allclose(applied("pow", x=x, y=y), x**y, rtol=1e-6)
    np.testing.assert_array_equal(
        applied("pow", x=np.int32([3, -2, 7]), y=np.int32([5, 3, 0])), np.int32([243, -8, 1]), strict=True
    )


def test_quotient_of_integers_is_truncated() -> None:
    x, y = np.int32([7, -7, 2**31 - 1, 2**31 - 1]), np.int32([2, 2, 1, -2])

    np.testing.assert_array_equal(
        applied("real_div", x=x, y=y), np.int32([3, -3, 2**31 - 1, -(2**30) + 1]), strict=True
    )


@pytest.mark.parametrize("divisor", [2, -2, 3, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("name", ["floor_div", "mod"])
def test_floored_division_of_integers(name: str, divisor: int) -> None:
    y = np.int32([divisor])

    np.testing.assert_array_equal(
        applied(name, x=INTEGERS, y=y), getattr(np, name.replace("floor_div", "floor_divide"))(INTEGERS, y), strict=True
    )


@pytest.mark.parametrize("name", ["real_div", "floor_div", "mod"])
def test_integers_divided_by_zero_do_not_end_the_process(name: str) -> None:
    x, y = np.int32([1, -(2**31), 9]), np.int32([0, -1, 3])

    assert applied(name, x=x, y=y)[2] == {"real_div": 3, "floor_div": 3, "mod": 0}[name]


def test_division_of_floats() -> None:
    x, y = np.float32([7, -7, 1, -1]), np.float32([2, 2, 0, 0])

    np.testing.assert_array_equal(applied("real_div", x=x, y=y), np.float32([3.5, -3.5, np.inf, -np.inf]))
    np.testing.assert_array_equal(applied("floor_div", x=x, y=y), np.float32([3, -4, np.inf, -np.inf]))


def test_remainder_of_floats_is_exact_and_has_the_sign_of_the_divisor() -> None:
    x, y = np.float32([7.5, -7.5, 7.5, -7.5, 1e8, 6]), np.float32([2, 2, -2, -2, 3.3, -3])

    result = applied("mod", x=x, y=y)

    np.testing.assert_array_equal(result, np.mod(x, y))
    assert np.isnan(applied("mod", x=np.float32([1]), y=np.float32([0])))


@pytest.mark.parametrize("opset", [IOS15, IOS17])
@pytest.mark.parametrize(
    ("name", "function"),
    [("log", np.log), ("inverse", np.reciprocal), ("rsqrt", lambda x: 1 / np.sqrt(x))],
)
def test_epsilon_is_added_first(name: str, function: Callable[..., Any], opset: Any) -> None:
    shifted = applied(name, opset, x=POSITIVE, epsilon=np.float32(0.5))

    np.testing.assert_allclose(shifted, function(POSITIVE + np.float32(0.5)), rtol=1e-6)


@pytest.mark.parametrize(("name", "at_zero"), [("log", np.log(np.float32(1e-45))), ("inverse", 1e4), ("rsqrt", 1e6)])
def test_default_epsilon_keeps_zero_finite(name: str, at_zero: float) -> None:
    np.testing.assert_allclose(applied(name, x=np.float32([0])), [at_zero], rtol=1e-6)


@pytest.mark.parametrize("name", ["log", "rsqrt"])
def test_default_epsilon_vanishes_in_half_precision(name: str) -> None:
    assert np.isinf(applied(name, x=np.float16([0]))[0])


def test_epsilon_may_have_another_type() -> None:
    result = applied("inverse", IOS17, x=np.float16([1.5]), epsilon=np.float32(0.5))

    np.testing.assert_array_equal(result, np.float16([0.5]), strict=True)


def test_clip_prefers_the_upper_bound() -> None:
    x = np.float32([-1, 2, 9, np.nan])

    np.testing.assert_array_equal(applied("clip", x=x, alpha=0.0, beta=5.0), np.float32([0, 2, 5, np.nan]))
    np.testing.assert_array_equal(applied("clip", x=x[:3], alpha=3.0, beta=1.0), [1, 1, 1])


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_threshold_is_a_lower_bound(dtype: Any) -> None:
    result = applied("threshold", x=np.array([-3, 2, 4], dtype), alpha=dtype(2))

    np.testing.assert_array_equal(result, np.array([2, 2, 4], dtype), strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.bool_])
def test_select_broadcasts_all_three(dtype: Any) -> None:
    cond = np.array([[True], [False]])
    a, b = np.array([1, 0, 1], dtype), np.array([[0, 0, 0], [0, 1, 1]], dtype)

    (result,) = run(lambda cond, a, b: mb.select(cond=cond, a=a, b=b), cond=cond, a=a, b=b)

    np.testing.assert_array_equal(result, np.where(cond, a, b), strict=True)


def test_select_takes_the_shape_of_a_larger_condition() -> None:
    (result,) = run(lambda cond: mb.select(cond=cond, a=1.0, b=np.float32([2, 3])), cond=np.array([[True], [False]]))

    np.testing.assert_array_equal(result, [[1, 1], [2, 3]])


def test_select_hides_what_it_does_not_take() -> None:
    (result,) = run(lambda x: mb.select(cond=mb.less(x=x, y=0.0), a=0.0, b=mb.sqrt(x=x)), x=np.float32([-1, 4]))

    np.testing.assert_array_equal(result, [0, 2])


CAST_TYPES = {
    "fp16": np.float16,
    "fp32": np.float32,
    "int32": np.int32,
    "int16": np.int16,
    "uint16": np.uint16,
    "int8": np.int8,
    "uint8": np.uint8,
    "bool": np.bool_,
}


@pytest.mark.parametrize("target", CAST_TYPES)
@pytest.mark.parametrize("source", CAST_TYPES)
def test_cast_between_all_types(source: str, target: str) -> None:
    x = np.array([0, 1, 100.75, 3], CAST_TYPES[source])

    result = applied("cast", IOS17, x=x, dtype=target)

    np.testing.assert_array_equal(result, x.astype(CAST_TYPES[target]), strict=True)


@pytest.mark.parametrize("target", ["int16", "uint16", "int8", "uint8"])
def test_integers_that_do_not_fit_wrap_and_stay_wrapped(target: str) -> None:
    x = np.int32([-1, 70_000, 300])

    (result,) = run(lambda x: mb.cast(x=mb.cast(x=x, dtype=target), dtype="int32"), IOS17, x=x)

    np.testing.assert_array_equal(result, x.astype(CAST_TYPES[target]).astype(np.int32))


def test_cast_truncates_towards_zero() -> None:
    np.testing.assert_array_equal(applied("cast", x=np.float32([-1.9, 1.9]), dtype="int32"), [-1, 1])


def test_anything_but_zero_is_true() -> None:
    x = np.float32([0, -0.0, 0.25, np.nan])

    np.testing.assert_array_equal(applied("cast", x=x, dtype="bool"), [False, False, True, True])


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.bool_])
def test_identity_is_the_input(dtype: Any) -> None:
    x = np.array([[1, 0, 1]], dtype)

    np.testing.assert_array_equal(applied("identity", x=x), x, strict=True)


def test_values_without_axes() -> None:
    def body(x: Any) -> Any:
        scalar = mb.reduce_max(x=x)
        return mb.floor_div(x=scalar, y=2), mb.select(cond=mb.greater(x=scalar, y=3), a=scalar, b=0)

    half, chosen = run(body, x=np.int32([7, 1]))

    assert (half.shape, int(half), chosen.shape, int(chosen)) == ((), 3, (), 7)


@pytest.mark.parametrize("name", ["add", "mod", "maximum", "equal"])
def test_empty_operands(name: str) -> None:
    assert applied(name, x=np.zeros((0, 3), np.float32), y=np.ones(3, np.float32)).shape == (0, 3)


@pytest.mark.parametrize(("precision", "expected"), [("float32", 1), ("float16", 0)])
def test_half_precision_rounds_every_sum(precision: Any, expected: float) -> None:
    x = np.float16([2048])

    (result,) = run(lambda x: mb.sub(x=mb.add(x=x, y=np.float16(1)), y=x), precision=precision, x=x)

    np.testing.assert_array_equal(result, np.float16([expected]), strict=True)

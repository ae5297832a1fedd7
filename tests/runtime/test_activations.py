from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from milopt.runtime.lower import lower_function
from support.running import inferred, program_of, run

X = np.float32([[[-6, -2, -1], [-0.5, 0, 0.5]], [[1, 2, 3], [4, 6, 8]]])  # 2x2x3


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


ACTIVATIONS: dict[str, tuple[dict[str, float], Callable[..., np.ndarray]]] = {
    "clamped_relu": ({"alpha": 0.5, "beta": 3.0}, lambda x: np.minimum(np.where(x >= 0, x, x / 2), 3)),
    "elu": ({"alpha": 2.0}, lambda x: np.where(x > 0, x, 2 * np.expm1(x))),
    "leaky_relu": ({"alpha": 0.25}, lambda x: np.where(x >= 0, x, x / 4)),
    "linear_activation": ({"alpha": 2.0, "beta": -3.0}, lambda x: 2 * x - 3),
    "relu": ({}, lambda x: np.maximum(x, 0)),
    "relu6": ({}, lambda x: np.clip(x, 0, 6)),
    "scaled_tanh": ({"alpha": 3.0, "beta": 0.5}, lambda x: 3 * np.tanh(x / 2)),
    "sigmoid": ({}, sigmoid),
    "sigmoid_hard": ({"alpha": 0.25, "beta": 0.5}, lambda x: np.clip(x / 4 + 0.5, 0, 1)),
    "silu": ({}, lambda x: x * sigmoid(x)),
    "softplus": ({}, softplus),
    "softsign": ({}, lambda x: x / (1 + np.abs(x))),
    "thresholded_relu": ({"alpha": 2.0}, lambda x: np.where(x >= 2, x, 0)),
}


def applied(name: str, x: np.ndarray, opset: Any = IOS15, **arguments: Any) -> np.ndarray:
    knows_channels = name in {"prelu", "softplus_parametric"}
    return run(lambda x: getattr(mb, name)(x=x, **arguments), opset, symbolic=not knows_channels, x=x)[0]


def onnx_ops(body: Callable[..., Any], x: np.ndarray) -> list[str]:
    function = program_of(body, IOS15, {"x": x}, symbolic=False).functions["main"]
    return [node.op_type for node in lower_function(function).graph.main.nodes]


@pytest.mark.parametrize("opset", [IOS15, IOS17])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str, opset: Any) -> None:
    arguments, function = ACTIVATIONS[name]

    np.testing.assert_allclose(applied(name, X, opset, **arguments), function(X), rtol=2e-6, atol=2e-7, strict=True)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_half_precision(name: str) -> None:
    arguments, function = ACTIVATIONS[name]
    halves = {key: np.float16(value) for key, value in arguments.items()}

    (result,) = run(lambda x: getattr(mb, name)(x=x, **halves), precision="float16", x=X.astype(np.float16))

    np.testing.assert_allclose(result, function(X).astype(np.float16), rtol=1e-3, strict=True)


@pytest.mark.parametrize("name", ["clamped_relu", "elu", "leaky_relu", "scaled_tanh", "thresholded_relu"])
def test_parameters_may_have_another_type(name: str) -> None:
    arguments, function = ACTIVATIONS[name]
    halves = {key: np.float16(value) for key, value in arguments.items()}

    np.testing.assert_allclose(applied(name, X, IOS17, **halves), function(X), rtol=2e-6, strict=True)


@pytest.mark.parametrize("name", ["relu", "gelu", "softmax"])
def test_values_without_axes_or_elements(name: str) -> None:
    body = getattr(mb, name)
    (empty,) = run(lambda x: body(x=x), symbolic=True, x=np.zeros((0, 3), np.float32))
    assert empty.shape == (0, 3)
    if name != "softmax":
        (scalar,) = run(lambda x: body(x=mb.reduce_max(x=x)), x=np.float32([-1, -2]))
        assert (scalar.shape, bool(scalar <= 0)) == ((), True)


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "sigmoid", "softplus", "elu"])
def test_what_is_no_number_stays_so(name: str) -> None:
    assert np.isnan(applied(name, np.float32([np.nan]), **ACTIVATIONS[name][0]))


def test_values_at_the_threshold_pass() -> None:
    alpha = np.float32(0.1)
    below = np.nextafter(alpha, np.float32(0))

    np.testing.assert_array_equal(applied("thresholded_relu", np.float32([below, alpha]), alpha=alpha), [0, alpha])


def test_softplus_does_not_overflow() -> None:
    np.testing.assert_allclose(applied("softplus", np.float32([-200, 200])), [0, 200])


@pytest.mark.parametrize(
    ("mode", "function"),
    [
        ("EXACT", lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))),
        ("TANH_APPROXIMATION", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
        ("SIGMOID_APPROXIMATION", lambda x: x * sigmoid(1.702 * x)),
    ],
)
def test_modes_of_gelu(mode: str, function: Callable[..., np.ndarray]) -> None:
    np.testing.assert_allclose(applied("gelu", X, mode=mode), function(X.astype(np.float64)), atol=1e-6)


def test_gelu_is_exact_by_default() -> None:
    np.testing.assert_array_equal(applied("gelu", X), applied("gelu", X, mode="EXACT"))


@pytest.mark.parametrize("shape", [(1, 2, 6), (2, 2, 1, 3), (1, 2, 3, 2, 1)])
@pytest.mark.parametrize("opset", [IOS15, IOS17])
def test_prelu_has_a_slope_for_each_channel(shape: tuple[int, ...], opset: Any) -> None:
    slopes = np.float32([0.5, 0.25]) if len(shape) == 4 else np.float32([0.5, 0.5])
    x = X.reshape(shape)

    (expected,) = inferred(lambda x: mb.prelu(x=x, alpha=slopes), opset, x=x)
    np.testing.assert_array_equal(applied("prelu", x, opset, alpha=slopes), expected)


def test_parametric_softplus_has_parameters_for_each_channel() -> None:
    alpha, beta = np.float32([1, 3]), np.float32([0.5, 40])

    result = applied("softplus_parametric", X, alpha=alpha, beta=beta)

    expected = alpha[:, None] * np.logaddexp(0, X * beta[:, None])
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, -1, -3])
def test_softmax_along_any_axis(axis: int) -> None:
    powers = np.exp(X)

    result = applied("softmax", X, axis=axis)

    np.testing.assert_allclose(result, powers / powers.sum(axis=axis, keepdims=True), rtol=1e-5)


def test_softmax_of_large_numbers_along_the_last_axis() -> None:
    np.testing.assert_allclose(applied("softmax", np.float32([[1000, 1000], [-np.inf, 1]])), [[0.5, 0.5], [0, 1]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gelu", ["Gelu"]),
        ("relu6", ["Clip"]),
        ("rsqrt", ["Add", "Sqrt", "Div"]),
        ("silu", ["Sigmoid", "Mul"]),
        ("softmax", ["Softmax"]),
        ("square", ["Pow"]),
        ("thresholded_relu", ["ThresholdedRelu"]),
    ],
)
def test_ops_take_the_form_that_fused_kernels_are_made_from(name: str, expected: list[str]) -> None:
    arguments, _ = ACTIVATIONS.get(name, ({}, None))

    assert onnx_ops(lambda x: getattr(mb, name)(x=x, **arguments), X) == expected


def test_choosing_activations_are_not_rounded() -> None:
    x = X.astype(np.float16)
    program = program_of(lambda x: mb.relu6(x=mb.relu(x=x)), IOS15, {"x": x}, symbolic=False)

    lowered = lower_function(program.functions["main"], "float16")

    assert [node.op_type for node in lowered.graph.main.nodes] == ["Cast", "Cast", "Relu", "Clip"]  # the input is

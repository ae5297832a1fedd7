from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from milopt.runtime.lower import lower_function
from numpy.lib.stride_tricks import sliding_window_view
from support.refusals import refusal
from support.running import inferred, program_of, run


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def along_channels(values: np.ndarray, rank: int) -> np.ndarray:
    return values.reshape(-1, *[1] * (rank - 2))


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("symbolic", [False, True])
def test_batch_norm_of_any_image(rank: int, *, symbolic: bool) -> None:
    x = floats(2, 3, 4, 2, 3)[(..., *[0] * (5 - rank))]
    mean, gamma, beta, deviation = floats(4, 3)
    variance = deviation**2

    def body(x: Any) -> Any:
        return mb.batch_norm(x=x, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=np.float32(0.1))

    (y,) = run(body, symbolic=symbolic, x=x)

    centred = (x - along_channels(mean, rank)) / np.sqrt(along_channels(variance, rank) + 0.1)
    close(y, centred * along_channels(gamma, rank) + along_channels(beta, rank))


def test_batch_norm_without_scale_and_offset_in_half_parameters() -> None:
    x, mean, variance = floats(2, 3, 4), floats(3).astype(np.float16), np.float16([1, 0.5, 2])

    (y,) = run(lambda x: mb.batch_norm(x=x, mean=mean, variance=variance, epsilon=np.float16(0.5)), IOS17, x=x)

    close(y, (x - mean[:, None].astype(np.float32)) / np.sqrt(np.float32([1.5, 1, 2.5])[:, None]))


def test_batch_norm_after_a_convolution_is_left_for_onnx_runtime_to_fold() -> None:
    def body(x: Any) -> Any:
        return mb.batch_norm(x=mb.conv(x=x, weight=floats(3, 2, 1, 1)), mean=floats(3), variance=np.ones(3, "float32"))

    program = program_of(body, IOS15, {"x": floats(1, 2, 3, 4)}, symbolic=False)
    graph = lower_function(program.functions["main"]).graph

    assert [node.op_type for node in graph.main.nodes] == ["Conv", "BatchNormalization"]
    assert all(name in graph.constants for name in graph.main.nodes[1].inputs[1:])


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5)])
def test_instance_norm_has_statistics_for_each_channel(shape: tuple[int, ...], *, symbolic: bool) -> None:
    x, gamma, beta = floats(*shape), floats(3), np.float32([1, 2, 3])

    plain, scaled = run(
        lambda x: [mb.instance_norm(x=x, epsilon=np.float32(0.1)), mb.instance_norm(x=x, gamma=gamma, beta=beta)],
        symbolic=symbolic,
        x=x,
    )

    axes, rank = tuple(range(2, x.ndim)), x.ndim
    centred, variance = x - x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    close(plain, centred / np.sqrt(variance + 0.1))
    expected = centred / np.sqrt(variance + 1e-5) * along_channels(gamma, rank) + along_channels(beta, rank)
    close(scaled, expected)


@pytest.mark.parametrize("shape", [(2, 3, 4), (5, 2, 3, 4), (2, 5, 2, 3, 4)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_l2_norm_is_of_the_last_three_dimensions(shape: tuple[int, ...], *, symbolic: bool) -> None:
    x = floats(*shape)

    def body(x: Any) -> Any:
        return mb.l2_norm(x=x, epsilon=np.float32(0.5))

    (y,) = run(body, symbolic=symbolic, x=x)

    close(y, inferred(body, x=x)[0])


@pytest.mark.parametrize("axes", [[3], [2, 3], [-1, -2, -3], [0, 1, 2, 3], [1], [0, 2], [-2, 1], [2, 0, 3]])
@pytest.mark.parametrize("symbolic", [False, True])
def test_layer_norm_over_any_axes(axes: list[int], *, symbolic: bool) -> None:
    x = floats(2, 3, 4, 5)
    shape = [x.shape[axis] for axis in sorted(axis % 4 for axis in axes)]
    gamma, beta = floats(*shape), floats(*shape) + 1

    def body(x: Any) -> list[Any]:
        return [
            mb.layer_norm(x=x, axes=axes, epsilon=np.float32(0.1)),
            mb.layer_norm(x=x, axes=axes, gamma=gamma, beta=beta),
        ]

    for y, expected in zip(run(body, symbolic=symbolic, x=x), inferred(body, x=x), strict=True):
        close(y, expected)


def test_layer_norm_scaled_but_not_shifted() -> None:
    x, gamma = floats(2, 3), floats(3).astype(np.float16)

    (y,) = run(lambda x: mb.layer_norm(x=x, axes=[1], gamma=gamma), IOS17, x=x)

    centred = x - x.mean(1, keepdims=True)
    close(y, centred / np.sqrt(x.var(1, keepdims=True) + np.float16(1e-5)) * gamma.astype(np.float32))


def test_layer_norm_over_no_axes_is_refused() -> None:
    def body(x: Any) -> Any:
        return mb.layer_norm(x=x, axes=np.zeros(0, np.int32))

    refusal(lambda: run(body, x=floats(2, 3)), RunError, "no axes")


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 3, 2), (2, 5, 2, 3, 2)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("symbolic", [False, True])
def test_local_response_norm_looks_back_further_than_ahead(
    shape: tuple[int, ...], count: int, *, symbolic: bool
) -> None:
    x = floats(*shape)

    def body(x: Any) -> Any:
        return mb.local_response_norm(x=x, size=count, alpha=np.float32(0.3), beta=np.float32(0.6), k=np.float32(1.5))

    (y,) = run(body, symbolic=symbolic, x=x)

    around = [(0, 0)] * x.ndim
    around[1] = (count // 2, (count - 1) // 2)
    squares = sliding_window_view(np.pad(x**2, around), count, axis=1).sum(-1)
    close(y, x / (1.5 + 0.3 / count * squares) ** 0.6)


def test_halves_are_normalized_in_single_precision() -> None:
    x = (floats(2, 3, 4) * 300).astype(np.float16)  # the squares are beyond the largest half

    (y,) = run(lambda x: mb.layer_norm(x=x, axes=[2]), x=x)

    single = x.astype(np.float32)
    expected = (single - single.mean(-1, keepdims=True)) / single.std(-1, keepdims=True)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y, expected, rtol=2e-3)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17
from milopt.runtime.lower import lower_function
from numpy.lib.stride_tricks import sliding_window_view
from support.program_registry import weights
from support.refusals import refusal
from support.running import program_of, run

Pads = Sequence[tuple[int, int]]


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def convolved(
    x: np.ndarray,
    weight: np.ndarray,
    pads: Pads,
    strides: Sequence[int],
    dilations: Sequence[int] | None = None,
    *,
    groups: int = 1,
) -> np.ndarray:
    axes = tuple(range(2, x.ndim))
    dilations = dilations or [1] * len(axes)
    reach = [(size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilations, strict=True)]
    seen = sliding_window_view(np.pad(x, [(0, 0), (0, 0), *pads]), reach, axis=axes)
    seen = seen[(..., *(slice(None, None, step) for step in dilations))]
    seen = seen[(slice(None), slice(None), *(slice(None, None, step) for step in strides))]
    kernel_axes = list(range(x.ndim, 2 * x.ndim - 2))
    parts = [
        np.moveaxis(np.tensordot(inputs, kernel, [[1, *kernel_axes], [1, *axes]]), -1, 1)
        for inputs, kernel in zip(np.split(seen, groups, 1), np.split(weight, groups), strict=True)
    ]
    return np.concatenate(parts, axis=1)


def same_pads(x: np.ndarray, weight: np.ndarray, strides: Sequence[int], dilations: Sequence[int], late: int) -> Pads:
    pads = []
    for size, kernel, step, dilation in zip(x.shape[2:], weight.shape[2:], strides, dilations, strict=True):
        total = max((-(-size // step) - 1) * step + (kernel - 1) * dilation + 1 - size, 0)
        pads.append(((total + late) // 2, total - (total + late) // 2))
    return pads


def scattered(x: np.ndarray, weight: np.ndarray, stride: int, dilation: int = 1) -> np.ndarray:
    """A transposed convolution along one dimension, nothing cropped: each element adds the kernel where it points."""
    full = np.zeros((len(x), weight.shape[1], (x.shape[2] - 1) * stride + (weight.shape[2] - 1) * dilation + 1))
    for at in range(x.shape[2]):
        for tap in range(weight.shape[2]):
            full[..., at * stride + tap * dilation] += x[..., at] @ weight[..., tap]
    return full


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("symbolic", [False, True])
def test_custom_padding_is_given_in_pairs(rank: int, *, symbolic: bool) -> None:
    x, weight, bias = floats(2, 4, 7, 6, 5)[(..., *[0] * (3 - rank))], floats(6, 2, *(2, 3, 2)[:rank]), floats(6)
    pads, strides = [(0, 1), (2, 1), (1, 0)][:rank], [2, 1, 3][:rank]

    (y,) = run(
        lambda x: mb.conv(
            x=x, weight=weight, bias=bias, groups=2, strides=strides, pad_type="custom", pad=np.ravel(pads)
        ),
        symbolic=symbolic,
        x=x,
    )

    close(y, convolved(x, weight, pads, strides, groups=2) + bias.reshape(-1, *[1] * rank))


@pytest.mark.parametrize("pad_type", ["same", "same_lower"])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kernel", "strides", "dilations"),
    [((3, 2), (1, 1), (1, 1)), ((2, 4), (2, 3), (1, 1)), ((2, 3), (3, 2), (2, 3)), ((1, 2), (3, 3), (1, 1))],
    ids=["every", "strided", "dilated", "gapped"],
)
def test_same_padding_puts_the_odd_element_where_it_says(
    pad_type: str, kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int], *, symbolic: bool
) -> None:
    x, weight = floats(1, 2, 6, 7), floats(3, 2, *kernel)

    (y,) = run(
        lambda x: mb.conv(x=x, weight=weight, strides=strides, dilations=dilations, pad_type=pad_type),
        IOS16,
        symbolic=symbolic,
        x=x,
    )

    pads = same_pads(x, weight, strides, dilations, late=pad_type == "same_lower")
    close(y, convolved(x, weight, pads, strides, dilations))


def test_padding_of_more_than_the_kernel() -> None:
    x, weight = floats(1, 2, 5), floats(3, 2, 2)

    (y,) = run(lambda x: mb.conv(x=x, weight=weight, pad_type="custom", pad=[3, 4]), x=x)

    close(y, convolved(x, weight, [(3, 4)], [1]))


def test_negative_padding_crops() -> None:
    x, weight = floats(1, 2, 5), floats(3, 2, 2)

    (y,) = run(lambda x: mb.conv(x=x, weight=weight, pad_type="custom", pad=[-1, 1]), x=x)

    close(y, convolved(x[..., 1:], weight, [(0, 1)], [1]))


def test_pad_without_custom_padding_is_idle() -> None:
    x, weight = floats(1, 2, 5), floats(3, 2, 2)

    (y,) = run(lambda x: mb.conv(x=x, weight=weight, pad_type="valid", pad=[3, 4]), x=x)

    close(y, convolved(x, weight, [(0, 0)], [1]))


def test_computed_weight_and_bias() -> None:
    x, weight, bias = floats(1, 2, 5, 6), floats(4, 1, 3, 2), floats(4)

    (y,) = run(lambda x, w, b: mb.conv(x=x, weight=w, bias=b, groups=2, pad_type="same"), IOS17, x=x, w=weight, b=bias)

    close(y, convolved(x, weight, [(1, 1), (0, 1)], [1, 1], groups=2) + bias[:, None, None])


def test_half_weights_for_single_precision() -> None:
    x, weight = floats(1, 2, 5), floats(3, 2, 2).astype(np.float16)

    (y,) = run(lambda x: mb.conv(x=x, weight=weight), IOS17, x=x)

    assert y.dtype == np.float32
    close(y, convolved(x, weight.astype(np.float32), [(0, 0)], [1]))


@pytest.mark.parametrize("scale", [np.float32(0.5), np.float32([0.5, 2, -1])], ids=["one", "per channel"])
def test_quantized_weight_is_scaled_and_shifted(scale: np.ndarray) -> None:
    x, weight = floats(1, 2, 5), np.random.default_rng(0).integers(0, 255, (3, 2, 2)).astype(np.uint8)

    def body(x: Any) -> Any:
        return mb.conv_quantized(
            x=x, weight=weight, quantization_type="linear", nbits=8, quant_scale=scale, quant_bias=np.float32(-3)
        )

    (y,) = run(body, IOS15, x=x)
    floating = weight * np.reshape(scale, (-1, 1, 1)) - np.float32(3)
    np.testing.assert_allclose(y, convolved(x, floating, [(0, 0)], [1]), rtol=1e-4, atol=1e-3)


def test_a_quantized_weight_of_a_lost_table_is_refused() -> None:
    x, weight = floats(1, 2, 5), np.zeros((3, 2, 2), np.uint8)

    def body(x: Any) -> Any:
        return mb.conv_quantized(
            x=x, weight=weight, quantization_type="lut", quant_scale=np.float32(1), quant_bias=np.float32(0)
        )

    refusal(lambda: run(body, IOS15, x=x), RunError, "only linear quantization")


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "pad_type", "pad", "crop"),
    [
        (3, 2, "valid", (5, 5), (0, 0)),
        (3, 2, "custom", (2, 1), (2, 1)),
        (4, 1, "same", (0, 0), (1, 2)),
        (1, 3, "same", (0, 0), (0, -2)),
    ],
)
def test_transposed_convolution_crops_its_padding(
    kernel: int, stride: int, pad_type: str, pad: tuple[int, int], crop: tuple[int, int], *, symbolic: bool
) -> None:
    x, weight, bias = floats(2, 3, 5), floats(3, 4, kernel), floats(4)

    (y,) = run(
        lambda x: mb.conv_transpose(x=x, weight=weight, bias=bias, strides=[stride], pad_type=pad_type, pad=pad),
        symbolic=symbolic,
        x=x,
    )

    full = np.pad(scattered(x, weight, stride), [(0, 0), (0, 0), (0, max(-crop[1], 0))])
    close(y, full[..., crop[0] : full.shape[-1] - max(crop[1], 0)] + bias[:, None])


@pytest.mark.parametrize(
    ("pad_type", "pad", "size", "front"),
    [("same", (0, 0), 9, 1), ("same", (0, 0), 10, 0), ("valid", (0, 0), 12, 0), ("custom", (2, 0), 9, 2)],
)
def test_output_shape_decides_what_is_cropped(pad_type: str, pad: tuple[int, int], size: int, front: int) -> None:
    x, weight = floats(1, 2, 5), floats(2, 3, 3)

    (y,) = run(
        lambda x: mb.conv_transpose(
            x=x, weight=weight, strides=[2], pad_type=pad_type, pad=pad, output_shape=[1, 3, size]
        ),
        x=x,
    )

    full = np.pad(scattered(x, weight, 2), [(0, 0), (0, 0), (0, 4)])
    close(y, full[..., front : front + size])


@pytest.mark.parametrize("parameters", [{"output_shape": [1, 3, 13]}, {"pad_type": "custom", "pad": [-1, 0]}])
def test_an_output_beyond_reach_is_refused(parameters: dict[str, Any]) -> None:
    def body(x: Any) -> Any:
        return mb.conv_transpose(x=x, weight=floats(2, 3, 3), strides=[2], **parameters)

    refusal(lambda: run(body, x=floats(1, 2, 5)), RunError, "larger than its input can make it")


def test_transposed_convolution_in_groups_over_two_dimensions() -> None:
    x, weight = floats(1, 4, 3, 2), floats(4, 3, 2, 3)

    (y,) = run(lambda x: mb.conv_transpose(x=x, weight=weight, groups=2, strides=[2, 1], dilations=[1, 2]), x=x)

    assert y.shape == (1, 6, 6, 6)
    for group in range(2):
        rows = [(row, tap) for row in range(3) for tap in range(2)]
        expected = np.zeros((1, 3, 6, 6))
        for row, tap in rows:
            part = slice(2 * group, 2 * group + 2)
            expected[:, :, 2 * row + tap] += scattered(x[:, part, row], weight[part, :, tap], 1, 2)
        close(y[:, 3 * group : 3 * group + 3], expected)


def test_computed_weight_of_a_transposed_convolution() -> None:
    x, weight = floats(1, 2, 5), floats(2, 3, 3)

    (y,) = run(lambda x, w: mb.conv_transpose(x=x, weight=w, strides=[2]), IOS17, x=x, w=weight)

    close(y, scattered(x, weight, 2))


def test_rounding_to_half_follows_the_sum() -> None:
    x, weight = weights(1, 3, 6), weights(4, 3, 3)

    (y,) = run(lambda x: mb.conv(x=x, weight=weight), precision="float16", x=x)

    exact = convolved(x.astype(np.float32), weight.astype(np.float32), [(0, 0)], [1])
    np.testing.assert_allclose(y, exact.astype(np.float16), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("kernel", "symbolic", "padding"),
    [(3, False, ("pads", [0, 1, 1, 1])), (3, True, ("auto_pad", "SAME_UPPER")), (1, True, ("pads", [0, 0, 0, 0]))],
)
def test_a_convolution_is_one_op(kernel: int, padding: tuple[str, Any], *, symbolic: bool) -> None:
    weight, bias = floats(3, 2, kernel, kernel), floats(3)

    def body(x: Any) -> Any:
        return mb.conv(x=x, weight=weight, bias=bias, pad_type="same", strides=[2, 2])

    program = program_of(body, IOS15, {"x": floats(1, 2, 6, 5)}, symbolic=symbolic)

    (node,) = lower_function(program.functions["main"]).graph.main.nodes

    assert (node.op_type, len(node.inputs)) == ("Conv", 3)
    assert padding in node.attributes.items()

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17, IOS18
from milopt.runtime.types import PRECISIONS, Precision
from support.running import inferred, run

SHAPE = (2, 3, 5)
SCALES = {
    None: np.asarray(0.25),
    0: np.array([0.5, 0.037]),
    1: np.array([0.5, 0.037, 2.3]),
    -1: np.array([0.5, 0.037, 2.3, 1.1, 90]),
}
ZERO_POINTS = {"int8": [-128, 127, 0, 5, -3], "uint8": [0, 255, 128, 5, 131]}


def parameters(kind: str, dtype: str, axis: int | None, zero_point: str) -> dict[str, Any]:
    """What both ops take beside their input; `zero_point` is `given` or `absent`."""
    scale = SCALES[axis].astype(dtype)
    shift = np.resize(np.array(ZERO_POINTS[kind], kind), scale.shape)
    given = {"scale": scale[()], "zero_point": shift[()] if zero_point == "given" else None, "axis": axis}
    return {name: value for name, value in given.items() if value is not None}


def halves(dtype: str, axis: int | None) -> np.ndarray:
    """Numbers that lie right between two steps of the scale, or on one, some of them out of range."""
    steps = np.random.default_rng(5).integers(-540, 540, SHAPE) / 2
    scale = SCALES[axis].astype(dtype).astype(np.float64)
    broadcast = scale if axis is None else scale.reshape([-1 if each == axis % 3 else 1 for each in range(3)])
    return (steps * broadcast).astype(dtype)


@pytest.mark.parametrize("zero_point", ["given", "absent"])
@pytest.mark.parametrize("axis", list(SCALES))
@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_quantize_rounds_half_to_even_and_clips(kind: str, dtype: Precision, axis: int | None, zero_point: str) -> None:
    given = parameters(kind, dtype, axis, zero_point)

    def body(x: Any) -> Any:
        return mb.quantize(input=x, output_dtype=kind, **given)

    x = halves(dtype, axis)
    (quantized,) = run(body, IOS17, precision=dtype, x=x)

    assert quantized.dtype == kind
    np.testing.assert_array_equal(quantized, inferred(body, IOS17, x=x)[0])


def test_sizes_need_not_be_known() -> None:
    def body(x: Any) -> Any:
        codes = mb.quantize(input=x, scale=np.float32(0.25), zero_point=np.uint8(7), output_dtype="uint8")
        return codes, mb.dequantize(input=codes, scale=np.float32(0.25), zero_point=np.uint8(7))

    for shape in ((2, 3), (0, 3)):
        codes, values = run(body, IOS17, symbolic=True, x=np.full(shape, 1.125, np.float32))

        np.testing.assert_array_equal(codes, np.full(shape, 11))
        np.testing.assert_array_equal(values, np.full(shape, 1))


def test_quantize_in_the_reference_precision_does_not_round_the_quotient() -> None:
    x, scale = np.float16([1.0, 0.1333]), np.float16(0.0889)
    quantized = run(lambda x: mb.quantize(input=x, scale=scale, output_dtype="int8"), IOS17, x=x)[0]

    np.testing.assert_array_equal(quantized, np.rint(x.astype(np.float32) / np.float32(scale)))


@pytest.mark.parametrize("zero_point", ["given", "absent"])
@pytest.mark.parametrize("axis", list(SCALES))
@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_dequantize(kind: str, dtype: Precision, axis: int | None, zero_point: str) -> None:
    given = parameters(kind, dtype, axis, zero_point)

    def body(x: Any) -> Any:
        codes = mb.quantize(input=x, scale=np.float32(1), output_dtype=kind)
        return mb.dequantize(input=codes, **given)

    codes = np.random.default_rng(3).integers(0, 128, SHAPE)
    shift, scale = (
        np.asarray(given.get(name, 0)).reshape([-1 if each == (axis or 0) % 3 else 1 for each in range(3)])
        for name in ("zero_point", "scale")
    )
    expected = (codes - shift.astype(np.float32)) * scale.astype(np.float32)
    (values,) = run(body, IOS18, precision=dtype, x=codes.astype(np.float32))

    assert values.dtype == dtype
    np.testing.assert_array_equal(values, expected.astype(dtype))


def test_nothing_is_computed_in_integers_between_dequantize_and_quantize() -> None:
    rng = np.random.default_rng(0)
    codes, matrix = rng.integers(-20, 20, (300, 16)), rng.integers(-20, 20, (16, 48)).astype(np.int8)
    scale = np.float32(0.875)

    def body(x: Any) -> Any:
        held = mb.dequantize(input=mb.quantize(input=x, scale=np.float32(1), output_dtype="int8"), scale=np.float32(1))
        product = mb.matmul(x=held, y=mb.dequantize(input=matrix, scale=np.float32(0.0625)))
        return mb.dequantize(input=mb.quantize(input=product, scale=scale, output_dtype="int8"), scale=scale)

    # The product is exact and often lies right between two steps, which an integer kernel rounds otherwise.
    product = (codes @ matrix).astype(np.float32) * np.float32(0.0625)
    expected = np.clip(np.rint(product / scale), -128, 127) * scale

    np.testing.assert_array_equal(run(body, IOS17, x=codes.astype(np.float32))[0], expected)


def test_values_beside_a_pair_are_not_quantized() -> None:
    """ONNX Runtime's transpose optimizer would give `a` as what the quantize makes of it."""
    step: dict[str, Any] = {"scale": np.float32(0.125), "zero_point": np.uint8(0)}

    def body(x: Any) -> Any:
        a = mb.add(x=x, y=np.float32(1000))
        codes = mb.quantize(input=mb.transpose(x=a, perm=[1, 0, 2]), output_dtype="uint8", **step)
        other = mb.quantize(input=mb.mul(x=x, y=np.float32(-2)), output_dtype="uint8", **step)
        return a, codes, mb.dequantize(input=other, **step)

    a, codes, _ = run(body, IOS17, x=np.zeros((2, 1, 3), np.float32))
    np.testing.assert_array_equal(a, np.full((2, 1, 3), 1000))
    np.testing.assert_array_equal(codes, np.full((1, 2, 3), 255))

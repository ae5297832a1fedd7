from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.passes import numerics
from milopt.passes.numerics import channel_peaks, integer_range, quantize

SCHEMES = [(dtype, symmetric) for dtype in ("int8", "uint8") for symmetric in (True, False)]


@st.composite
def weights_and_axis(draw: st.DrawFn) -> tuple[np.ndarray, int | None]:
    dtype: Any = draw(st.sampled_from([np.float16, np.float32]))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=7))
    limit = 65504 if dtype == np.float16 else float(np.float32(1e30))
    width = 16 if dtype == np.float16 else 32
    elements = st.floats(-limit, limit, width=width) | st.floats(-1, 1, width=width)
    return draw(hnp.arrays(dtype, shape, elements=elements)), draw(st.none() | st.integers(0, len(shape) - 1))


@pytest.mark.parametrize(("dtype", "symmetric"), SCHEMES)
@given(case=weights_and_axis())
@settings(max_examples=150, deadline=None)
def test_every_code_is_the_nearest_one(dtype: Any, symmetric: Any, case: tuple[np.ndarray, int | None]) -> None:
    weight, axis = case
    tensor = quantize(weight, axis=axis, dtype=dtype, symmetric=symmetric)
    low, high, _ = integer_range(dtype, symmetric=symmetric)
    scale = tensor.broadcast(tensor.scale).astype(np.float64)
    zero_point = 0.0 if tensor.zero_point is None else tensor.broadcast(tensor.zero_point).astype(np.float64)
    exact = scale * (tensor.data.astype(np.float64) - zero_point)
    assert tensor.data.min(initial=high) >= low
    assert tensor.data.max(initial=low) <= high
    # Half a step, and where the range is affine half a step more at its ends: the zero point was rounded as well.
    allowed = scale * (0.5 if symmetric else 1.0) * (1 + 1e-6)
    assert np.all(np.abs(exact - weight) <= allowed)


@given(case=weights_and_axis())
@settings(max_examples=150, deadline=None)
def test_scales_are_the_range_over_the_steps(case: tuple[np.ndarray, int | None]) -> None:
    weight, axis = case
    tensor = quantize(weight, axis=axis)
    peaks = channel_peaks(weight, axis)
    expected = (peaks / np.float32(127)).astype(weight.dtype)
    normal = expected >= np.finfo(weight.dtype).tiny
    assert tensor.scale.dtype == weight.dtype
    assert np.array_equal(tensor.scale[normal], expected[normal])
    assert np.all(tensor.scale[peaks == 0] == 1)
    assert np.all(tensor.scale > 0)


@pytest.mark.parametrize(("dtype", "symmetric"), SCHEMES)
@given(case=weights_and_axis())
@settings(max_examples=60, deadline=None)
def test_zero_stays_zero(dtype: Any, symmetric: Any, case: tuple[np.ndarray, int | None]) -> None:
    weight, axis = case
    weight = np.where(np.abs(weight) < np.abs(weight).mean(), 0, weight).astype(weight.dtype)
    decoded = quantize(weight, axis=axis, dtype=dtype, symmetric=symmetric).dequantize()
    assert np.all(decoded[weight == 0] == 0)


@given(case=weights_and_axis(), tile=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_tiles_and_threads_change_nothing(case: tuple[np.ndarray, int | None], tile: int) -> None:
    weight, axis = case
    with pytest.MonkeyPatch.context() as patch:
        whole = [quantize(weight, axis=axis, symmetric=symmetric) for symmetric in (True, False)]
        patch.setattr(numerics, "_TILE_ELEMENTS", tile)
        patch.setattr(numerics, "_THREADED_ELEMENTS", 1)
        tiled = [quantize(weight, axis=axis, symmetric=symmetric) for symmetric in (True, False)]
    for one, other in zip(whole, tiled, strict=True):
        assert np.array_equal(one.data, other.data)
        assert np.array_equal(one.scale, other.scale)


@given(case=weights_and_axis())
@settings(max_examples=100, deadline=None)
def test_peaks_are_the_greatest_magnitudes(case: tuple[np.ndarray, int | None]) -> None:
    weight, axis = case
    others = tuple(index for index in range(weight.ndim) if index != axis)
    expected = np.abs(weight).max() if axis is None else np.abs(weight).max(axis=others)
    assert np.array_equal(channel_peaks(weight, axis), np.atleast_1d(expected).astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, -np.nan])
def test_peaks_tell_what_is_not_finite(dtype: Any, bad: float) -> None:
    weight = np.ones((5, 7), dtype)
    weight[2, 3] = bad
    peaks = channel_peaks(weight, 0)
    assert np.flatnonzero(~np.isfinite(peaks)).tolist() == [2]


def test_subnormal_scales_do_not_clip() -> None:
    # The exact scale is 1.4 of fp16's smallest step; storing 1 would clip a quarter of the range.
    weight = np.array([[127 * 1.4 * 2.0**-24, 3 * 2.0**-24]], np.float16)
    tensor = quantize(weight, axis=0)
    assert tensor.scale[0] == np.float16(2 * 2.0**-24)
    assert np.abs(tensor.dequantize() - weight).max() <= 2.0**-24


def test_a_channel_smaller_than_any_scale_is_kept() -> None:
    weight = np.array([[2.0**-24, 0, -(2.0**-24)]], np.float16)
    assert np.array_equal(quantize(weight, axis=0).dequantize(), weight.astype(np.float32))


def test_the_weight_is_not_changed() -> None:
    weight = np.random.default_rng(0).standard_normal((10, 20)).astype(np.float16)
    weight.flags.writeable = False
    quantize(weight, axis=0)
    quantize(weight, axis=1, symmetric=False)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1,), (1, 1, 1)])
@pytest.mark.parametrize("axis", [None, 0])
def test_odd_shapes(shape: tuple[int, ...], axis: int | None) -> None:
    tensor = quantize(np.ones(shape, np.float16), axis=axis)
    assert tensor.data.shape == shape
    assert np.all(tensor.dequantize() == np.float32(np.float16(1 / 127)) * 127)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_large_weights_take_threads_and_any_axis(axis: int) -> None:
    weight = np.random.default_rng(1).standard_normal((30, 210, 220)).astype(np.float16)
    tensor = quantize(weight, axis=axis)
    scale = tensor.broadcast(tensor.scale).astype(np.float32)
    assert np.array_equal(tensor.data, np.rint(weight.astype(np.float32) / scale))

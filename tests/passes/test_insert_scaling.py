"""Scale and zero point of activations: from a range, in fp16 and fp32, at all extremes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.passes.analysis.activations.scaling import Codes, scheme_for
from milopt.passes.analysis.calibration.tensor_statistics import Range
from milopt.passes.canonicalization.schemes import Scheme

FP16, FP32 = np.dtype(np.float16), np.dtype(np.float32)
quick = settings(deadline=None, database=None, derandomize=True, max_examples=300)


def decoded(scheme: Scheme) -> np.ndarray:
    """The numbers of all codes, as the float's type holds them."""
    low, high = scheme.range
    with np.errstate(over="ignore"):
        return scheme.decoded(np.arange(low, high + 1)).astype(scheme.scale.dtype)


@pytest.mark.parametrize(
    ("codes", "dtype", "low", "high", "scale", "zero_point", "kind"),
    [
        ("symmetric", "int8", -2.0, 127.0, 1.0, 0, "int8"),
        ("symmetric", "int8", -254.0, 3.0, 2.0, 0, "int8"),
        ("symmetric", "uint8", -127.0, 1.0, 1.0, 128, "uint8"),
        ("unsigned", "int8", 0.0, 510.0, 2.0, 0, "uint8"),
        ("affine", "int8", -100.0, 155.0, 1.0, -28, "int8"),
        ("affine", "uint8", -100.0, 155.0, 1.0, 100, "uint8"),
        ("affine", "int8", 5.0, 255.0, 1.0, -128, "int8"),  # widened to hold 0
        ("affine", "int8", -255.0, -5.0, 1.0, 127, "int8"),
        ("symmetric", "int8", 0.0, 0.0, 1.0, 0, "int8"),
        ("unsigned", "int8", -3.0, 0.0, 1.0, 0, "uint8"),
        ("affine", "uint8", 0.0, 0.0, 1.0, 0, "uint8"),
    ],
)
@pytest.mark.parametrize("number", [FP16, FP32])
def test_known_schemes(  # noqa: PLR0917 - a table
    codes: Codes, dtype: str, low: float, high: float, scale: float, zero_point: int, kind: str, number: np.dtype
) -> None:
    found = scheme_for(Range(low, high), codes, dtype, number)
    assert (float(found.scale), int(found.zero_point), found.codes) == (scale, zero_point, kind)
    assert found.scale.dtype == number
    assert found.axis is None


def test_a_scale_is_rounded_once() -> None:
    assert scheme_for(Range(-1, 1), "symmetric", "int8", FP16).scale == np.float16(1 / 127)
    assert scheme_for(Range(-1, 1), "symmetric", "int8", FP32).scale == np.float32(1 / 127)


@pytest.mark.parametrize("codes", ["symmetric", "unsigned", "affine"])
def test_a_scale_is_no_subnormal_number(codes: Codes) -> None:
    found = scheme_for(Range(-1e-6, 2e-6), codes, "int8", FP16)
    assert found.scale == np.finfo(np.float16).tiny
    assert scheme_for(Range(-1e-6, 2e-6), codes, "int8", FP32).scale < 1e-6


@pytest.mark.parametrize("codes", ["symmetric", "unsigned", "affine"])
def test_the_greatest_numbers_of_fp16_have_codes_that_are_finite(codes: Codes) -> None:
    found = scheme_for(Range(-65504, 65504), codes, "int8", FP16)
    assert np.isfinite(decoded(found)).all()
    assert decoded(found).max() > 63900


def test_ranges_of_fp32_do_not_go_through_fp16() -> None:
    found = scheme_for(Range(-1e6, 3e5), "symmetric", "int8", FP32)
    assert found.scale == np.float32(1e6 / 127)


numbers = st.floats(-6e4, 6e4)


@quick
@given(numbers, numbers, st.sampled_from(["symmetric", "unsigned", "affine"]), st.sampled_from(["int8", "uint8"]))
def test_every_number_of_a_range_is_within_a_step_of_a_code(one: float, other: float, codes: Codes, dtype: str) -> None:
    low, high = sorted((0.0 if codes == "unsigned" else one, abs(other) if codes == "unsigned" else other))
    for number in (FP16, FP32):
        found = scheme_for(Range(low, high), codes, dtype, number)
        assert found.is_normal
        assert 0 in decoded(found)
        span = np.linspace(low, high, 50)
        nearest = np.abs(span[:, None] - decoded(found).astype(np.float64)[None]).min(axis=1)
        # Half a step, rounding of the scale over 255 steps, and rounding of the zero point.
        step = float(found.scale)
        assert nearest.max() <= step * (1 + 255 * float(np.finfo(number).eps)) + 1e-12

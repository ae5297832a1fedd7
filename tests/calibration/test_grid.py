from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from milopt.passes.analysis.calibration.counting import GridCounter
from milopt.passes.analysis.calibration.grid import GridHistogram

FLOATS = arrays(np.float32, st.integers(0, 60), elements=st.floats(width=32, allow_nan=True, allow_infinity=True))


def counted(*parts: np.ndarray) -> GridHistogram:
    counter = GridCounter()
    for part in parts:
        counter.add(part)
    return counter.finish()


@given(FLOATS)
def test_every_finite_element_is_within_its_bin(values: np.ndarray) -> None:
    for value in values[np.isfinite(values)]:
        found = GridHistogram.of(np.array([value]))
        (low,), (high,) = found.edges()
        assert found.counts.tolist() == [1]
        assert low <= value <= high or (low == high == 0 and abs(value) < 2.0**-133)


@given(FLOATS, FLOATS)
def test_counting_and_merging_give_the_histogram_of_all(one: np.ndarray, other: np.ndarray) -> None:
    whole = GridHistogram.of(np.concatenate([one, other]))
    assert counted(one, other) == whole
    assert counted(other, one) == whole
    assert counted(one).merge(counted(other)) == whole
    assert (np.diff(whole.indices.astype(np.int64)) > 0).all()
    assert whole.total == np.isfinite(one).sum() + np.isfinite(other).sum()


@pytest.mark.parametrize("size", [1, 2047, 2048, 40_000, 300_000])
def test_large_arrays_are_counted_as_small_ones(size: int) -> None:
    rng = np.random.default_rng(size)
    values = (rng.standard_normal(size) * np.exp(rng.uniform(-20, 20, size))).astype(np.float32)
    values[rng.random(size) < 0.01] = np.nan
    values[rng.random(size) < 0.01] = -np.inf
    counter = GridCounter()
    counter.add(values.reshape(-1, 1))
    assert counter.finish() == GridHistogram.of(values)
    assert counter.not_finite == size - np.isfinite(values).sum()


def test_half_precision_is_counted_by_value() -> None:
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    assert counted(values) == GridHistogram.of(values.astype(np.float32))
    normal = counted(values[np.abs(values.astype(np.float32)) >= 2.0**-14])
    assert set(normal.counts.tolist()) == {4}, "a bin holds four numbers of fp16"


def test_zeros_of_both_signs_share_a_bin() -> None:
    found = GridHistogram.of(np.array([0.0, -0.0, 0.0, 1e-42], np.float32))
    assert (found.indices.tolist(), found.counts.tolist()) == ([0], [4])
    assert found.centers().tolist() == [0]


def test_a_bin_is_a_256th_of_its_octave() -> None:
    low, high = GridHistogram.of(np.array([1.0, 1.5, 100.0, -3.0], np.float32)).edges()
    octave = 2.0 ** np.floor(np.log2(np.minimum(abs(low), abs(high))))
    assert ((high - low) * 256 == octave).all()
    assert (high - low < np.maximum(abs(low), abs(high)) * 2.0**-8).all()


def test_the_greatest_floats_have_a_bin() -> None:
    greatest = np.finfo(np.float32).max
    low, high = GridHistogram.of(np.array([greatest, -greatest])).edges()
    assert low.tolist() == [low[0], -(2.0**128)]
    assert high[0] == 2.0**128


def test_ascending_is_the_order_of_the_line() -> None:
    values = np.random.default_rng(0).standard_normal(999).astype(np.float32)
    ordered = GridHistogram.of(values).ascending()
    assert (np.diff(ordered.centers()) > 0).all()
    assert ordered.counts.sum() == 999


def test_magnitudes_forget_signs() -> None:
    values = np.random.default_rng(0).standard_normal(999).astype(np.float32)
    assert GridHistogram.of(values).magnitudes() == GridHistogram.of(np.abs(values))


@pytest.mark.parametrize("q", [0.01, 1, 25, 50, 90, 99.99])
def test_percentiles_are_those_of_the_data_to_a_bin(q: float) -> None:
    values = np.random.default_rng(0).laplace(size=50_000).astype(np.float32)
    found = GridHistogram.of(values).percentile(q)
    exact = np.percentile(values, q, method="inverted_cdf")
    assert found == pytest.approx(exact, rel=2.0**-8)
    assert GridHistogram.of(values).share_below(found) == pytest.approx(q / 100, abs=1e-9)


def test_an_empty_histogram_has_no_mass() -> None:
    empty = GridHistogram.of(np.array([np.nan], np.float32))
    assert (empty.total, empty.percentile(50), empty.share_below(1)) == (0, 0, 0)
    assert empty.merge(empty) == empty

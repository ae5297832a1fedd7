"""Distances of arrays against plain numpy, special values and stretches included."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from milopt.ir.diffing import distances
from milopt.ir.diffing.distances import Distance, distance

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "int8", "uint16", "int32"])
@pytest.mark.parametrize("stretch", [7, 1 << 20])
def test_distance_is_what_numpy_says(dtype: str, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_STRETCH", stretch)
    left, right = ((RNG.standard_normal((5, 13)) * 50).astype(dtype) for _ in range(2))
    right[2] = left[2]
    ours, theirs = left.astype(np.float64), right.astype(np.float64)
    noise = ours - theirs
    found = distance(left, right)
    assert (found.elements, found.differing, found.not_finite) == (65, np.count_nonzero(noise), 0)
    assert found.max_abs == np.abs(noise).max()
    if np.dtype(dtype).kind == "f":
        assert found.snr_db == pytest.approx(10 * np.log10((ours**2).sum() / (noise**2).sum()))
    else:
        assert found.snr_db is None


def of(left: list[float], right: list[float]) -> Distance:
    return distance(np.array(left, np.float32), np.array(right, np.float32))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ([1, 2], [1, 2], Distance(2, 0, 0.0)),
        ([0.0, 1], [-0.0, 1], Distance(2, 1, 0.0)),
        ([np.nan, 1], [np.nan, 1], Distance(2, 0, 0.0)),
        ([np.nan, 1], [0, 1], Distance(2, 1, 0.0, 1)),
        ([np.inf, 1], [-np.inf, 3], Distance(2, 2, 2.0, 1)),
        ([np.inf, 4], [np.inf, 5], Distance(2, 1, 1.0, 0, 10 * np.log10(16))),
        ([0, 0], [0, 1], Distance(2, 1, 1.0)),
        ([], [], Distance(0, 0, 0.0)),
    ],
)
def test_special_values(left: list[float], right: list[float], expected: Distance) -> None:
    found = of(left, right)
    assert found == expected
    assert "NaN" not in json.dumps(found.as_json())
    assert "Infinity" not in json.dumps(found.as_json())


def test_words() -> None:
    assert str(Distance(10, 3, 0.25, 0, 41.26)) == "3 of 10 elements differ, by at most 0.25, SNR 41.3 dB"
    assert str(Distance(10, 3, 0.0, 2)) == "3 of 10 elements differ, by at most 0, 2 of them not finite"


def test_order_in_memory_does_not_count() -> None:
    array: Any = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert distance(array.T, np.ascontiguousarray(array.T)) == Distance(12, 0, 0.0)
    assert distance(array[:, ::-1], array).differing == 12

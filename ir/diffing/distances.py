"""How far two arrays are apart, computed a stretch at a time."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from ..weights.files import release_pages

# Elements that are in memory at once, as doubles.
_STRETCH = 1 << 20


@attrs.frozen
class Distance:
    """How far two arrays of one shape are apart.

    Attributes:
        elements: how many there are.
        differing: how many of them differ; 0.0 and -0.0 do, two NaNs do not.
        max_abs: the greatest difference of two finite elements.
        not_finite: how many of those that differ are infinite or NaN on a side.
        snr_db: the power of the first array over that of the differences, in decibels; None where one of them is 0
            or something that is not finite differs, and for integers.
    """

    elements: int
    differing: int
    max_abs: float
    not_finite: int = 0
    snr_db: float | None = None

    def __str__(self) -> str:
        """`3 of 2560 elements differ, by at most 0.25, SNR 41.3 dB`."""
        words = [f"{self.differing} of {self.elements} elements differ", f"by at most {self.max_abs:.4g}"]
        words += [f"{self.not_finite} of them not finite"] if self.not_finite else []
        return ", ".join(words if self.snr_db is None else [*words, f"SNR {self.snr_db:.1f} dB"])

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return attrs.asdict(self)


def distance(left: np.ndarray, right: np.ndarray) -> Distance:
    """The distance of two arrays of one shape; mapped weights are read once and not copied whole."""
    total = _Sums()
    ours, theirs = (np.ascontiguousarray(side).reshape(-1) for side in (left, right))
    for start in range(0, ours.size, _STRETCH):
        total.add(ours[start : start + _STRETCH], theirs[start : start + _STRETCH])
    for side in (left, right):
        release_pages(side)
    is_float = any(side.dtype.kind == "f" for side in (left, right))
    snr = total.snr_db() if is_float else None
    return Distance(ours.size, total.differing, total.max_abs, total.not_finite, snr)


@attrs.define
class _Sums:
    differing: int = 0
    not_finite: int = 0
    max_abs: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, left: np.ndarray, right: np.ndarray) -> None:
        ours, theirs = left.astype(np.float64), right.astype(np.float64)
        self.differing += int(np.count_nonzero(_differ(ours, theirs)))
        finite = np.isfinite(ours) & np.isfinite(theirs)
        self.not_finite += int(np.count_nonzero(_differ(ours[~finite], theirs[~finite])))
        ours, theirs = ours[finite], theirs[finite]
        difference = ours - theirs
        self.max_abs = max(self.max_abs, float(np.abs(difference).max(initial=0.0)))
        self.signal += float(np.dot(ours, ours))
        self.noise += float(np.dot(difference, difference))

    def snr_db(self) -> float | None:
        if self.not_finite or not self.noise or not self.signal:
            return None
        return 10 * math.log10(self.signal / self.noise)


def _differ(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Where elements differ; a NaN is equal to any other."""
    different: np.ndarray = (left != right) | (np.signbit(left) != np.signbit(right))
    both_nan: np.ndarray = np.isnan(left) & np.isnan(right)
    different &= ~both_nan
    return different

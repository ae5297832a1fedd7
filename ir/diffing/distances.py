"""How far two arrays are apart, computed a stretch at a time."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from ..weights.files import release_pages

# Elements that are doubles at once: as many as stay in a core's cache.
_STRETCH = 1 << 15


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

    @property
    def sqnr_db(self) -> float:
        """As `snr_db`, and always a number: inf for equal values, -inf where there is no ratio of powers."""
        if self.snr_db is not None:
            return self.snr_db
        return -math.inf if self.max_abs or self.not_finite else math.inf

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return attrs.asdict(self)


def distance(left: np.ndarray, right: np.ndarray) -> Distance:
    """The distance of two arrays of one shape; mapped weights are read once and not copied whole."""
    total = DistanceSums()
    total.add(left, right)
    for side in (left, right):
        release_pages(side)
    return total.distance()


@attrs.define
class DistanceSums:
    """What distances are made of, for arrays that come one after the other; only sums are kept.

    Attributes:
        elements: how many elements of each side were added.
        differing: how many of them differ.
        not_finite: how many of those that differ are infinite or NaN on a side.
        finite: how many are finite on both sides; all that follows is of these.
        max_abs: the greatest difference.
        total_abs: the sum of the magnitudes of the differences.
        signal: the sum of the squares of the left side.
        other_signal: of the right side.
        product: the sum of the products of both.
        noise: the sum of the squares of the differences.
        is_float: whether an array on a side held floats.
    """

    elements: int = 0
    differing: int = 0
    not_finite: int = 0
    finite: int = 0
    max_abs: float = 0.0
    total_abs: float = 0.0
    signal: float = 0.0
    other_signal: float = 0.0
    product: float = 0.0
    noise: float = 0.0
    is_float: bool = False

    def add(self, left: np.ndarray, right: np.ndarray) -> None:
        """Adds two arrays of one shape, a stretch at a time."""
        ours, theirs = (np.ascontiguousarray(side).reshape(-1) for side in (left, right))
        self.elements += ours.size
        self.is_float |= any(side.dtype.kind == "f" for side in (left, right))
        for start in range(0, ours.size, _STRETCH):
            stretch = slice(start, start + _STRETCH)
            self._add(ours[stretch].astype(np.float64), theirs[stretch].astype(np.float64))

    def _add(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        # Equal bits are the usual case, and all that is asked first: a zero's sign counts, and any NaN equals another.
        unequal = ours.view(np.int64) != theirs.view(np.int64)
        signal, other_signal = float(np.dot(ours, ours)), float(np.dot(theirs, theirs))
        if not math.isfinite(signal + other_signal):
            unequal &= ~(np.isnan(ours) & np.isnan(theirs))
            finite = np.isfinite(ours) & np.isfinite(theirs)
            self.not_finite += int(np.count_nonzero(unequal & ~finite))
            ours, theirs = ours[finite], theirs[finite]
            signal, other_signal = float(np.dot(ours, ours)), float(np.dot(theirs, theirs))
        self.differing += int(np.count_nonzero(unequal))
        self.finite += ours.size
        self.signal += signal
        self.other_signal += other_signal
        self.product += float(np.dot(ours, theirs))
        self._add_differences(ours - theirs)

    def _add_differences(self, differences: np.ndarray) -> None:
        self.noise += float(np.dot(differences, differences))
        magnitudes = np.abs(differences, out=differences)
        self.max_abs = max(self.max_abs, float(magnitudes.max(initial=0.0)))
        self.total_abs += float(magnitudes.sum())

    def distance(self) -> Distance:
        """The distance of all that was added."""
        snr = self._snr_db() if self.is_float else None
        return Distance(self.elements, self.differing, self.max_abs, self.not_finite, snr)

    def _snr_db(self) -> float | None:
        if self.not_finite or not self.noise or not self.signal:
            return None
        return 10 * math.log10(self.signal / self.noise)

    @property
    def cosine(self) -> float | None:
        """The cosine of the angle between both sides as vectors; None where one of them is all zeros."""
        lengths = math.sqrt(self.signal) * math.sqrt(self.other_signal)
        return max(-1.0, min(1.0, self.product / lengths)) if lengths else None

    @property
    def mean_abs(self) -> float:
        """The mean magnitude of the differences."""
        return self.total_abs / self.finite if self.finite else 0.0

"""One histogram for every tensor: a fixed grid on the line of floats, so that no range has to be known before.

A bin is the sign, the exponent and the top 8 bits of the mantissa of a float32, that is `bits >> 15`: 256 bins an
octave, each 2^-8 of the octave's start wide. For int8 that is two to four bins for each step at the end of a range, and
ever more towards zero; in fp16 a bin has four numbers. Histograms of one grid merge by adding counts: exactly, in any
order.
"""

from __future__ import annotations

from typing import Self

import attrs
import numpy as np

OCTAVE = 256
"""How many bins there are between a power of two and the next."""
NEGATIVE = np.uint32(1 << 16)
"""The sign in an index; by itself the index of -0.0."""
_SHIFT = np.uint32(15)  # low bits of the mantissa that a bin leaves out


def indices_of(array: np.ndarray) -> np.ndarray:
    """The bin of each element of a float32 array, uint32; infinities and NaN are in the octaves 255 and 511."""
    found: np.ndarray = array.view(np.uint32) >> _SHIFT
    return found


@attrs.frozen(eq=False)
class GridHistogram:
    """How many finite elements of a tensor fell into each bin of the grid; bins without any are left out.

    Zeros of both signs share the bin 0 with positive numbers below 2^-134, and it stands for zero.

    Attributes:
        indices: which bins; uint32, ascending, those of negative numbers behind the positive ones.
        counts: the elements of each; int64, above 0.
    """

    indices: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray) -> Self:
        """The histogram of a small array of floats; `GridCounter` counts large ones faster."""
        flat = np.asarray(array, np.float32).reshape(-1)
        indices = indices_of(flat[np.isfinite(flat)])
        return cls.of_bins(np.where(indices == NEGATIVE, np.uint32(0), indices), np.ones(indices.size, np.int64))

    @classmethod
    def of_bins(cls, indices: np.ndarray, counts: np.ndarray) -> Self:
        """The histogram of bins in any order, which may occur more than once."""
        order = np.argsort(indices, kind="stable")  # quick for what consists of a few sorted parts
        sorted_ = indices[order]
        starts = np.flatnonzero(np.concatenate([[True], sorted_[1:] != sorted_[:-1]])[: sorted_.size])
        summed = np.add.reduceat(counts[order], starts) if starts.size else np.empty(0, np.int64)
        return cls(sorted_[starts].astype(np.uint32), summed)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same counts."""
        if not isinstance(other, GridHistogram):
            return NotImplemented
        return np.array_equal(self.indices, other.indices) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]  # as arrays have none

    @property
    def total(self) -> int:
        """The number of elements."""
        return int(self.counts.sum())

    def merge(self, *others: GridHistogram) -> GridHistogram:
        """The histogram of the elements of all."""
        every = (self, *others)
        return GridHistogram.of_bins(
            np.concatenate([each.indices for each in every]), np.concatenate([each.counts for each in every])
        )

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each bin begins and ends on the line, float64; the bin of zero does both at 0."""
        magnitude = self.indices & ~NEGATIVE
        near, far = _float64(magnitude), _float64(magnitude + np.uint32(1))
        far[self.indices == 0] = 0
        negative = self.indices >= NEGATIVE
        return np.where(negative, -far, near), np.where(negative, -near, far)

    def centers(self) -> np.ndarray:
        """The middle of each bin, float64."""
        low, high = self.edges()
        middles: np.ndarray = (low + high) / 2
        return middles

    def ascending(self) -> GridHistogram:
        """The same bins in the order of the line, which is not that of `indices`."""
        positive = int(np.searchsorted(self.indices, NEGATIVE))
        order = np.concatenate([np.arange(positive, self.indices.size)[::-1], np.arange(positive)])
        return GridHistogram(self.indices[order], self.counts[order])

    def magnitudes(self) -> GridHistogram:
        """The histogram of the elements without their signs."""
        return GridHistogram.of_bins(self.indices & ~NEGATIVE, self.counts)

    def share_below(self, x: float) -> float:
        """Which share of the elements is below a number, those of a bin lying evenly in it."""
        if not self.counts.size:
            return 0.0
        low, high = self.edges()
        width = np.where(high > low, high - low, 1.0)
        part = np.where(high > low, np.clip((x - low) / width, 0, 1), low < x)
        return float((part * self.counts).sum() / self.total)

    def percentile(self, q: float) -> float:
        """The number that `q` percent of the elements do not pass, those of a bin lying evenly in it.

        Args:
            q: 0 to 100.
        """
        if not self.counts.size:
            return 0.0
        ordered = self.ascending()
        low, high = ordered.edges()
        ends = np.cumsum(ordered.counts)
        wanted = q / 100 * float(ends[-1])
        index = min(int(np.searchsorted(ends, wanted)), ends.size - 1)
        within = 1 - (float(ends[index]) - wanted) / float(ordered.counts[index])
        return float(low[index] + within * (high[index] - low[index]))


def _float64(indices: np.ndarray) -> np.ndarray:
    """The numbers at which bins begin; the bin behind the last finite one begins at 2^128, which no float32 is."""
    numbers = (indices << _SHIFT).view(np.float32).astype(np.float64)
    return np.where(np.isinf(numbers), 2.0**128, numbers)

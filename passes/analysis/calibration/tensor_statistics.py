"""What is known of one value after calibration."""

from __future__ import annotations

import math

import attrs
import numpy as np

from .grid import GridHistogram
from .sums import Sum


@attrs.frozen
class Range:
    """Where the numbers that are worth codes lie; finite, `low <= high`.

    Attributes:
        low: the least.
        high: the greatest.
    """

    low: float
    high: float

    @property
    def magnitude(self) -> float:
        """The greatest magnitude in it."""
        return max(abs(self.low), abs(self.high))

    def union(self, other: Range) -> Range:
        """The least range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


@attrs.frozen
class MovingRange:
    """Moving averages of the least and greatest element, in the order of samples.

    Attributes:
        minimum: of the least.
        maximum: of the greatest.
        constant: the weight of a new sample; the average so far has the rest. The first sample is the average itself.
    """

    minimum: float
    maximum: float
    constant: float = 0.1

    def followed_by(self, minimum: float, maximum: float) -> MovingRange:
        """The averages after one more sample."""
        step = self.constant
        return MovingRange(
            self.minimum + step * (minimum - self.minimum), self.maximum + step * (maximum - self.maximum), step
        )


@attrs.frozen(eq=False)
class ChannelStatistics:
    """Statistics of each index of one axis; vectors of float64 but for `elements`.

    Attributes:
        axis: which one.
        elements: the finite elements of each; int64.
        absmax: their greatest magnitudes; 0 for none.
        sums: their sums.
        squares: the sums of their squares.
    """

    axis: int
    elements: np.ndarray
    absmax: np.ndarray
    sums: Sum
    squares: Sum

    @property
    def mean(self) -> np.ndarray:
        """The means; 0 for no elements."""
        return _ratio(self.sums, self.elements)

    @property
    def mean_square(self) -> np.ndarray:
        """The means of the squares; 0 for no elements."""
        return _ratio(self.squares, self.elements)

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are the same."""
        if not isinstance(other, ChannelStatistics):
            return NotImplemented
        return (
            self.axis == other.axis
            and np.array_equal(self.elements, other.elements)
            and np.array_equal(self.absmax, other.absmax)
            and (self.sums, self.squares) == (other.sums, other.squares)
        )

    __hash__ = None  # type: ignore[assignment]  # as arrays have none


@attrs.frozen
class TensorStatistics:
    """What is known of one value.

    Attributes:
        name: the value's name.
        dtype: `fp16` or `fp32`, as the program has it.
        shape_words: its shape in MIL's words, such as `1, 64, ?, ?`.
        elements: how many elements were seen, those included that are not finite.
        samples: in how many samples it was computed.
        minimum: the least finite element; inf if there is none.
        maximum: the greatest finite element; -inf if there is none.
        not_finite: how many elements are infinite or NaN.
        sums: the sum of the finite elements; None where only ranges were collected.
        squares: the sum of their squares, likewise.
        histogram: of the finite elements, likewise.
        moving: moving averages, where they were collected.
        channels: statistics of each channel, where they were collected.
    """

    name: str
    dtype: str
    shape_words: str
    elements: int
    samples: int
    minimum: float
    maximum: float
    not_finite: int = 0
    sums: Sum | None = None
    squares: Sum | None = None
    histogram: GridHistogram | None = None
    moving: MovingRange | None = None
    channels: ChannelStatistics | None = None

    @property
    def finite(self) -> int:
        """How many elements are finite."""
        return self.elements - self.not_finite

    @property
    def has_range(self) -> bool:
        """Whether any element is finite."""
        return self.minimum <= self.maximum

    @property
    def absmax(self) -> float:
        """The greatest magnitude of the finite elements; 0 if there is none."""
        return max(abs(self.minimum), abs(self.maximum)) if self.has_range else 0.0

    @property
    def mean(self) -> float:
        """The mean of the finite elements; NaN if it is not known."""
        return _mean(self.sums, self.finite)

    @property
    def mean_square(self) -> float:
        """The mean of their squares; NaN if it is not known."""
        return _mean(self.squares, self.finite)


def _mean(total: Sum | None, elements: int) -> float:
    return math.nan if total is None or not elements else float((total.high + total.low) / elements)


def _ratio(total: Sum, elements: np.ndarray) -> np.ndarray:
    mean: np.ndarray = (total.high + total.low) / np.maximum(elements, 1)
    return mean

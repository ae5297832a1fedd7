"""What clipping and rounding cost a tensor, read off its histogram for many scales at once.

The elements of a bin are taken to lie at its middle. Sums over the elements of a code's cell are differences of two
prefix sums, so that the cost of a scale depends on the number of codes alone, not on how many bins there are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

import attrs
import numpy as np

from .codes import Scales
from .tensor_statistics import TensorStatistics


@attrs.frozen(eq=False)
class Mass:
    """The bins of a tensor in the order of the line; vectors of float64.

    Attributes:
        points: where the elements of each bin are taken to lie, within the measured range.
        counts: how many they are.
        widths: how wide each bin is.
    """

    points: np.ndarray
    counts: np.ndarray
    widths: np.ndarray

    @classmethod
    def of(cls, statistics: TensorStatistics) -> Mass:
        """The bins of what has a histogram."""
        if statistics.histogram is None:
            raise TypeError("there is no histogram")
        ordered = statistics.histogram.ascending()
        low, high = ordered.edges()
        points = np.clip((low + high) / 2, statistics.minimum, statistics.maximum)
        return cls(points, ordered.counts.astype(np.float64), high - low)

    @cached_property
    def without_zero(self) -> Mass:
        """All bins but that of zero."""
        kept = self.widths > 0
        return Mass(self.points[kept], self.counts[kept], self.widths[kept])

    @cached_property
    def count_below(self) -> np.ndarray:
        """How many elements are below each bin, and below the end of the line."""
        return _prefix(self.counts)

    @cached_property
    def sum_below(self) -> np.ndarray:
        """The sum of these elements."""
        return _prefix(self.counts * self.points)

    @cached_property
    def squares(self) -> float:
        """The sum of the squares of all elements."""
        return float(self.counts @ np.square(self.points))

    @cached_property
    def width_below(self) -> np.ndarray:
        """How wide the bins below each bin are together."""
        return _prefix(self.widths)

    @cached_property
    def log_width_below(self) -> np.ndarray:
        """The sum of the logarithms of their bins' widths over the elements below each bin."""
        return _prefix(self.counts * np.log(self.widths))

    @cached_property
    def entropy_below(self) -> np.ndarray:
        """The sum of count times log count over the bins below each bin."""
        return _prefix(_x_log_x(self.counts))


Loss: TypeAlias = Callable[[Mass, Scales], np.ndarray]
"""What each of some scales costs: a vector; only which is least matters."""


def squared_error(mass: Mass, scales: Scales) -> np.ndarray:
    """The sum of squared differences between the elements and what their codes stand for."""
    places = _places(mass, scales.borders(), 0, mass.points.size)
    values = scales.values()
    counts, sums = np.diff(mass.count_below[places]), np.diff(mass.sum_below[places])
    found: np.ndarray = mass.squares + (values * (values * counts - 2 * sums)).sum(axis=1)
    return found


def absolute_error(mass: Mass, scales: Scales) -> np.ndarray:
    """The sum of the magnitudes of these differences."""
    places = _places(mass, scales.borders(), 0, mass.points.size)
    values = scales.values()
    middles = np.searchsorted(mass.points, values)
    counts, sums = (
        (below[middles] - below[places[:, :-1]], below[places[:, 1:]] - below[middles])
        for below in (mass.count_below, mass.sum_below)
    )
    found: np.ndarray = (values * (counts[0] - counts[1]) + sums[1] - sums[0]).sum(axis=1)
    return found


def divergence(mass: Mass, scales: Scales) -> np.ndarray:
    """How far the distribution of the codes is from that of the elements: the Kullback-Leibler divergence, in nats.

    The elements that are clipped count with the last bin in range; the codes are those of the elements in range, each
    code's spread evenly over the bins of its cell that are not empty. So are both histograms made in S. Migacz, 8-bit
    Inference with TensorRT (GTC 2017), on bins of equal width; here they have their widths. Zero is left out: every
    scale encodes it exactly.
    """
    mass = mass.without_zero
    first, last = np.searchsorted(mass.points, scales.low), np.searchsorted(mass.points, scales.high, side="right")
    places = _places(mass, scales.borders(), first, last)
    inside, spread = np.diff(mass.count_below[places]), np.diff(mass.width_below[places])
    density = np.log(np.where(inside > 0, inside, 1) / np.where(spread > 0, spread, 1))
    cross = (inside * density).sum(axis=1) + mass.log_width_below[last] - mass.log_width_below[first]
    entropy = mass.entropy_below[last] - mass.entropy_below[first]
    ends = _Ends(mass, inside, density, first, last)
    total = mass.count_below[-1]
    clipped = (mass.count_below[first], total - mass.count_below[last])
    entropy, cross = entropy + ends.entropy(*clipped), cross + ends.cross(*clipped)
    kept = total - clipped[0] - clipped[1]
    found: np.ndarray = (entropy - cross) / total + np.log(np.maximum(kept, 1) / total)
    return np.where(kept > 0, found, np.inf)


@attrs.frozen(eq=False)
class _Ends:
    """The first and last bin in range, which the clipped elements are counted with; vectors, one entry for each scale.

    Attributes:
        mass: all bins.
        inside: how many elements each code has, in range.
        density: the logarithm of how many that is for each unit of width.
        first: the first bin in range.
        last: the bin behind the last in range.
    """

    mass: Mass
    inside: np.ndarray
    density: np.ndarray
    first: np.ndarray
    last: np.ndarray

    def _bins(self) -> tuple[np.ndarray, np.ndarray]:
        end = self.mass.points.size - 1
        return np.minimum(self.first, end), np.maximum(self.last - 1, 0)

    def entropy(self, below: np.ndarray, above: np.ndarray) -> np.ndarray:
        """What the clipped elements add to the sum of count times log count."""
        low, high = (self.mass.counts[each] for each in self._bins())
        alone = self.last - self.first == 1
        apart = _x_log_x(low + below) - _x_log_x(low) + _x_log_x(high + above) - _x_log_x(high)
        together = _x_log_x(low + below + above) - _x_log_x(low)
        added: np.ndarray = np.where(alone, together, apart)
        return added

    def cross(self, below: np.ndarray, above: np.ndarray) -> np.ndarray:
        """What they add to the sum of count times the logarithm of what the codes give the bin."""
        rows = np.arange(len(self.inside))
        some = self.inside > 0
        cells = some.argmax(axis=1), some.shape[1] - 1 - some[:, ::-1].argmax(axis=1)
        low, high = (
            self.density[rows, cell] + np.log(self.mass.widths[bin_])
            for cell, bin_ in zip(cells, self._bins(), strict=True)
        )
        added: np.ndarray = below * low + above * high
        return added


def _places(mass: Mass, borders: np.ndarray, first: np.ndarray | int, last: np.ndarray | int) -> np.ndarray:
    """The first bin of each code's cell, and behind the last: shape (scales, codes + 1)."""
    inner = np.searchsorted(mass.points, borders)
    ends = [np.broadcast_to(np.asarray(each)[..., np.newaxis], (len(inner), 1)) for each in (first, last)]
    return np.concatenate([ends[0], np.clip(inner, *ends), ends[1]], axis=1)


def _prefix(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(values)])


def _x_log_x(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = x * np.log(np.where(x > 0, x, 1))
    return found

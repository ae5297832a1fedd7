"""Does data look as if it came from a random number generator? Seen a sample at a time, in bounded memory.

Four things have to hold at once, since real data often has one or two of them: neighbours are not correlated over all
data, nor within windows (a chirp is so only over all); values are distributed normally or uniformly; and samples differ
in their mean and variance as little as chance lets them (photographs differ in brightness, recordings in loudness).
"""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np

Distribution = Literal["normal", "uniform"]

_SHORTEST_AXIS = 8  # shorter ones are channels, batches and the like
_LONGEST_WINDOW = 64
_LAGS = (1, 2)
# What is looked at: enough to be sure, and little beside a run of the model.
_MOST_SAMPLES = 64
_MOST_WINDOWS = 64
_MOST_ELEMENTS = 16_384

_FEWEST_PAIRS = 1_024
_FEWEST_SAMPLES = 16  # to compare samples with each other; before that, only large grids and signals are judged
_LARGE = 4_096
_SHORTEST_SIGNAL = 256  # elements; a shorter vector without a second axis is rather a list of features

# In windows of w white elements the mean of squared correlations is 0.55/w to 1/w, whatever the distribution.
_MOST_LOCAL = 1.4
_LEAST_LOCAL = 0.4
_MOST_GLOBAL = 0.02
_SIGMAS = 5.0
# Variance of a statistic between samples over what chance gives: 99.8 % of chi-squared with 15 degrees is within.
_CHANCE = (0.25, 3.2)
# (name, fourth standardized moment, tolerance); the third is 0 for both.
_DISTRIBUTIONS: tuple[tuple[Distribution, float, float], ...] = (("normal", 3.0, 0.25), ("uniform", 1.8, 0.08))
_MOST_SKEW = 0.1


@attrs.define
class _Neighbours:
    """How elements along one axis correlate with those some places further."""

    windows: int = 0
    local: float = 0.0  # sum over windows of squared correlation times the window's length
    pairs: int = 0
    sums: np.ndarray = attrs.field(factory=lambda: np.zeros(5))  # of x, y, xy, xx, yy over pairs

    def observe(self, windows: np.ndarray, lag: int) -> None:
        """Adds windows, of shape (count, length)."""
        x, y = windows[:, :-lag], windows[:, lag:]
        self.pairs += x.size
        self.sums += [x.sum(), y.sum(), (x * y).sum(), (x * x).sum(), (y * y).sum()]
        centered = windows - windows.mean(1, keepdims=True)
        energy = (centered * centered).sum(1)
        products = (centered[:, lag:] * centered[:, :-lag]).sum(1)
        # A flat window is as far from noise as can be.
        squared = np.divide(products * products, energy * energy, out=np.ones_like(energy), where=energy > 0)
        self.windows += len(windows)
        self.local += float(squared.sum()) * windows.shape[1]

    @property
    def are_independent(self) -> bool:
        """Whether neither all pairs nor those of the same window correlate."""
        if self.pairs < _FEWEST_PAIRS:
            return False
        x, y, xy, xx, yy = self.sums / self.pairs
        spread = np.sqrt(max(xx - x * x, 0.0) * max(yy - y * y, 0.0))
        limit = max(_MOST_GLOBAL, _SIGMAS / self.pairs**0.5)
        return bool(abs(xy - x * y) < limit * spread) and _LEAST_LOCAL < self.local / self.windows < _MOST_LOCAL


@attrs.define
class NoiseTest:
    """Looks at the values of one input; `distribution()` says at any time what they look like."""

    _axes: dict[int, list[_Neighbours]] = attrs.field(factory=dict, init=False)
    _samples: int = attrs.field(default=0, init=False)
    _elements: int = attrs.field(default=0, init=False)
    _powers: np.ndarray = attrs.field(factory=lambda: np.zeros(4), init=False)
    _levels: np.ndarray = attrs.field(factory=lambda: np.zeros(2), init=False)  # sums of squares: of means, variances
    _variances: float = attrs.field(default=0.0, init=False)
    _origin: float = attrs.field(default=0.0, init=False)  # powers are of what is near zero, or digits get lost

    def observe(self, array: np.ndarray) -> None:
        """Looks at one sample, which has to be finite."""
        axes = [axis for axis, size in enumerate(array.shape) if size >= _SHORTEST_AXIS]
        if self._samples == _MOST_SAMPLES or not axes or (len(axes) == 1 and array.shape[axes[0]] < _SHORTEST_SIGNAL):
            return
        flat = array.reshape(-1)
        values = flat[:: -(-flat.size // _MOST_ELEMENTS)].astype(np.float64)
        if not self._samples:
            self._origin = float(values.mean())
        self._add_moments(values - self._origin)
        for axis in axes:
            windows = _windows(array, axis) - self._origin
            held = self._axes.setdefault(axis - array.ndim, [_Neighbours() for _ in _LAGS])
            for neighbours, lag in zip(held, _LAGS, strict=True):
                neighbours.observe(windows, lag)

    def distribution(self) -> Distribution | None:
        """How random numbers that all this looks like are distributed; None for what does not look random."""
        if not self._axes or not all(each.are_independent for axis in self._axes.values() for each in axis):
            return None
        return self._shape() if self._is_level() else None

    def _add_moments(self, values: np.ndarray) -> None:
        squares = values * values
        mean, variance = float(values.mean()), float(values.var())
        self._samples += 1
        self._elements += values.size
        self._powers += [values.sum(), squares.sum(), (squares * values).sum(), (squares * squares).sum()]
        self._levels += [mean * mean, variance * variance]
        self._variances += variance

    def _central_moments(self) -> tuple[float, float, float, float]:
        """The mean, the variance, and the third and fourth standardized moments."""
        mean, second, third, fourth = (float(each) for each in self._powers / self._elements)
        variance = second - mean * mean
        if variance <= 1e-9 * second:
            return mean, 0.0, 0.0, 0.0
        skew = third - 3 * mean * second + 2 * mean**3
        kurtosis = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
        return mean, variance, skew / variance**1.5, kurtosis / variance**2

    def _shape(self) -> Distribution | None:
        _, _, skew, kurtosis = self._central_moments()
        if abs(skew) > _MOST_SKEW:
            return None
        return next((name for name, fourth, near in _DISTRIBUTIONS if abs(kurtosis - fourth) < near), None)

    def _is_level(self) -> bool:
        """Whether means and variances of samples differ as chance lets them, and no more or less."""
        size = self._elements / self._samples
        if self._samples < _FEWEST_SAMPLES:
            return size >= _LARGE
        mean, variance, _, kurtosis = self._central_moments()
        if not variance:
            return False
        of_means = self._levels[0] / self._samples - mean * mean
        of_variances = self._levels[1] / self._samples - (self._variances / self._samples) ** 2
        ratios = of_means / (variance / size), of_variances / (variance**2 * (kurtosis - 1) / size)
        return all(_CHANCE[0] < ratio < _CHANCE[1] for ratio in ratios)


def _windows(array: np.ndarray, axis: int) -> np.ndarray:
    """Some windows along an axis, evenly spread, as float64 of shape (count, length)."""
    length = min(array.shape[axis], _LONGEST_WINDOW)
    whole = array.shape[axis] // length
    rows = np.moveaxis(array, axis, -1)[..., : whole * length]
    outer = rows.shape[:-1]
    count = int(np.prod(outer, dtype=np.int64)) * whole
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_WINDOWS)).astype(np.int64))
    places = np.unravel_index(chosen // whole, outer) if outer else ()
    starts = (chosen % whole) * length
    index = tuple(place[:, np.newaxis] for place in places)
    return np.asarray(rows[(*index, starts[:, np.newaxis] + np.arange(length))], np.float64)

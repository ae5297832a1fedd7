"""The search for the range that costs least: clipped elements on one side, coarse steps on the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .codes import Codes, Scales
from .masses import Loss, Mass
from .tensor_statistics import Range, TensorStatistics

_COARSE = 32  # magnitudes to try at first, each smaller than the one before by the same factor
_FINE = 12  # and between the neighbours of the best, twice
_NEAR = 1.5  # how far from the best an end is searched again, as a factor
_NARROWEST = 0.25  # share of the elements other than 0 that is within the least of them


def best_range(statistics: TensorStatistics, codes: Codes, loss: Loss) -> Range:
    """The range for which a loss is least; not wider than the measured one with 0.

    Symmetric ranges are searched by their magnitude: coarsely over all that can be worth it, then around the best.
    Affine ones begin with one magnitude for both sides; then each end is searched by itself, the upper one
    once more around what was best before.
    """
    mass = Mass.of(statistics)
    below, above = (_magnitudes(mass, each) for each in (mass.points < 0, mass.points > 0))
    if not codes.symmetric:
        return _affine(lambda low, high: loss(mass, Scales(codes, -low, high)), below, above)
    limits = _magnitudes(mass, mass.points != 0) if codes.has_negative else above
    best = _least(lambda tried: loss(mass, Scales(codes, -tried, tried)), *limits)
    return Range(-best if codes.has_negative else 0.0, best)


def _affine(
    cost: Callable[[np.ndarray, np.ndarray], np.ndarray], below: tuple[float, float], above: tuple[float, float]
) -> Range:
    """The best range.

    Args:
        cost: of the magnitudes of lower and upper ends.
        below: the least and greatest magnitude of lower ends to try; zeros if nothing is below 0.
        above: those of upper ends.
    """
    narrowest = min((each for each, _ in (below, above) if each > 0), default=0.0)
    both = _least(
        lambda tried: cost(np.minimum(tried, below[1]), np.minimum(tried, above[1])), narrowest, max(below[1], above[1])
    )
    low, high = min(both, below[1]), min(both, above[1])
    high = _least(lambda tried: cost(np.full_like(tried, low), tried), *above)
    low = _least(lambda tried: cost(tried, np.full_like(tried, high)), *below)
    high = _least(lambda tried: cost(np.full_like(tried, low), tried), *_around(high, above))
    return Range(-low, high)


def _around(best: float, limits: tuple[float, float]) -> tuple[float, float]:
    return max(best / _NEAR, limits[0]), min(best * _NEAR, limits[1])


def _magnitudes(mass: Mass, wanted: np.ndarray) -> tuple[float, float]:
    """The least and greatest magnitude worth trying for some of the bins; zeros if there are none."""
    if not wanted.any():
        return 0.0, 0.0
    magnitudes, counts = np.abs(mass.points[wanted]), mass.counts[wanted]
    order = np.argsort(magnitudes)
    shares = np.cumsum(counts[order]) / counts.sum()
    return float(magnitudes[order][np.searchsorted(shares, _NARROWEST)]), float(magnitudes[order][-1])


def _least(cost: Callable[[np.ndarray], np.ndarray], narrowest: float, widest: float) -> float:
    """The magnitude that costs least, of equals the greatest."""
    if widest == 0:
        return 0.0
    tried = np.geomspace(widest, narrowest, _COARSE)
    costs = cost(tried)
    best, value = float(costs.min()), float(tried[costs.argmin()])
    for _ in range(2):
        place = int(costs.argmin())
        tried = np.linspace(tried[max(place - 1, 0)], tried[min(place + 1, tried.size - 1)], _FINE)
        costs = cost(tried)
        if costs.min() < best:
            best, value = float(costs.min()), float(tried[costs.argmin()])
    return value

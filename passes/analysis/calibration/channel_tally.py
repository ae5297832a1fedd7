"""Gathers the statistics of each channel of one value."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from .counting import CHUNK
from .errors import StatisticsError
from .sums import Sum
from .tensor_statistics import ChannelStatistics


class ChannelTally:
    """Statistics of each channel in the making.

    Args:
        axis: the axis of channels; negative ones count from the end.
    """

    def __init__(self, axis: int) -> None:
        self._axis = axis
        self._found: ChannelStatistics | None = None

    def add(self, values: np.ndarray) -> None:
        """Takes the elements of one run.

        Raises:
            StatisticsError: the value has no such axis, or another number of channels than before.
        """
        if not -values.ndim <= self._axis < values.ndim:
            raise StatisticsError(f"a value of shape {values.shape} has no axis {self._axis}")
        axis = self._axis % values.ndim
        found = _measured(values, self._axis, axis)
        self._found = found if self._found is None else joined(self._found, found)

    def finish(self) -> ChannelStatistics | None:
        """The statistics so far; None before the first run."""
        return self._found


def joined(one: ChannelStatistics, other: ChannelStatistics) -> ChannelStatistics:
    """The statistics of the elements of both.

    Raises:
        StatisticsError: they are of other axes, or of other numbers of channels.
    """
    if (one.axis, one.elements.size) != (other.axis, other.elements.size):
        here, there = (f"{each.elements.size} channels of axis {each.axis}" for each in (one, other))
        raise StatisticsError(f"there are {here} and {there}")
    return ChannelStatistics(
        one.axis,
        one.elements + other.elements,
        np.maximum(one.absmax, other.absmax),
        one.sums.merge(other.sums),
        one.squares.merge(other.squares),
    )


def _measured(values: np.ndarray, name: int, axis: int) -> ChannelStatistics:
    shape = values.shape
    view = values.reshape(prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
    elements, absmax = np.zeros(shape[axis], np.int64), np.zeros(shape[axis])
    sums, squares = np.zeros(shape[axis]), np.zeros(shape[axis])
    for rows, channels in _tiles(view.shape):
        tile = view[rows, channels].astype(np.float64)
        elements[channels] += _made_finite(tile)
        np.maximum(absmax[channels], _peaks(tile), out=absmax[channels])
        sums[channels] += tile.sum(axis=2).sum(axis=0)
        np.multiply(tile, tile, out=tile)
        squares[channels] += tile.sum(axis=2).sum(axis=0)
    return ChannelStatistics(name, elements, absmax, Sum(sums, np.zeros_like(sums)), Sum(squares, np.zeros_like(sums)))


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Parts of an array of (outer, channels, inner) that fit a cache, but for single channels that do not."""
    outer, channels, inner = shape
    width = max(1, min(channels, CHUNK // max(1, inner)))
    height = max(1, CHUNK // max(1, channels * inner))
    for row in range(0, outer, height):
        for channel in range(0, channels, width):
            yield slice(row, row + height), slice(channel, channel + width)


def _made_finite(tile: np.ndarray) -> np.ndarray:
    """How many finite elements each channel has; the others become 0."""
    with np.errstate(invalid="ignore"):  # infinities of both signs
        clean = np.isfinite(tile.sum())
    if clean:
        return np.full(tile.shape[1], tile.shape[0] * tile.shape[2])
    finite = np.isfinite(tile)
    np.copyto(tile, 0, where=~finite)
    count: np.ndarray = finite.sum(axis=(0, 2), dtype=np.int64)
    return count


def _peaks(tile: np.ndarray) -> np.ndarray:
    highest, lowest = (extreme(extreme(tile, axis=2, initial=0), axis=0) for extreme in (np.max, np.min))
    peaks: np.ndarray = np.maximum(highest, -lowest)
    return peaks

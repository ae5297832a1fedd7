"""Counting floats on the grid of `GridHistogram`, at some 2 to 3 ns an element."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .grid import NEGATIVE, OCTAVE, GridHistogram, indices_of

CHUNK = 1 << 17  # elements; what is made of them at once fits a second-level cache
_OCTAVES = 512  # of both signs
_NOT_FINITE = np.array([255, 511])  # the octaves of infinities and NaN
_MANY = 1 << 15  # elements; where they are more, looking at all bins is quicker than at each element once more


def chunks(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array of floats as float32 vectors of a size to work on."""
    flat = np.ascontiguousarray(array, np.float32).reshape(-1)
    for start in range(0, flat.size, CHUNK):
        yield flat[start : start + CHUNK]


class GridCounter:
    """Counts floats on the grid; takes 2 KiB for each octave and sign that occurs.

    Attributes:
        not_finite: how many infinities and NaN there were; they are in no bin.
    """

    def __init__(self) -> None:
        self.not_finite = 0
        self._row_of = np.full(_OCTAVES, -1)  # the row of each octave that occurred
        self._counts = np.empty((0, OCTAVE), np.int64)

    def add(self, array: np.ndarray) -> None:
        """Counts the elements of an array of floats of any type and shape."""
        for chunk in chunks(array):
            self.add_chunk(chunk)

    def add_chunk(self, chunk: np.ndarray) -> int:
        """Counts one of `chunks`, and says how many of its elements are not finite."""
        indices = indices_of(chunk).astype(np.intp)
        dense = np.bincount(indices, minlength=_OCTAVES * OCTAVE).reshape(_OCTAVES, OCTAVE)
        not_finite = int(dense[_NOT_FINITE].sum())
        dense[_NOT_FINITE] = 0
        occur = dense.any(axis=1) if chunk.size > _MANY else np.bincount(indices // OCTAVE)
        octaves = np.flatnonzero(occur)
        rows = self._rows(octaves)
        self._counts[rows] += dense[octaves]
        self.not_finite += not_finite
        return not_finite

    def _rows(self, octaves: np.ndarray) -> np.ndarray:
        """The rows of some octaves, which get one if they have none."""
        fresh = octaves[self._row_of[octaves] < 0]
        if fresh.size:
            known = len(self._counts)
            self._row_of[fresh] = np.arange(known, known + fresh.size)
            self._counts = np.concatenate([self._counts, np.zeros((fresh.size, OCTAVE), np.int64)])
        rows: np.ndarray = self._row_of[octaves]
        return rows

    def finish(self) -> GridHistogram:
        """What was counted so far."""
        octaves = np.flatnonzero(self._row_of >= 0)
        counts = self._counts[self._row_of[octaves]]
        row, column = np.nonzero(counts)
        indices = (octaves[row] * OCTAVE + column).astype(np.uint32)
        return GridHistogram.of_bins(np.where(indices == NEGATIVE, np.uint32(0), indices), counts[row, column])

"""What the values of one function hold over some samples, in the making."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ....runtime.session import ObservedEntries
from ..calibration.function_statistics import FunctionStatistics
from ..calibration.tally import TensorTally
from .job import Job, Settings
from .selection import Measured


class Gathering:
    """Takes what runs observed, and gives the statistics of all of them.

    Args:
        job: what is measured, and how.

    Attributes:
        is_whole: whether every sample that it has taken anything of was taken to its end.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._tallies = {each.name: _tally(each, job.settings) for each in job.measured}
        self._samples = 0
        self._counted: set[str] = set()
        self.is_whole = True

    def add(self, observed: ObservedEntries, samples: int = 1) -> None:
        """Takes what a run observed that held one sample or a batch of them."""
        self.is_whole = False
        for name, found in observed.items():
            self._add(name, found, samples)
        self._samples += samples
        self.is_whole = True

    def add_call(self, observed: ObservedEntries, *, is_last: bool) -> None:
        """Takes what one call of a sample observed that is a sequence of calls."""
        self.is_whole = False
        for name, found in observed.items():
            if self._add(name, found, samples=name not in self._counted):
                self._counted.add(name)
        if is_last:
            self._samples += 1
            self._counted.clear()
        self.is_whole = is_last

    def finish(self) -> FunctionStatistics:
        """The statistics; values that were never computed are in them, with no elements."""
        found = {name: tally.finish() for name, tally in self._tallies.items()}
        return FunctionStatistics(self._samples, found, self._job.operations)

    def _add(self, name: str, found: Mapping[str, list[np.ndarray]], samples: int) -> bool:
        """Takes one value of a run; says whether it was computed in it, and had any elements."""
        tally = self._tallies[name]
        if "value" not in found:
            return _add_range(tally, found, samples)
        filled = [array for array in found["value"] if array.size]
        for index, array in enumerate(filled):
            tally.add(array, samples=0 if index else samples)
        return bool(filled)


def _add_range(tally: TensorTally, found: Mapping[str, list[np.ndarray]], samples: int) -> bool:
    elements = int(sum(found["elements"]))
    if not elements:
        return False
    least, greatest = found.get("min") or found["finite_min"], found.get("max") or found["finite_max"]
    not_finite = int(sum(found.get("not_finite", ())))
    tally.add_range(float(min(least)), float(max(greatest)), elements, not_finite=not_finite, samples=samples)
    return True


def all_finite(observed: ObservedEntries) -> bool:
    """Whether all elements are finite of all values whose mean a run observed; it is not, if one of them is not."""
    return all(
        np.isfinite(entry)
        for found in observed.values()
        for name in ("min", "max", "mean")
        for entry, elements in zip(found.get(name, ()), found.get("elements", ()), strict=False)
        if elements
    )


def _tally(measured: Measured, settings: Settings) -> TensorTally:
    axis = measured.channel_axis if settings.channels else None
    return TensorTally(
        measured.name,
        measured.dtype,
        measured.shape_words,
        histogram=settings.histograms,
        moving=settings.moving,
        channel_axis=axis,
    )

"""Ctrl-C in the middle of a calibration: what was gathered is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..calibration.statistics import CalibrationStatistics


class CalibrationInterrupted(KeyboardInterrupt):
    """A calibration was interrupted; it ends a program as Ctrl-C does, unless it is caught.

    It is no error, and passes where errors are handled.

    Args:
        statistics: of the samples that were done; None if not one was.
        done: how many were done.
    """

    def __init__(self, statistics: CalibrationStatistics | None, done: int) -> None:
        super().__init__(f"interrupted after {done} samples")
        self.statistics = statistics
        self.done = done

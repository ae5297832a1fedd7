"""The instrumentation that measures time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from .base import Instrumentation

if TYPE_CHECKING:
    from ..base import Outcome
    from ..runs import PassRun


@attrs.frozen
class PassTime:
    """The seconds that one run of a pass took."""

    path: str
    seconds: float


class Timing(Instrumentation):
    """Measures each pass; `times` has them in order, `report` is a table for people."""

    def __init__(self) -> None:
        self.times: list[PassTime] = []
        self._started: list[float] = []

    def before_pass(self, run: PassRun) -> None:  # noqa: ARG002
        """Starts a clock."""
        self._started.append(time.perf_counter())

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
        """Stops it."""
        self.times.append(PassTime(run.path, time.perf_counter() - self._started.pop()))

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Stops it as well, unless it was stopped before what failed."""
        if self._started:
            self.times.append(PassTime(run.path, time.perf_counter() - self._started.pop()))

    def report(self) -> str:
        """Seconds and share of each pass, and their sum."""
        total = sum(entry.seconds for entry in self.times)
        rows = [
            f"{entry.seconds:9.4f} s  {entry.seconds / total if total else 0:6.1%}  {entry.path}"
            for entry in self.times
        ]
        return "\n".join([*rows, f"{total:9.4f} s  {1:6.1%}  total"])

"""The instrumentation that measures time: a clock for each pipeline, pass and analysis, nested as they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from . import timing_report
from .base import Instrumentation
from .clocks import Clock
from .timing_report import TimingForm

if TYPE_CHECKING:
    from ..analyses import Analysis
    from ..base import Outcome
    from ..runs import AnalysisRun, PassRun, PipelineRun


@attrs.frozen
class PassTime:
    """The seconds that one run of a pass took."""

    path: str
    seconds: float


class Timing(Instrumentation):
    """Measures pipelines, passes and analyses; `clocks` has them nested, `report` is a table for people.

    It measures what stands inside of it: as the innermost instrumentation, the passes alone.
    """

    def __init__(self) -> None:
        self.clocks: list[Clock] = []
        self._running: list[tuple[Clock, float]] = []

    @property
    def times(self) -> list[PassTime]:
        """The time of each pass, in the order of their beginnings; a pass comes before those that it ran."""
        every = (clock for outermost in self.clocks for clock in outermost.walk())
        return [PassTime(clock.path, clock.seconds) for clock in every if clock.kind == "pass"]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measures what is done inside of a `with`, such as reading a model."""
        self._start(Clock("phase", name))
        try:
            yield
        finally:
            self._stop()

    def before_pipeline(self, run: PipelineRun) -> None:
        """Starts a clock."""
        self._start(Clock("pipeline", run.label, run.path))

    def after_pipeline(self, run: PipelineRun, changed: bool) -> None:  # noqa: ARG002, FBT001
        """Stops it."""
        self._stop()

    def after_failed_pipeline(self, run: PipelineRun, error: BaseException) -> None:  # noqa: ARG002
        """Stops it."""
        self._stop()

    def before_pass(self, run: PassRun) -> None:
        """Starts a clock."""
        self._start(Clock("pass", str(run.pass_), run.path))

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
        """Stops it."""
        self._stop()

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Stops it."""
        self._stop()

    def before_analysis(self, run: AnalysisRun) -> None:
        """Starts a clock."""
        self._start(Clock("analysis", run.analysis.__name__))

    def after_analysis(self, run: AnalysisRun, result: Analysis) -> None:  # noqa: ARG002
        """Stops it."""
        self._stop()

    def after_failed_analysis(self, run: AnalysisRun, error: BaseException) -> None:  # noqa: ARG002
        """Stops it."""
        self._stop()

    def report(self, form: TimingForm = "tree") -> str:
        """A table: what ran inside what, or each pass's own time, greatest first; see `timing_report.py`."""
        return timing_report.as_text(self.clocks, form)

    def as_json(self, form: TimingForm = "tree") -> dict[str, Any]:
        """The same for machines."""
        return timing_report.as_json(self.clocks, form)

    def _start(self, clock: Clock) -> None:
        (self._running[-1][0].inside if self._running else self.clocks).append(clock)
        self._running.append((clock, time.perf_counter()))

    def _stop(self) -> None:
        clock, start = self._running.pop()
        clock.seconds = time.perf_counter() - start

"""The instrumentation that counts: what each pass declares, and what can be measured around any pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import statistics_report
from .base import Instrumentation
from .counts import MEASURED, PassCounts
from .statistics_report import StatisticsForm

if TYPE_CHECKING:
    from ..base import Outcome
    from ..runs import PassRun, PipelineRun, Rewrite


class Statistics(Instrumentation):
    """Counts around each pass; `passes` has the counts in order, `report` is a table for people.

    Rewrites that another instrumentation refuses are not counted, if that one stands outside of this.
    """

    def __init__(self) -> None:
        self.passes: list[PassCounts] = []
        self._running: list[PassCounts] = []
        self._programs = 0

    def before_pipeline(self, run: PipelineRun) -> None:
        """Counts programs."""
        self._programs += run.path == "program"

    def before_pass(self, run: PassRun) -> None:
        """Counts ops."""
        helps = {**MEASURED, **run.pass_.statistics}
        found = PassCounts(run.path, str(run.pass_), helps, program=max(self._programs - 1, 0))
        found.counts["ops-before"] = _ops(run)
        self.passes.append(found)
        self._running.append(found)

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Counts ops again, and takes what the pass counted."""
        found = self._running.pop()
        found.changed = outcome.changed
        if outcome.changed:
            found.counts["ops-after"] = _ops(run)
        else:  # rewrites that it was allowed came to nothing
            found.counts["ops-after"], found.counts["rewrites"] = found.counts["ops-before"], 0
        found.add(run.statistics)

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Takes what the pass counted up to there; the ops of a half changed program mean nothing."""
        found = self._running.pop()
        del found.helps["ops-after"]
        found.add(run.statistics)

    def admits(self, rewrite: Rewrite) -> bool:  # noqa: ARG002
        """Refuses none."""
        if self._running:
            self._running[-1].counts["rewrites"] += 1
        return True

    def report(self, form: StatisticsForm = "tree") -> str:
        """A table: each run of each pass, or sums by pass; see `statistics_report.py`."""
        return statistics_report.as_text(self.passes, form)

    def as_json(self, form: StatisticsForm = "tree") -> dict[str, Any]:
        """The same for machines."""
        return statistics_report.as_json(self.passes, form)


def _ops(run: PassRun) -> int:
    from ...ir.walking import walk

    return sum(1 for _ in walk(run.root))

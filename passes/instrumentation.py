"""Hooks around pipelines, passes and analyses; everything that is not the pass's own work is one of these."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from ..ir.errors import ProgramError

if TYPE_CHECKING:
    from .analyses import Analysis
    from .base import Outcome, Pass
    from .pipeline import Pipeline


@attrs.frozen
class PassRun:
    """One run of one pass.

    Attributes:
        pass_: the pass.
        root: what it runs on.
        path: where it stands, for people: `program/quantize-weights`, `program/function(main)/name`.
        program: the whole program.
    """

    pass_: Pass
    root: Any
    path: str
    program: Any


class Instrumentation:
    """Does nothing; subclasses override what they need. Of several, the last before is the first after."""

    def before_pipeline(self, pipeline: Pipeline, program: Any) -> None:
        """A pipeline is about to run."""

    def after_pipeline(self, pipeline: Pipeline, program: Any) -> None:
        """A pipeline has run."""

    def before_pass(self, run: PassRun) -> None:
        """A pass is about to run."""

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """A pass has run; raising here fails the run."""

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        """A pass has raised, or what came after it has."""

    def before_analysis(self, analysis: type[Analysis]) -> None:
        """An analysis is about to be computed."""

    def after_analysis(self, analysis: type[Analysis]) -> None:
        """An analysis has been computed."""


class VerifyEach(Instrumentation):
    """Verifies the program after each pass that changed it, and names the pass that broke it."""

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Raises when the program is not well formed any more."""
        from ..ir.verifier import verify

        found = verify(run.program) if outcome.changed else []
        if found:
            more = f"; {len(found) - 1} more" if len(found) > 1 else ""
            raise ProgramError(f"the program is not valid after it: {found[0]}{more}")


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


class Stack(Instrumentation):
    """Several instrumentations as one: befores in order, afters in reverse."""

    def __init__(self, parts: Iterable[Instrumentation]) -> None:
        self._parts = tuple(parts)

    def before_pipeline(self, pipeline: Pipeline, program: Any) -> None:
        """Asks each in order."""
        for part in self._parts:
            part.before_pipeline(pipeline, program)

    def after_pipeline(self, pipeline: Pipeline, program: Any) -> None:
        """Asks each in reverse."""
        for part in reversed(self._parts):
            part.after_pipeline(pipeline, program)

    def before_pass(self, run: PassRun) -> None:
        """Asks each in order."""
        for part in self._parts:
            part.before_pass(run)

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Asks each in reverse."""
        for part in reversed(self._parts):
            part.after_pass(run, outcome)

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        """Asks each in reverse."""
        for part in reversed(self._parts):
            part.after_failed_pass(run, error)

    def observe_analysis(self, moment: str, analysis: type[Analysis]) -> None:
        """Passes an analysis' `before` or `after` on."""
        for part in self._parts if moment == "before" else reversed(self._parts):
            (part.before_analysis if moment == "before" else part.after_analysis)(analysis)

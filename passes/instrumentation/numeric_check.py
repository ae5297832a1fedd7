"""The instrumentation that runs the program after each pass, and compares its outputs with those before the first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import attrs

from ...ir.errors import CheckFailure, OptionError
from ..proving.changes import Changes
from ..proving.fidelity import OutputDistance, decibels, worst_of
from ..proving.reference import Random, Reference, Source
from .base import Instrumentation

if TYPE_CHECKING:
    from ...runtime.types import Precision
    from ..base import Outcome
    from ..runs import PassRun, PipelineRun


@attrs.frozen
class PassFidelity:
    """How far the outputs are from what they were, after one run of one pass.

    Attributes:
        program: which program of those that this instrumentation saw, counted from 0.
        path: of the pass; see `PassRun`.
        distances: of each output of the functions that the pass can have changed.
    """

    program: int
    path: str
    distances: tuple[OutputDistance, ...]

    def as_json(self) -> dict[str, Any]:
        """The attributes."""
        return {"program": self.program, "pass": self.path, "outputs": [each.as_json() for each in self.distances]}


class NumericCheck(Instrumentation):
    """Runs the program before the pipeline and after each pass that changed it.

    Args:
        samples: what to run it on; random samples without it.
        min_sqnr: a pass fails after which an output is below so many decibels; none fails without it.
        function: the only one to run; every function without it.
        precision: of float math; see `milopt.runtime.Session`.
        working: told what is being done, for as long as the context that it gives lasts.

    Attributes:
        measured: what was found, in order.
        completed: through how many programs the pipeline ran.

    Raises:
        OptionError: `min_sqnr` is no number.
    """

    def __init__(
        self,
        samples: Source | None = None,
        *,
        min_sqnr: float | None = None,
        function: str | None = None,
        precision: Precision = "float32",
        working: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if min_sqnr is not None and min_sqnr != min_sqnr:  # noqa: PLR0124 - NaN
            raise OptionError("the least SQNR is a number of decibels", where="min_sqnr")
        self.measured: list[PassFidelity] = []
        self._samples = Random() if samples is None else samples
        self._min_sqnr, self._function, self._precision = min_sqnr, function, precision
        self._working = working
        self.completed = 0
        self._failed = 0
        self._reference: Reference | None = None
        self._changes: Changes | None = None

    def before_pipeline(self, run: PipelineRun) -> None:
        """Runs the program for the first time, before the outermost pipeline.

        Raises:
            RunError: it can not be run, or does not take the samples.
        """
        if run.path != "program":
            return
        with self._working("running the program before the passes"):
            self._reference = Reference(run.program, self._samples, function=self._function, precision=self._precision)
        self._changes = Changes(run.program)

    def after_pipeline(self, run: PipelineRun, changed: bool) -> None:  # noqa: ARG002, FBT001
        """Forgets the reference after the outermost pipeline."""
        if run.path == "program":
            self._reference = self._changes = None
            self.completed += 1

    def after_failed_pipeline(self, run: PipelineRun, error: BaseException) -> None:  # noqa: ARG002
        """Forgets it as well."""
        if run.path == "program":
            self._reference = self._changes = None
            self._failed += 1

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Runs the program, unless it is as it was when it ran last.

        Raises:
            CheckFailure: an output is too far from what it was.
            RunError: the program can not be run any more.
        """
        if self._reference is None or self._changes is None or not outcome.changed:
            return
        if not self._changes.since_last(run.program):
            return
        with self._working(f"running the program after {run.path}"):
            found = self._reference.distances(run.program, run.function)
        self.measured.append(PassFidelity(self.completed + self._failed, run.path, tuple(found)))
        worst = worst_of(found)
        if self._min_sqnr is not None and worst is not None and worst.sqnr_db < self._min_sqnr:
            limit = f"at least {decibels(self._min_sqnr)} are asked for"
            raise CheckFailure(worst.words, hint=limit, subject=worst.subject)

    def as_json(self) -> list[dict[str, Any]]:
        """What `--json` prints of it: a row for each pass that changed something."""
        return [each.as_json() for each in self.measured]

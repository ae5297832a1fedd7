"""Finds the first pass, and in it the first single rewrite, after which a program is not what it should be.

The pipeline runs once with a look at the program after each pass; then again and again up to the pass that was found,
each time with another number of rewrites (`RewriteLimit`), halving what lies between a number that is fine and one that
is not. Whether the numbers between them are all of one kind does not matter: the search ends at neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ...ir.errors import PassFailure, RunError
from ..instrumentation.rewrite_limit import RewriteLimit
from ..manager import PassManager
from .fidelity import decibels, worst_of
from .reference import Random, Reference, Source
from .trials import End, Judge, Started, Verdict, Watch

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..runs import Rewrite

Measure: TypeAlias = Callable[[Any], float]
Working: TypeAlias = Callable[[str], AbstractContextManager[object]]


@attrs.frozen
class Culprit:
    """Where a run goes wrong.

    Attributes:
        path: of the pass; see `PassRun`.
        pass_text: the pass, as pipeline text.
        before: the verdict without the rewrite, or before the pass.
        after: the verdict with it.
        rewrite: the first rewrite that does it; None if the pass does it without one.
        number: which rewrite of the whole run that is, counted from 1.
        number_in_pass: which one of the pass.
        count_in_pass: how many rewrites the pass does.
    """

    path: str
    pass_text: str
    before: Verdict
    after: Verdict
    rewrite: Rewrite | None = None
    number: int | None = None
    number_in_pass: int | None = None
    count_in_pass: int = 0

    def __str__(self) -> str:
        """`rewrite 17, merge-casts on op 'x' (cast) in main {canonicalize}: output ...`."""
        subject = f"pass '{self.pass_text}'" if self.rewrite is None else f"rewrite {self.number}, {self.rewrite}"
        was = "" if self.before.sqnr_db is None else f", {decibels(self.before.sqnr_db)} before it"
        return f"{subject}: {self.after.words}{was}"

    def as_json(self) -> dict[str, Any]:
        """The attributes; infinite numbers are null."""
        return {
            "pass": self.path,
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "rewrite": None if self.rewrite is None else attrs.asdict(self.rewrite),
            "number": self.number,
            "number_in_pass": self.number_in_pass,
            "count_in_pass": self.count_in_pass,
        }


def bisect(
    program: Any,
    pipeline: Pipeline,
    against: Source | Reference | Measure | None = None,
    *,
    min_sqnr: float | None = None,
    working: Working = nullcontext,
) -> Culprit | None:
    """The first pass and the first rewrite after which a program is not what it should be.

    Args:
        program: PyMIL; it is not changed.
        pipeline: what is run on copies of it.
        against: samples to run the program on; or what it gave for some before; or a function that gives the decibels
            of a program. Random samples without it.
        min_sqnr: the least SQNR in decibels of every output, against the program as it is; without it, the first
            rewrite is looked for after which a pass fails or the program is not valid.
        working: told what is being done, for as long as the context that it gives lasts.

    Returns:
        None if nothing goes wrong.

    Raises:
        PassFailure: `min_sqnr` is given, and a pass fails.
        RunError: the program can not be run, or does not take the samples, or an output is nowhere finite on them.
    """
    if min_sqnr is None:
        return _Search(program, pipeline, _is_valid, working, failures_count=True).run()
    return _Search(program, pipeline, _judge(program, against, min_sqnr), working, failures_count=False).run()


def _judge(program: Any, against: Source | Reference | Measure | None, min_sqnr: float) -> Judge:
    if callable(against):
        return _measuring(against, min_sqnr)
    if not isinstance(against, Reference):
        against = Reference(program, Random() if against is None else against)
    _refuse_blind(against)
    return _comparing(against, min_sqnr)


def _refuse_blind(reference: Reference) -> None:
    """An output of which nothing can be compared would be held against the first pass, whichever that is."""
    for function, output in reference.blind:
        message = f"output {output!r} is nowhere finite on these samples, before any pass: nothing can be compared"
        raise RunError(message, where=f"function {function!r}", hint="give other samples")


def _comparing(reference: Reference, min_sqnr: float) -> Judge:
    def judge(program: Any) -> Verdict:
        try:
            worst = worst_of(reference.distances(program))
        except RunError as error:
            return Verdict(is_fine=False, words=f"the program can not be run: {error}", sqnr_db=-math.inf)
        if worst is None:
            return Verdict(is_fine=True, sqnr_db=math.inf)
        return Verdict(worst.sqnr_db >= min_sqnr, str(worst), worst.sqnr_db)

    return judge


def _measuring(measure: Measure, min_sqnr: float) -> Judge:
    def judge(program: Any) -> Verdict:
        sqnr = measure(program)
        return Verdict(sqnr >= min_sqnr, f"the program is at {decibels(sqnr)}", sqnr)

    return judge


def _is_valid(program: Any) -> Verdict:
    from ...ir.verifier import verify

    found = verify(program)
    return Verdict(not found, f"the program is not valid: {found[0]}" if found else "the program is valid")


@attrs.frozen(eq=False)
class _Search:
    program: Any
    pipeline: Pipeline
    judge: Judge
    working: Working
    failures_count: bool

    def run(self) -> Culprit | None:
        """The first pass that goes wrong, and the first of its rewrites."""
        rewrites = RewriteLimit()
        with self.working(f"running {self.pipeline}"):
            end = self._trial(Watch(self.judge, rewrites), rewrites)
        if end is None:
            return None
        first, last = end.started.rewrites, len(rewrites.admitted)
        fine = self._limited(end.started, first)
        if first == last or not fine.is_fine:
            return self._culprit(end, self._at_start(end.started), end.verdict, last - first)
        number, fine, wrong = self._halve(end, first, last, fine)
        found = self._culprit(end, fine, wrong, last - first)
        rewrite = rewrites.admitted[number - 1]
        return attrs.evolve(found, rewrite=rewrite, number=number, number_in_pass=number - first)

    @staticmethod
    def _culprit(end: End, before: Verdict, after: Verdict, count: int) -> Culprit:
        run = end.started.run
        return Culprit(run.path, str(run.pass_), before, after, count_in_pass=count)

    def _halve(self, end: End, low: int, high: int, fine: Verdict) -> tuple[int, Verdict, Verdict]:
        """The first rewrite of a neighbouring pair: `low` are always fine, `high` are not."""
        wrong = end.verdict
        while high - low > 1:
            middle = (low + high) // 2
            verdict = self._limited(end.started, middle)
            if verdict.is_fine:
                low, fine = middle, verdict
            else:
                high, wrong = middle, verdict
        return high, fine, wrong

    def _limited(self, started: Started, limit: int) -> Verdict:
        """What a program is behind a pass if so many rewrites are admitted from the beginning of the run."""
        rewrites = RewriteLimit(limit)
        with self.working(f"running {started.run.path} with the first {limit} rewrites"):
            try:
                end = self._trial(Watch(self.judge, rewrites, last=started.index), rewrites)
            except PassFailure as error:  # with fewer rewrites than in the run that went through
                return Verdict(is_fine=False, words=str(error), sqnr_db=-math.inf)
        return end.verdict if end else Verdict(is_fine=True, words="the pass does not run")

    def _at_start(self, started: Started) -> Verdict:
        rewrites = RewriteLimit()
        end = self._trial(Watch(self.judge, rewrites, first=started.index), rewrites)
        return end.verdict if end else Verdict(is_fine=True)

    def _trial(self, watch: Watch, rewrites: RewriteLimit) -> End | None:
        """Runs the pipeline on a copy; None if it ends by itself.

        Raises:
            PassFailure: a pass fails, and that is not what is looked for.
        """
        try:
            PassManager(self.pipeline, (watch, rewrites)).run(self.program)
        except End as end:
            return end
        except PassFailure as error:
            if not self.failures_count or watch.failed is None:
                raise
            return End(watch.failed, Verdict(is_fine=False, words=f"it fails: {error.message}"))
        return None

"""Single runs of a pipeline that end where the program is not what it should be, or around a pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ..instrumentation.base import Instrumentation
from .changes import Changes

if TYPE_CHECKING:
    from ..base import Outcome
    from ..instrumentation.rewrite_limit import RewriteLimit
    from ..runs import PassRun


@attrs.frozen
class Verdict:
    """What a look at a program found.

    Attributes:
        is_fine: whether it is what it should be.
        words: what was found, for people.
        sqnr_db: of the worst output, where it was measured.
    """

    is_fine: bool
    words: str = ""
    sqnr_db: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The attributes; infinite numbers are null."""
        finite = self.sqnr_db is not None and math.isfinite(self.sqnr_db)
        return {"fine": self.is_fine, "words": self.words, "sqnr_db": self.sqnr_db if finite else None}


Judge: TypeAlias = Callable[[Any], Verdict]


@attrs.frozen(eq=False)
class Started:
    """A run of a pass.

    Attributes:
        index: which one of all, counted from 0.
        run: the run.
        rewrites: how many rewrites were admitted before it.
    """

    index: int
    run: PassRun
    rewrites: int


class End(BaseException):
    """Ends a run that has shown enough; no error, because what handles errors must not see it.

    Args:
        started: the run of the pass at which it ends.
        verdict: what the program is there.
    """

    def __init__(self, started: Started, verdict: Verdict) -> None:
        super().__init__()
        self.started, self.verdict = started, verdict


class Watch(Instrumentation):
    """Ends a run where it goes wrong, or around one of its passes.

    Args:
        judge: looks at programs.
        rewrites: counts them.
        first: ends it before the pass run of this index.
        last: ends it behind the pass run of this index.

    Attributes:
        failed: the innermost run of a pass that has failed.
    """

    def __init__(
        self, judge: Judge, rewrites: RewriteLimit, *, first: int | None = None, last: int | None = None
    ) -> None:
        self._judge, self._rewrites, self._first, self._last = judge, rewrites, first, last
        self._count = 0
        self._open: list[Started] = []
        self._changes: Changes | None = None
        self.failed: Started | None = None

    def before_pass(self, run: PassRun) -> None:
        """Counts the run; raises `End` if it is the first one that is not wanted."""
        started = Started(self._count, run, len(self._rewrites.admitted))
        if self._first == started.index:
            raise End(started, self._judge(run.program))
        self._open.append(started)
        self._count += 1
        self._changes = self._changes or Changes(run.program)

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Looks at the program, and raises `End` if that is enough."""
        started = self._open.pop()
        self.failed = None  # what failed inside it was dealt with there
        if self._is_watched(started, run, outcome):
            verdict = self._judge(run.program)
            if self._last is not None or not verdict.is_fine:
                raise End(started, verdict)

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Remembers the innermost one."""
        started = self._open.pop()
        self.failed = self.failed or started

    def _is_watched(self, started: Started, run: PassRun, outcome: Outcome) -> bool:
        if self._first is not None or self._last is not None:
            return started.index == self._last
        return outcome.changed and self._changes is not None and self._changes.since_last(run.program)

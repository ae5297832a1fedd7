"""Single runs of passes, taken out of the run of a pipeline: each with the program as it was before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ...ir.errors import PassFailure
from ..instrumentation.base import Instrumentation
from ..instrumentation.rewrite_limit import RewriteLimit
from ..manager import PassManager
from ..pipeline import Pipeline, program_pipeline

if TYPE_CHECKING:
    from ..runs import PassRun


@attrs.frozen(eq=False)
class Tail:
    """A pipeline and what it runs on.

    Attributes:
        program: PyMIL; not to be changed.
        pipeline: what fails on it.
        rewrite_limit: how many rewrites it does; all without it.
    """

    program: Any
    pipeline: Pipeline
    rewrite_limit: int | None = None


def alone(whole: Tail, places: list[int]) -> list[Tail]:
    """Each of some pass runs alone, in this order.

    Args:
        whole: the pipeline that they are part of, and the program before it.
        places: their indices in the order in which passes begin.

    Returns:
        For a pass on a function two: on a program of its function only, and on the whole program. Nothing if the
        pipeline does not come so far again.
    """
    if not places:
        return []
    rewrites = RewriteLimit(whole.rewrite_limit)
    capture = _Capture(places, rewrites, whole.rewrite_limit)
    try:
        PassManager(whole.pipeline, (capture, rewrites)).run(whole.program)
    except _Captured:
        return [tail for place in places for tail in capture.found[place]]
    except PassFailure:
        return []  # it fails elsewhere now
    return []


class _Captured(BaseException):
    """Ends a run when there is nothing more to see; no error, because what handles errors must not see it."""


class _Capture(Instrumentation):
    """Copies the program before some runs of passes, and ends the run at the last of them.

    Args:
        places: the indices of the runs.
        rewrites: counts rewrites.
        limit: how many are admitted.
    """

    def __init__(self, places: Sequence[int], rewrites: RewriteLimit, limit: int | None) -> None:
        self._places, self._rewrites, self._limit = places, rewrites, limit
        self._count = 0
        self.found: dict[int, list[Tail]] = {}

    def before_pass(self, run: PassRun) -> None:
        """Copies the program if it is one of the runs."""
        if self._count in self._places:
            left = None if self._limit is None else self._limit - len(self._rewrites.admitted)
            self.found[self._count] = _before(run, left)
        self._count += 1
        if self._count > max(self._places):
            raise _Captured


def _before(run: PassRun, rewrite_limit: int | None) -> list[Tail]:
    """A pass alone, and what it is about to run on: its function only, if it runs on one, or the whole program."""
    from ...ir.copying import copy_program

    program = copy_program(run.program)
    if run.function is None:
        return [Tail(program, program_pipeline(run.pass_), rewrite_limit)]
    pipeline = program_pipeline(Pipeline("function", (run.pass_,)))
    return [
        Tail(_with_function(program, run.function), pipeline, rewrite_limit),
        Tail(program, pipeline, rewrite_limit),
    ]


def _with_function(program: Any, name: str) -> Any:
    """A copy of a program that has one of its functions only."""
    from ...ir.copying import copy_program

    result = copy_program(program)
    for other in list(result.functions):
        if other != name:
            del result.functions[other]
    result.default_function_name = name
    return result

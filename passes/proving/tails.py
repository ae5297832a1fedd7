"""The smallest end of a pipeline that still fails, and the program as it is before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ...ir.errors import MiloptError, PassFailure
from ..instrumentation.base import Instrumentation
from ..instrumentation.rewrite_limit import RewriteLimit
from ..manager import PassManager
from ..pipeline import Pipeline
from .captures import Tail, alone

if TYPE_CHECKING:
    from ..runs import PassRun

Checks: TypeAlias = Callable[[], Sequence[Instrumentation]]
"""Makes what runs around passes, and can fail them."""


@attrs.frozen
class Symptom:
    """By what a failure is known again.

    Attributes:
        pass_text: the pass that fails, as pipeline text.
        error: the type of what it, or a check after it, raises.
    """

    pass_text: str
    error: type[BaseException]


class Witness(Instrumentation):
    """Tells which pass run fails.

    Attributes:
        symptom: of the innermost failure; None before one.
        cause: what was raised there.
        places: the indices of the runs around it, the innermost first.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forgets everything."""
        self.symptom: Symptom | None = None
        self.cause: BaseException | None = None
        self.places: list[int] = []
        self._open: list[int] = []
        self._count = 0

    def before_pass(self, run: PassRun) -> None:  # noqa: ARG002
        """Counts the run."""
        self._open.append(self._count)
        self._count += 1

    def after_pass(self, run: PassRun, outcome: object) -> None:  # noqa: ARG002
        """What failed inside of it was dealt with there."""
        self._open.pop()
        self.symptom = self.cause = None
        self.places = []

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        """Remembers the innermost failure, and the runs around it."""
        self.places.append(self._open.pop())
        if self.symptom is None:
            self.symptom, self.cause = Symptom(str(run.pass_), type(error)), error


def smallest_tail(whole: Tail, symptom: Symptom, places: Iterable[int], checks: Checks) -> Tail | None:
    """The smallest end of a pipeline that fails in the same way.

    Args:
        whole: the pipeline, and the program that it failed on.
        symptom: how it failed.
        places: the indices of the pass runs that failed, the innermost first.
        checks: what ran around the passes.

    Returns:
        One pass alone if it fails alone: the innermost that does. Else as many elements of the pipeline as it takes;
        None if it does not even fail again as a whole.
    """
    for single in alone(whole, list(places)):
        if fails_alike(single, symptom, checks):
            return single
    return _shortened(whole, symptom, checks)


def fails_alike(tail: Tail, symptom: Symptom, checks: Checks) -> bool:
    """Whether a pipeline fails in this way."""
    witness = Witness()
    try:
        _run(tail, witness, *checks())
    except MiloptError:
        return witness.symptom == symptom
    return False


def _run(tail: Tail, *around: Instrumentation) -> Any:
    """The program after a pipeline; the tail's own stays as it is."""
    return PassManager(tail.pipeline, (*around, RewriteLimit(tail.rewrite_limit))).run(tail.program).program


def _shortened(whole: Tail, symptom: Symptom, checks: Checks) -> Tail | None:
    """As few elements of the pipeline as it takes; halving what is left finds them, if more of them fail as well."""
    if not fails_alike(whole, symptom, checks):
        return None
    tail, low, high = whole, 0, len(whole.pipeline.elements)
    while high - low > 1:
        middle = (low + high) // 2
        shorter = _from(whole, middle)
        if shorter is not None and fails_alike(shorter, symptom, checks):
            low, tail = middle, shorter
        else:
            high = middle
    return _without_rest(tail, symptom, checks)


def _from(whole: Tail, start: int) -> Tail | None:
    """The pipeline from an element on; None if those before it do not run."""
    head, rest = _split(whole.pipeline, start)
    rewrites = RewriteLimit(whole.rewrite_limit)
    try:
        program = PassManager(head, (rewrites,)).run(whole.program).program
    except PassFailure:
        return None
    left = None if whole.rewrite_limit is None else whole.rewrite_limit - len(rewrites.admitted)
    return Tail(program, rest, left)


def _without_rest(tail: Tail, symptom: Symptom, checks: Checks) -> Tail:
    """The tail without the elements behind the one that fails."""
    low, high = 0, len(tail.pipeline.elements)
    while high - low > 1:
        middle = (low + high) // 2
        head = attrs.evolve(tail, pipeline=_split(tail.pipeline, middle)[0])
        low, high = (low, middle) if fails_alike(head, symptom, checks) else (middle, high)
    return attrs.evolve(tail, pipeline=_split(tail.pipeline, high)[0])


def _split(pipeline: Pipeline, at: int) -> tuple[Pipeline, Pipeline]:
    return Pipeline(pipeline.anchor, pipeline.elements[:at]), Pipeline(pipeline.anchor, pipeline.elements[at:])

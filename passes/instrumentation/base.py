"""Hooks around pipelines, passes and analyses, and the stack that calls them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs

from ...ir.errors import InstrumentationError, MiloptError

if TYPE_CHECKING:
    from types import TracebackType

    from ..analyses import Analysis
    from ..base import Outcome
    from ..remarks import Remark
    from ..runs import AnalysisRun, PassRun, PipelineRun, Rewrite

Result = TypeVar("Result")
_Kind = Literal["pipeline", "pass", "analysis"]


class Instrumentation:
    """Does nothing; subclasses override what they need.

    Of several, the last before is the first after. To each `before` belongs exactly one `after` or `after_failed`; one
    that raises in its `after` fails what it was called for, and those around it are told.
    """

    def before_pipeline(self, run: PipelineRun) -> None:
        """A pipeline is about to run."""

    def after_pipeline(self, run: PipelineRun, changed: bool) -> None:  # noqa: FBT001 - what the hook is about
        """A pipeline has run."""

    def after_failed_pipeline(self, run: PipelineRun, error: BaseException) -> None:
        """A pipeline has failed, or what came after it has."""

    def before_pass(self, run: PassRun) -> None:
        """A pass is about to run."""

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """A pass has run; raising here fails the run."""

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        """A pass has raised, or what came after it has."""

    def before_analysis(self, run: AnalysisRun) -> None:
        """An analysis is about to be computed."""

    def after_analysis(self, run: AnalysisRun, result: Analysis) -> None:
        """An analysis has been computed."""

    def after_failed_analysis(self, run: AnalysisRun, error: BaseException) -> None:
        """An analysis has raised."""

    def admits(self, rewrite: Rewrite) -> bool:  # noqa: ARG002 - for those who refuse
        """Whether a rewrite that a pass is about to do may be done."""
        return True

    def on_remark(self, remark: Remark) -> None:
        """A pass has said something."""


class Stack:
    """Several instrumentations: befores in order, afters in reverse.

    Args:
        parts: the outermost first.
    """

    def __init__(self, parts: Iterable[Instrumentation]) -> None:
        self._parts = tuple(parts)

    def around_pipeline(self, run: PipelineRun, work: Callable[[], bool]) -> bool:
        """Does the work of a pipeline, with the hooks around it."""
        return self._around("pipeline", run, work)

    def around_pass(self, run: PassRun, work: Callable[[], Outcome]) -> Outcome:
        """Does the work of a pass, with the hooks around it."""
        return self._around("pass", run, work)

    def around_analysis(self, run: AnalysisRun, work: Callable[[], Analysis]) -> Analysis:
        """Does the work of an analysis, with the hooks around it."""
        return self._around("analysis", run, work)

    def admits(self, rewrite: Rewrite) -> bool:
        """Whether all of them admit a rewrite; the first that does not is the last that is asked."""
        return all(_told(part, "admits", rewrite) for part in self._parts)

    def say(self, remark: Remark) -> None:
        """Passes a remark on to all of them."""
        for part in self._parts:
            _told(part, "on_remark", remark)

    def _around(self, kind: _Kind, run: Any, work: Callable[[], Result]) -> Result:
        results: list[Result] = []
        with ExitStack() as endings:
            for part in self._parts:
                _told(part, f"before_{kind}", run)
                endings.push(_Ending(part, kind, run, results))
            results.append(work())
        return results[0]


@attrs.frozen(eq=False)
class _Ending:
    """Tells one instrumentation how something ended."""

    part: Instrumentation
    kind: _Kind
    run: Any
    results: list[Any]

    def __call__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is None:
            _told(self.part, f"after_{self.kind}", self.run, self.results[0])
            return
        try:
            _told(self.part, f"after_failed_{self.kind}", self.run, error)
        except InstrumentationError as fault:  # must not hide what has failed
            warnings.warn(str(fault), RuntimeWarning, stacklevel=2)


def _told(part: Instrumentation, hook: str, *about: Any) -> Any:
    """Calls a hook; a fault of the instrumentation is told as such."""
    try:
        return getattr(part, hook)(*about)
    except MiloptError:
        raise
    except Exception as error:
        message = f"the instrumentation {type(part).__name__!r} failed in {hook} with {type(error).__name__}: {error}"
        raise InstrumentationError(message, hint="this is a defect of the instrumentation") from error

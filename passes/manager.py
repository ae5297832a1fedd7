"""The pass manager: runs a pipeline over a program, with instrumentations around every pass."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import attrs

from ..ir.errors import MiloptError, PassFailure
from .analyses import AnalysisManager
from .base import Outcome, Pass, PassContext
from .coremltools_passes import CoremltoolsPass
from .instrumentation import Instrumentation, PassRun, Stack, VerifyEach
from .pipeline import Pipeline
from .remarks import Remark


@attrs.frozen
class RunResult:
    """What a run gave.

    Attributes:
        program: the changed program; the one that was given when `in_place`.
        changed: whether any pass changed anything.
        remarks: what the passes said, in order.
    """

    program: Any
    changed: bool
    remarks: tuple[Remark, ...]


@attrs.frozen
class PassManager:
    """Runs a pipeline.

    Attributes:
        pipeline: what to run.
        instrumentations: what runs around it; by default the verifier runs after each pass.
    """

    pipeline: Pipeline
    instrumentations: Sequence[Instrumentation] = attrs.field(factory=lambda: (VerifyEach(),))

    def run(self, program: Any, *, in_place: bool = False) -> RunResult:
        """Runs the pipeline on a PyMIL program.

        Args:
            program: untouched, unless `in_place`; the copy that is changed shares its constants.
            in_place: change `program` itself.

        Raises:
            PassFailure: a pass raised, or left an invalid program; it is named.
        """
        from ..ir.copying import copy_program

        target = program if in_place else copy_program(program)
        execution = _Execution(target, Stack(self.instrumentations))
        execution.run_pipeline(self.pipeline)
        return RunResult(target, execution.changed, tuple(execution.remarks))


class _Execution:
    def __init__(self, program: Any, around: Stack) -> None:
        self._program, self._around = program, around
        self._analyses = AnalysisManager(program, around.observe_analysis)
        self.remarks: list[Remark] = []
        self.changed = False

    def run_pipeline(self, pipeline: Pipeline) -> None:
        """Runs a whole pipeline, with the hooks around it."""
        self._around.before_pipeline(pipeline, self._program)
        self._run_nested(pipeline, self._program, "program")
        self._around.after_pipeline(pipeline, self._program)

    def _run_nested(self, pipeline: Pipeline, root: Any, path: str) -> None:
        if pipeline.anchor == "program":
            self._run_elements(pipeline, root, path)
            return
        for name, function in list(self._program.functions.items()):
            self._run_elements(pipeline, function, f"{path}/function({name})")

    def _run_elements(self, pipeline: Pipeline, root: Any, path: str) -> None:
        for element in pipeline.elements:
            if isinstance(element, Pass):
                self._run_pass(element, root, path)
            else:
                self._run_nested(element, root, path)

    def _run_pass(self, pass_: Pass, root: Any, path: str) -> None:
        run = PassRun(pass_, root, f"{path}/{pass_}", self._program)
        self._around.before_pass(run)
        try:
            outcome = self._apply(pass_, root)
            self._around.after_pass(run, outcome)
        except Exception as error:
            self._around.after_failed_pass(run, error)
            raise _explained(pass_, error) from error
        if outcome.changed:
            self.changed = True
            self._analyses.keep_only(outcome.preserved)

    def _apply(self, pass_: Pass, root: Any) -> Outcome:
        from ..ir.pymil import graph_pass_scope, unique_names
        from ..ir.walking import names_in

        name = str(pass_).partition("{")[0]
        context = PassContext(name, self._program, self._analyses, self.remarks)
        # coremltools' passes enter their own scope: entering one here too would name them twice.
        scope = nullcontext() if isinstance(pass_, CoremltoolsPass) else graph_pass_scope(name)
        with unique_names(names_in(self._program)), scope:
            return pass_.run(root, context)


def _explained(pass_: Pass, error: Exception) -> MiloptError:
    """The error as a user should read it: one line that names the pass."""
    place = f"pass '{pass_}'"
    if isinstance(error, MiloptError):
        return PassFailure(error.message, where=f"{place}, {error.where}" if error.where else place, hint=error.hint)
    return PassFailure(
        f"failed with {type(error).__name__}: {error}",
        where=place,
        hint="this is a defect of the pass: please report it",
    )

"""One run of a pipeline over a program: passes in order, instrumentations around them, analyses between them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from ..ir.errors import PipelineError
from .analyses import AnalysisManager
from .base import Outcome, Pass
from .context import PassContext
from .failures import failure_of
from .foreign.passes import CoremltoolsPass
from .instrumentation.base import Stack
from .pipeline import Pipeline
from .remarks import Remark
from .runs import PassRun, PipelineRun


class Execution:
    """A run in the making.

    Args:
        program: what is changed.
        around: what is told of everything that happens.
    """

    def __init__(self, program: Any, around: Stack) -> None:
        self._program, self._around = program, around
        self._analyses = AnalysisManager(program, around.around_analysis)
        self.remarks: list[Remark] = []

    def run(self, pipeline: Pipeline, original: Callable[[], Any] | None) -> bool:
        """Runs the outermost pipeline; whether anything changed.

        Args:
            pipeline: what to run; one on functions runs on each of the program's.
            original: see `PipelineRun`.

        Raises:
            PassFailure: a pass failed.
        """
        from ..ir.edit_watch import watching_edits
        from ..ir.fast_editing import fast_editing
        from ..ir.pymil import building, unique_names
        from ..ir.walking import names_in

        outermost = pipeline if pipeline.anchor == "program" else Pipeline("program", (pipeline,))
        # One watch for all passes: that of a single pass costs nothing inside of it, and names that passes give need
        # not be looked for.
        names = names_in(self._program)
        with building, fast_editing(), watching_edits() as edits, unique_names(names, later=edits.names):
            return self._run_pipeline(PipelineRun(outermost, self._program, "program", self._program, original))

    def _run_pipeline(self, run: PipelineRun) -> bool:
        def work() -> bool:
            changes = [self._run_element(element, run) for element in run.pipeline.elements]
            return any(changes)

        return self._around.around_pipeline(run, work)

    def _run_element(self, element: Pass | Pipeline, run: PipelineRun) -> bool:
        if isinstance(element, Pipeline):
            return self._run_nested(element, run.root, run.path)
        return self._run_pass(element, run)

    def _run_nested(self, pipeline: Pipeline, root: Any, path: str) -> bool:
        """Runs a pipeline where its anchor says, inside another pipeline or a pass."""
        changes = [self._run_pipeline(run) for run in self._places(pipeline, root, path)]
        return any(changes)

    def _places(self, pipeline: Pipeline, root: Any, path: str) -> list[PipelineRun]:
        program = self._program
        if pipeline.anchor == "function":
            inside = [(name, each) for name, each in program.functions.items() if root is program or root is each]
            return [PipelineRun(pipeline, each, f"{path}/function({name})", program) for name, each in inside]
        if root is not program:
            raise PipelineError(f"a pass on a function can not run '{pipeline}'", hint="run it on the whole program")
        return [PipelineRun(pipeline, root, f"{path}/program", program)]

    def _run_pass(self, pass_: Pass, inside: PipelineRun) -> bool:
        from ..ir.walking import function_name

        function = function_name(self._program, inside.root)
        run = PassRun(pass_, inside.root, f"{inside.path}/{pass_}", self._program, function, self._analyses)
        try:
            outcome = self._around.around_pass(run, lambda: self._apply(run))
        except (Exception, SystemExit) as error:  # a pass that ends the interpreter has failed as well
            failure = failure_of(run, error)
            if failure is error:
                raise
            raise failure from error
        if outcome.changed:
            self._analyses.keep_only(outcome.preserved)
        return outcome.changed

    def _apply(self, run: PassRun) -> Outcome:
        from ..ir.pymil import graph_pass_scope

        name = str(run.pass_).partition("{")[0]
        context = PassContext(name, run, self._say, self._around.admits, self._nest)
        # coremltools' passes enter their own scope: entering one here too would name them twice.
        scope = nullcontext() if isinstance(run.pass_, CoremltoolsPass) else graph_pass_scope(name)
        with scope:
            outcome = run.pass_.run(run.root, context)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"it returned {outcome!r}, and no Outcome")
        return outcome

    def _nest(self, pipeline: Pipeline, root: Any, inside: PassRun) -> bool:
        return self._run_nested(pipeline, root, inside.path)

    def _say(self, remark: Remark) -> None:
        self.remarks.append(remark)
        self._around.say(remark)

"""What a pass may use while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import attrs

from ..ir.errors import PipelineError
from .remarks import Remark, RemarkKind
from .runs import PassRun, Pipeline, Rewrite

if TYPE_CHECKING:
    from ..ir.rewriting.driver import Rewrites
    from ..ir.rewriting.patterns import Pattern
    from .analyses import AnalysisManager


@attrs.frozen(eq=False)
class PassContext:
    """What a pass may use while it runs.

    Attributes:
        pass_name: the running pass's.
        run: the run that it is part of.
        say: takes a remark.
        admit: whether a rewrite may be done.
        nest: runs a pipeline on a program or function inside this pass; whether it changed anything.
    """

    pass_name: str
    run: PassRun
    say: Callable[[Remark], None]
    admit: Callable[[Rewrite], bool]
    nest: Callable[[Pipeline, Any, PassRun], bool]

    @property
    def program(self) -> Any:
        """The whole program, also for passes that are anchored on a function."""
        return self.run.program

    @property
    def analyses(self) -> AnalysisManager:
        """Facts about the program, cached."""
        analyses: AnalysisManager = self.run.analyses
        return analyses

    def remark(self, kind: RemarkKind, operation: Any, code: str, message: str, **more: Any) -> None:
        """Says something about an op; see `Remark`."""
        home, name, op_type = self.function_name(operation), operation.name, operation.op_type
        subject = {"function": home, "op": name, "op_type": op_type}
        self.say(Remark(kind=kind, pass_name=self.pass_name, **subject, code=code, message=message, **more))

    def count(self, statistic: str, amount: int = 1) -> None:
        """Adds to one of the pass's statistics.

        Raises:
            PipelineError: the pass does not declare it.
        """
        if statistic not in self.run.pass_.statistics:
            raise PipelineError(f"it declares no statistic {statistic!r}", hint="add it to `statistics` of its class")
        self.run.statistics[statistic] += amount

    def admits(self, name: str, operation: Any = None) -> bool:
        """Whether a rewrite may be done; every pass asks before each, so that runs can be cut short at any of them.

        Args:
            name: a word for what is done, or a pattern's name.
            operation: the op that is about to be rewritten; None for a step on the whole program.
        """
        if operation is None:
            return self.admit(Rewrite(self.pass_name, name))
        home = self.function_name(operation)
        return self.admit(Rewrite(self.pass_name, name, home, operation.name, operation.op_type))

    def rewrite(self, root: Any, patterns: Iterable[Pattern]) -> Rewrites:
        """Applies patterns to a program or function until none fits.

        Each pattern is a statistic of the pass, each rewrite a `passed` remark: the pattern's name and its rule.
        """
        from ..ir.rewriting.driver import rewrite

        def admit(pattern: Pattern, operation: Any) -> bool:
            admitted = self.admits(pattern.name, operation)
            if admitted:
                self.remark("passed", operation, pattern.name, pattern.rule or pattern.name)
            return admitted

        done = rewrite(root, patterns, admit=admit, remark=self.remark)
        self.run.statistics.update(done.counts)
        return done

    def run_pipeline(self, pipeline: Pipeline, root: Any = None) -> bool:
        """Runs a pipeline inside this pass, with all instrumentations around it and the same analyses.

        Args:
            pipeline: what to run.
            root: a program or function, as the pipeline's anchor says; without it, what the pass itself runs on.

        Returns:
            Whether anything changed.

        Raises:
            PassFailure: a pass of it failed.
        """
        return self.nest(pipeline, self.run.root if root is None else root, self.run)

    def function_name(self, operation: Any) -> str:
        """The name of the function that an op stands in; `?` when it stands in none of the program."""
        from ..ir.walking import function_name, function_of

        return function_name(self.program, function_of(operation)) or "?"

"""The pass `fixed-point`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from ...ir.errors import ProgramError
from ..base import EVERYTHING, UNCHANGED, Outcome, Pass
from ..context import PassContext
from ..options import option
from ..pipeline_option import option_pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..pipeline import Pipeline


@attrs.frozen(kw_only=True)
class FixedPoint(Pass):
    """Runs a pipeline again and again until it changes nothing any more.

    Rules:
        1. The pipeline runs inside this pass, with all instrumentations around its passes.
        2. It runs at least once and at most `max-iterations` times.
        3. A pipeline that changes something in the last of them is left as it is then, or with `must-converge` refused.

    Before:

        func main<ios16>(tensor<fp16, [10, 20]> x) {
            tensor<fp16, [10, 20]> y = relu(x = x)[name = string("y")];
        } -> (y);

    After, with `pipeline={program(raise-opset{target=iOS18}, function(canonicalize))} max-iterations=3`:

        func main<ios18>(tensor<fp16, [10, 20]> x) {
            tensor<fp16, [10, 20]> y = relu(x = x)[name = string("y")];
        } -> (y);
    """

    statistics: ClassVar[Mapping[str, str]] = {
        "iterations": "times that the pipeline ran",
        "unsettled": "whether it still changed something in the last of them",
    }

    pipeline: Pipeline = option_pipeline(help="what to run")
    max_iterations: int = option(10, help="the bound", minimum=1)
    must_converge: bool = option(default=False, help="fail when the bound is reached while something changes")

    def run(self, root: Any, context: PassContext) -> Outcome:
        """See the class."""
        for iteration in range(self.max_iterations):
            context.count("iterations")
            if not context.run_pipeline(self.pipeline, root):
                return Outcome(changed=True, preserved=EVERYTHING) if iteration else UNCHANGED
        if self.must_converge:
            message = f"the pipeline still changes the program in run {self.max_iterations}"
            raise ProgramError(message, hint="raise max-iterations, or find the passes that undo each other")
        context.count("unsettled")
        return Outcome(changed=True, preserved=EVERYTHING)

"""The pass manager: runs a pipeline over a program, with instrumentations around every pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..ir.errors import PipelineError
from .execution import Execution
from .instrumentation.base import Instrumentation, Stack
from .instrumentation.verify_each import VerifyEach
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

    pipeline: Pipeline = attrs.field()
    instrumentations: Sequence[Instrumentation] = attrs.field(factory=lambda: (VerifyEach(),))

    @pipeline.validator
    def _check_pipeline(self, _: object, pipeline: object) -> None:
        if not isinstance(pipeline, Pipeline):
            hint = "milopt.parse_pipeline makes one from text" if isinstance(pipeline, str) else None
            raise PipelineError(f"a PassManager takes a Pipeline, not {pipeline!r}", hint=hint)

    @instrumentations.validator
    def _check_instrumentations(self, _: object, given: object) -> None:
        parts = given if isinstance(given, Sequence) else [given]
        wrong = [each for each in parts if parts is not given or not isinstance(each, Instrumentation)]
        if wrong:
            hint = "give objects such as VerifyEach(), in a list or tuple"
            raise PipelineError(f"instrumentations are a sequence of Instrumentation, not {wrong[0]!r}", hint=hint)

    def run(self, program: Any, *, in_place: bool = False, original: Callable[[], Any] | None = None) -> RunResult:
        """Runs the pipeline on a PyMIL program.

        Args:
            program: untouched, unless `in_place`; the copy that is changed shares its constants.
            in_place: change `program` itself.
            original: gives the program as it is now, again; for instrumentations that look back when the run is
                `in_place`. Without it, they have `program` itself unless it is changed.

        Raises:
            PassFailure: a pass raised, or left an invalid program; it is named.
            PipelineError: `program` is none.

        Threads may run managers on programs of their own; passes of one run while those of the others wait, because
        PyMIL builds with state of the whole process.
        """
        from ..ir.copying import copy_program
        from ..ir.pymil import Program

        if not isinstance(program, Program):
            hint = "a model's program is `model.program`" if hasattr(program, "stages") else None
            raise PipelineError(f"a pipeline runs on a PyMIL program, not on a {type(program).__name__}", hint=hint)
        target = program if in_place else copy_program(program)
        if original is None and not in_place:
            original = lambda: program  # noqa: E731 - a name of its own would say no more
        execution = Execution(target, Stack(self.instrumentations))
        changed = execution.run(self.pipeline, original)
        return RunResult(target, changed, tuple(execution.remarks))

"""Passes made on the spot, and how tests run them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import attrs
from milopt.ir.walking import walk
from milopt.passes.analyses import Analysis, AnalysisManager
from milopt.passes.base import UNCHANGED, Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import program_pipeline

CHANGED = Outcome(changed=True)
Run = Callable[[Any, PassContext], Outcome]


def made(name: str, run: Run, *, anchor: Anchor = "program") -> Pass:
    """A pass of this class name that does just this."""

    def run_it(_: Pass, root: Any, context: PassContext) -> Outcome:
        return run(root, context)

    cls = attrs.frozen(kw_only=True)(type(name, (Pass,), {"anchor": anchor, "run": run_it}))
    made_pass: Pass = cls()
    return made_pass


def doing(action: Callable[[Any], object], name: str = "Doing") -> Pass:
    """A pass that changes the program by `action`."""

    def run(root: Any, _: PassContext) -> Outcome:
        action(root)
        return CHANGED

    return made(name, run)


def run_passes(program: Any, *passes: Pass, around: tuple[Instrumentation, ...] = (VerifyEach(),)) -> Any:
    """The result of a pipeline of these passes on the whole program."""
    return PassManager(program_pipeline(*passes), around).run(program)


@attrs.frozen(kw_only=True)
class Note(Pass):
    """Says something about every op that is no constant."""

    word: str = option("seen", help="what to say")

    def run(self, root: Any, context: PassContext) -> Outcome:
        for operation in walk(root):
            if operation.op_type != "const":
                context.remark("analysis", operation, self.word, f"it is a {operation.op_type}", data={"n": 1})
        return UNCHANGED


@attrs.frozen(kw_only=True)
class NoteFunctions(Note):
    """The same for one function at a time."""

    anchor: ClassVar[Anchor] = "function"


@attrs.frozen
class OpCount(Analysis):
    """How many ops a program has, constants included."""

    count: int

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> OpCount:  # noqa: ARG003
        return cls(sum(1 for _ in walk(program)))

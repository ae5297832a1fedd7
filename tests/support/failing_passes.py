"""Passes that fail, as defective passes do; registered by the tests that need them in pipeline text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

import attrs
from milopt.ir.errors import PassFailure
from milopt.ir.walking import walk
from milopt.passes.base import UNCHANGED, Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.options import option
from milopt.passes.pipeline import program_pipeline
from milopt.passes.registry import register, unregister

from .passes import CHANGED

_MARK = "_marked_by_a_test"


@attrs.frozen(kw_only=True)
class FailAt(Pass):
    """Raises at the first op of a type; each op that it looks at is a rewrite."""

    anchor: ClassVar[Anchor] = "function"
    type: str = option("relu", help="the type")

    def run(self, root: Any, context: PassContext) -> Outcome:
        for operation in walk(root):
            if operation.op_type == self.type and context.admits("look", operation):
                raise ValueError("boom")
        return UNCHANGED


@attrs.frozen(kw_only=True)
class RepeatName(Pass):
    """Leaves a program in which two values have one name."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        first, *_, last = [each for each in walk(root) if each.op_type != "const"]
        last.outputs[0].name = first.outputs[0].name
        return CHANGED


@attrs.frozen(kw_only=True)
class Mark(Pass):
    """Marks a program in a way that copies and files forget."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        setattr(root, _MARK, True)
        return UNCHANGED


@attrs.frozen(kw_only=True)
class FailIfMarked(Pass):
    """Raises on a marked program."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        if getattr(root, _MARK, False):
            raise KeyError("mark")
        return UNCHANGED


@attrs.frozen(kw_only=True)
class FailAnyway(Pass):
    """Raises on every program, another error on a marked one."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        if getattr(root, _MARK, False):
            raise KeyError("mark")
        raise IndexError("no mark")


@attrs.frozen(kw_only=True)
class Careful(Pass):
    """Runs one inside that fails, and goes on."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        with suppress(PassFailure):
            context.run_pipeline(program_pipeline(FailAnyway()))
        return UNCHANGED


@attrs.frozen(kw_only=True)
class Nest(Pass):
    """Runs others inside: one that fails, or marks the program before and fails if it is marked."""

    marked: bool = option(False, help="which")  # noqa: FBT003

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        inside = (Mark(), FailIfMarked()) if self.marked else (Idle(), RepeatName())
        context.run_pipeline(program_pipeline(*inside))
        return UNCHANGED


@attrs.frozen(kw_only=True)
class Idle(Pass):
    """Does nothing, but asks whether it may."""

    def run(self, root: Any, context: PassContext) -> Outcome:
        for operation in walk(root):
            context.admits("nothing", operation)
        return UNCHANGED


@attrs.frozen(kw_only=True)
class Lie(Pass):
    """Renames an output, and says that it changed nothing."""

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        next(iter(root.functions.values())).outputs[0].name = "renamed"
        return UNCHANGED


@contextmanager
def failing_passes() -> Iterator[None]:
    """While it lasts, pipeline text knows them."""
    classes = (FailAt, RepeatName, Mark, FailIfMarked, FailAnyway, Careful, Nest, Idle, Lie)
    for cls in classes:
        register(cls)
    try:
        yield
    finally:
        for cls in classes:
            unregister(cls)

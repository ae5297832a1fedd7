"""What runs: records of a pipeline, a pass, an analysis and a single rewrite in the course of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs

# Passes, pipelines and analyses are told of their own runs: their modules import this one, and not the other way round.
Pass: TypeAlias = Any
Pipeline: TypeAlias = Any
AnalysisManager: TypeAlias = Any
AnalysisClass: TypeAlias = Any


@attrs.frozen(eq=False)
class PipelineRun:
    """One run of one pipeline on one program or function.

    Attributes:
        pipeline: what runs.
        root: what it runs on, a program or a function.
        path: where it stands, for people: `program`, `program/function(main)`.
        program: the whole program.
        original: gives the program as it was before the outermost pipeline; None where nobody kept it, and for
            pipelines inside others.
    """

    pipeline: Pipeline
    root: Any
    path: str
    program: Any
    original: Callable[[], Any] | None = None

    @property
    def label(self) -> str:
        """The last part of the path: the anchor, with the function's name."""
        return last_part(self.path)


@attrs.frozen(eq=False)
class PassRun:
    """One run of one pass.

    Attributes:
        pass_: the pass.
        root: what it runs on, a program or a function.
        path: where it stands, for people: `program/quantize-weights`, `program/function(main)/canonicalize`.
        program: the whole program.
        function: the name of the function that it runs on; None for the whole program.
        analyses: those of the program, as they were before the pass.
        statistics: what the pass counts.
    """

    pass_: Pass
    root: Any
    path: str
    program: Any
    function: str | None
    analyses: AnalysisManager
    statistics: Counter[str] = attrs.field(factory=Counter)


@attrs.frozen(eq=False)
class AnalysisRun:
    """One computation of an analysis.

    Attributes:
        analysis: its class.
        program: what it measures.
    """

    analysis: AnalysisClass
    program: Any


@attrs.frozen
class Rewrite:
    """One rewrite that a pass is about to do: the smallest step that can be left out.

    Attributes:
        pass_name: who does it.
        name: of the pattern, or a word of the pass for what it does.
        function: where; empty for steps that concern the whole program.
        op: the op that is rewritten; empty for such steps.
        op_type: its type.
    """

    pass_name: str
    name: str
    function: str = ""
    op: str = ""
    op_type: str = ""

    def __str__(self) -> str:
        """`name on op 'x' (add) in main {pass}`."""
        place = f" on op {self.op!r} ({self.op_type}) in {self.function}" if self.op else ""
        return f"{self.name}{place} {{{self.pass_name}}}"


def last_part(path: str) -> str:
    """What stands behind the last `/` of a path that is not part of an option."""
    depth, start = 0, 0
    for at, character in enumerate(path):
        depth += (character in "{(") - (character in "})")
        if character == "/" and not depth:
            start = at + 1
    return path[start:]

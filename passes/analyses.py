"""The analysis manager: each analysis is computed once and kept until a pass changes what it measured."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any, Self, TypeVar, cast

import attrs

from ..ir.errors import PipelineError
from .runs import AnalysisRun

AnyAnalysis = TypeVar("AnyAnalysis", bound="Analysis")


class Analysis:
    """The base of every analysis: an immutable result, made by `run`.

    Two results of one class that say the same are equal (`==`): that is how a run can check that a pass preserved it.
    """

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Self:
        """Measures a program; may ask `analyses` for others, which this one then depends on."""
        raise NotImplementedError


Around = Callable[[AnalysisRun, Callable[[], Analysis]], Analysis]
"""Computes an analysis, with whatever has to happen around it."""


@attrs.frozen(eq=False)
class _Entry:
    result: Analysis
    needs: frozenset[type[Analysis]]


class AnalysisManager:
    """The analyses of one program.

    Args:
        program: what they measure.
        around: called with each computation.
    """

    def __init__(self, program: Any, around: Around | None = None) -> None:
        self._program = program
        self._around: Around = around or (lambda _, compute: compute())
        self._entries: dict[type[Analysis], _Entry] = {}  # what one needs stands before it
        self._computing: dict[type[Analysis], set[type[Analysis]]] = {}

    def get(self, kind: type[AnyAnalysis]) -> AnyAnalysis:
        """The analysis, computed unless it is cached.

        Raises:
            PipelineError: it needs itself, directly or by others.
        """
        if self._computing:
            next(reversed(self._computing.values())).add(kind)
        if kind not in self._entries:
            self._entries[kind] = self._compute(kind)
        return cast("AnyAnalysis", self._entries[kind].result)

    def cached(self, kind: type[AnyAnalysis]) -> AnyAnalysis | None:
        """The analysis if it is cached and still holds."""
        entry = self._entries.get(kind)
        return None if entry is None else cast("AnyAnalysis", entry.result)

    def results(self) -> Iterator[Analysis]:
        """Every analysis that is cached."""
        return (entry.result for entry in self._entries.values())

    def renew(self, result: Analysis) -> None:
        """Takes an analysis of the program as it is now, for a pass that knows it and will say that it is preserved."""
        self._entries[type(result)] = _Entry(result, frozenset())

    def keep_only(self, preserved: Container[type[Analysis]]) -> None:
        """Forgets every analysis that is not preserved, or needs one that is not."""
        kept: dict[type[Analysis], _Entry] = {}
        for kind, entry in self._entries.items():
            if kind in preserved and entry.needs <= kept.keys():
                kept[kind] = entry
        self._entries = kept

    def _compute(self, kind: type[Analysis]) -> _Entry:
        if kind in self._computing:
            circle = " needs ".join(each.__name__ for each in (*self._computing, kind))
            raise PipelineError(f"an analysis needs itself: {circle}")
        needs = self._computing[kind] = set()
        try:
            run = AnalysisRun(kind, self._program)
            result = self._around(run, lambda: kind.run(self._program, self))
        finally:
            del self._computing[kind]
        return _Entry(result, frozenset(needs))

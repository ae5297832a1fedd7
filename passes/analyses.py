"""The analysis manager: each analysis is computed once and kept until a pass changes what it measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

AnyAnalysis = TypeVar("AnyAnalysis", bound="Analysis")


class Analysis:
    """The base of every analysis: an immutable result, made by `run`."""

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Self:
        """Measures a program; may ask `analyses` for others."""
        raise NotImplementedError


Observer = Callable[[str, "type[Analysis]"], None]


class AnalysisManager:
    """The analyses of one program.

    Args:
        program: what they measure.
        observe: called with `before` or `after` and the analysis whenever one is computed.
    """

    def __init__(self, program: Any, observe: Observer | None = None) -> None:
        self._program = program
        self._observe = observe or (lambda *_: None)
        self._cached: dict[type[Analysis], Analysis] = {}

    def get(self, kind: type[AnyAnalysis]) -> AnyAnalysis:
        """The analysis, computed unless it is cached."""
        if kind not in self._cached:
            self._observe("before", kind)
            self._cached[kind] = kind.run(self._program, self)
            self._observe("after", kind)
        return cast("AnyAnalysis", self._cached[kind])

    def cached(self, kind: type[AnyAnalysis]) -> AnyAnalysis | None:
        """The analysis if it is cached and still holds."""
        return cast("AnyAnalysis | None", self._cached.get(kind))

    def keep_only(self, preserved: frozenset[type[Analysis]]) -> None:
        """Forgets every analysis but the preserved ones."""
        self._cached = {kind: result for kind, result in self._cached.items() if kind in preserved}

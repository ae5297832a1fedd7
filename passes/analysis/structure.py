"""`Structure`: what a program looks like, to tell later whether it still does."""

from __future__ import annotations

from typing import Any, Self

import attrs

from ..analyses import Analysis, AnalysisManager


@attrs.frozen(repr=False)
class Structure(Analysis):
    """The program's ops, names, types and wiring at a moment.

    Passes that can not say whether they changed anything compare two of them. Being an analysis, it is taken anew only
    after a pass that changed something.

    Attributes:
        parts: see `ir.structure.snapshot`.
    """

    parts: list[Any]

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Self:  # noqa: ARG003 - it needs no others
        """Takes a snapshot."""
        from ...ir.structure import snapshot

        return cls(snapshot(program))

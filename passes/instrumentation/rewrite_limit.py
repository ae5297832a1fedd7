"""The instrumentation that stops rewriting after so many rewrites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Instrumentation

if TYPE_CHECKING:
    from ..runs import Rewrite


class RewriteLimit(Instrumentation):
    """Admits the first rewrites of a run and no more: with half as many, does the fault remain?

    Args:
        limit: how many are admitted; all of them without it.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self.admitted: list[Rewrite] = []

    def admits(self, rewrite: Rewrite) -> bool:
        """Whether the limit is not reached yet; notes the rewrite if so."""
        if self._limit is not None and len(self.admitted) >= self._limit:
            return False
        self.admitted.append(rewrite)
        return True

"""The instrumentation that numbers the rewrites of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from .base import Instrumentation

if TYPE_CHECKING:
    from ..runs import Rewrite


@attrs.frozen
class NumberedRewrite:
    """A rewrite, and its number in the course of all runs: a limit of as many ends with it."""

    number: int
    rewrite: Rewrite

    def __str__(self) -> str:
        """`rewrite 3: cancel-transposes on op 'x' (transpose) in main {canonicalize}`."""
        return f"rewrite {self.number}: {self.rewrite}"

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"number": self.number, **attrs.asdict(self.rewrite)}


class RewriteLog(Instrumentation):
    """Hands on each rewrite with its number, before it is done.

    Those that another instrumentation refuses are not counted, if that one stands outside of this.

    Args:
        write: takes each.
    """

    def __init__(self, write: Callable[[NumberedRewrite], object]) -> None:
        self._write = write
        self._count = 0

    def admits(self, rewrite: Rewrite) -> bool:
        """Refuses none."""
        self._count += 1
        self._write(NumberedRewrite(self._count, rewrite))
        return True

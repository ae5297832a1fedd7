"""The instrumentation that verifies the program after each pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.errors import ProgramError
from .base import Instrumentation

if TYPE_CHECKING:
    from ...ir.verifier import Verifier
    from ..base import Outcome
    from ..runs import PassRun


class VerifyEach(Instrumentation):
    """Verifies the program after each pass that changed it, and names the pass that broke it."""

    def __init__(self) -> None:
        self._verifier: Verifier | None = None  # knows what was right after the pass before

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Raises when the program is not well formed any more."""
        from ...ir.verifier import Verifier

        if not outcome.changed:
            return
        self._verifier = self._verifier or Verifier()
        found = self._verifier.verify(run.program)
        if found:
            first, *rest = found
            more = f"; {len(rest)} more" if rest else ""
            message = f"the program is not valid after it: {first.message}{more}"
            raise ProgramError(message, hint=first.hint, subject=first.subject)

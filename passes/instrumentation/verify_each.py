"""The instrumentation that verifies the program after each pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.errors import ProgramError
from .base import Instrumentation

if TYPE_CHECKING:
    from ..base import Outcome
    from ..runs import PassRun


class VerifyEach(Instrumentation):
    """Verifies the program after each pass that changed it, and names the pass that broke it."""

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Raises when the program is not well formed any more."""
        from ...ir.verifier import verify

        found = verify(run.program) if outcome.changed else []
        if found:
            more = f"; {len(found) - 1} more" if len(found) > 1 else ""
            raise ProgramError(f"the program is not valid after it: {found[0]}{more}", subject=found[0].subject)

"""The instrumentation that does not believe what passes say about themselves; for their authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.errors import ProgramError, Subject
from ..analyses import AnalysisManager
from .base import Instrumentation

if TYPE_CHECKING:
    from ..base import Outcome
    from ..runs import PassRun

_Fingerprints = list[tuple[Subject, bytes]]


class VerifyClaims(Instrumentation):
    """Fails passes that say that they changed nothing and did, or that they preserved an analysis and did not.

    Every op is hashed before and after each pass, and every analysis that shall still hold is computed anew: slow.
    """

    def __init__(self) -> None:
        self._before: list[_Fingerprints] = []

    def before_pass(self, run: PassRun) -> None:
        """Hashes the program."""
        from ...ir.structure import fingerprints

        self._before.append([*fingerprints(run.program)])

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Forgets it."""
        self._before.pop()

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        """Raises when the pass did not tell the truth."""
        before = self._before.pop()
        if not outcome.changed:
            _require_same(before, run)
        for result in run.analyses.results():
            kind = type(result)
            if outcome.changed and kind not in outcome.preserved:
                continue
            if kind.run(run.program, AnalysisManager(run.program)) != result:
                hint = "take it out of what its outcome preserves"
                raise ProgramError(f"it says that {kind.__name__} still holds, but it does not", hint=hint)


def _require_same(before: _Fingerprints, run: PassRun) -> None:
    from ...ir.structure import fingerprints, first_change

    after = [*fingerprints(run.program)]
    if before == after:
        return
    words = "it says that it changed nothing, but this is not as it was"
    raise ProgramError(words, hint="return Outcome(changed=True)", subject=first_change(before, after))

"""What is counted in one run of a pass."""

from __future__ import annotations

from collections import Counter

import attrs

MEASURED = {
    "ops-before": "ops before the pass, constants included",
    "ops-after": "ops after it",
    "rewrites": "rewrites that it did",
}
"""What is counted for every pass, coremltools' own too."""

_OF_A_PATTERN = "rewrites by the pattern of this name"


@attrs.define(eq=False)
class PassCounts:
    """What was counted in one run of a pass.

    Attributes:
        path: where the pass stands.
        name: the pass with its options.
        helps: a line on each statistic, by name, in the order in which they are shown.
        counts: by the same names; one that is not there is 0.
        changed: whether the pass changed anything; None if it failed.
        program: which program of those that were seen, counted from 0.
    """

    path: str
    name: str
    helps: dict[str, str]
    counts: Counter[str] = attrs.Factory(Counter)
    changed: bool | None = None
    program: int = 0

    def add(self, counts: Counter[str]) -> None:
        """Takes what the pass counted itself; patterns need no declaration."""
        self.counts.update(counts)
        self.helps |= {name: _OF_A_PATTERN for name in counts if name not in self.helps}

"""A rule: a predicate, and everything about it that is a fact rather than code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from ..refusal import Refusal
from .records import LEVELS, Conditions, Level, Verdict
from .schemes import Scheme

Said = str | Refusal | None
Says = Callable[[Any, Scheme, Conditions], Said]
"""Whether a rule holds for a case: the reason in words or as a plan gives it, or None when it does not hold."""


@attrs.frozen(kw_only=True)
class Rule:
    """One rule.

    Attributes:
        code: a short fixed word for machines, and for the legend.
        level: of the verdict where it holds.
        schemes: the names of those that it is about.
        says: see `Says`; first a `WeightCase` or an `OpCase`, depending on the schemes.
        what: when it holds, for the documentation.
        source: where it comes from.
        reliability: of the source: A, B or C; a minus sign for a known contradiction.
        suggestion: what would change it.
    """

    code: str
    level: Level
    schemes: tuple[str, ...]
    says: Says
    what: str
    source: str
    reliability: str
    suggestion: str | None = None

    def verdict(self, case: Any, scheme: Scheme, conditions: Conditions) -> Verdict | None:
        """What it says of a case; None when it does not hold."""
        said = self.says(case, scheme, conditions) if scheme.name in self.schemes else None
        if said is None:
            return None
        reason, advice = (said, None) if isinstance(said, str) else (said.message, said.suggestion)
        return Verdict(self.level, self.code, reason, advice or self.suggestion, self.source, self.reliability)


def judge(rules: Iterable[Rule], case: Any, scheme: Scheme, conditions: Conditions) -> Verdict:
    """The verdict of the first rule that holds; the last rule of a table holds always."""
    verdicts = (rule.verdict(case, scheme, conditions) for rule in rules)
    return next(verdict for verdict in verdicts if verdict is not None)


def severity(level: Level) -> int:
    """0 for the best level, 3 for the one where there is nothing to do."""
    return LEVELS.index(level)

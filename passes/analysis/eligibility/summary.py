"""Verdicts in numbers: how many ops and how many bytes of weights each scheme fits, and which rules decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from .records import LEVELS, Level, OpEligibility, Verdict, WeightEligibility
from .schemes import SCHEMES


@attrs.frozen
class SchemeSummary:
    """What a scheme means for a program.

    Attributes:
        scheme: its name.
        ops: how many ops have a verdict of each level.
        weight_bytes: of the weights that are eligible, each counted once for each function.
        bytes_after: that they would take.
    """

    scheme: str
    ops: Mapping[Level, int]
    weight_bytes: int
    bytes_after: int

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return attrs.asdict(self)


@attrs.frozen
class Reason:
    """A rule that decided somewhere.

    Attributes:
        verdict: the first that it gave.
        op: the op that this is about.
        count: how many ops it decided about, in any scheme.
    """

    verdict: Verdict
    op: str
    count: int

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"op": self.op, "ops": self.count, **self.verdict.as_json()}


def summarize(found: Iterable[OpEligibility]) -> tuple[SchemeSummary, ...]:
    """A summary of each of `SCHEMES`."""
    ops = tuple(found)
    weights = {(op.function, weight.name): weight for op in ops for weight in op.weights}
    return tuple(_summary(scheme.name, ops, weights.values()) for scheme in SCHEMES)


def _summary(scheme: str, ops: tuple[OpEligibility, ...], weights: Iterable[WeightEligibility]) -> SchemeSummary:
    counts = Counter(op.verdicts[scheme].level for op in ops)
    fitting = [weight for weight in weights if scheme in weight.verdicts and weight.verdicts[scheme].eligible]
    return SchemeSummary(
        scheme=scheme,
        ops={level: counts[level] for level in LEVELS},
        weight_bytes=sum(weight.bytes for weight in fitting),
        bytes_after=sum(weight.bytes_after[scheme] for weight in fitting),
    )


def reasons(found: Iterable[OpEligibility]) -> tuple[Reason, ...]:
    """The rules that decided, the most frequent first; not those that say that there is nothing to do or to know."""
    first: dict[tuple[str, str], tuple[Verdict, str]] = {}
    ops: dict[tuple[str, str], set[int]] = {}
    for index, op in enumerate(found):
        for verdict in op.verdicts.values():
            if verdict.level != "not-applicable" and verdict.code != "fits":
                key = (verdict.code, verdict.source)
                first.setdefault(key, (verdict, op.op))
                ops.setdefault(key, set()).add(index)
    ordered = sorted(first, key=lambda key: (-len(ops[key]), key))
    return tuple(Reason(*first[key], len(ops[key])) for key in ordered)

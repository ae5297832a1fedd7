"""What `insert-quantize-dequantize` would leave alone: asked of its plan, so that both say the same."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any

import attrs

from ..activations.choices import Choices
from ..activations.evidence import Evidence, Witness
from ..activations.groups import Groups
from ..calibration.tensor_statistics import Range
from ..refusal import Refusal
from .cases import OpCase

if TYPE_CHECKING:
    from ..calibration.statistics import CalibrationStatistics


@attrs.frozen(eq=False)
class _Trusting(Witness):
    """Takes what only statistics could tell for known: there are none to ask."""

    def evidence(self, value: Any) -> Evidence | Refusal:
        """As its base, but for the lack of statistics."""
        found = super().evidence(value)
        if isinstance(found, Refusal) and found.code == "no-statistics":
            return Evidence(value, "assumed", known=Range(0.0, 0.0))
        return found


def with_refusals(
    cases: Iterable[OpCase], functions: dict[str, Any], statistics: CalibrationStatistics | None
) -> list[OpCase]:
    """The cases with what the plan says of them.

    Args:
        cases: of a program, those of a function together.
        functions: its PyMIL functions, by name.
        statistics: of a calibration of it; without them, what is not measured is no refusal.
    """
    witness = _Trusting if statistics is None else Witness
    found: list[OpCase] = []
    for name, group in groupby(cases, lambda case: case.place.function):
        members = list(group)
        sites = [case.site for case in members if case.site is not None]
        groups = Groups(functions[name], sites, witness(name, statistics, Choices()))
        found += (_with_refusal(case, groups) for case in members)
    return found


def _with_refusal(case: OpCase, groups: Groups) -> OpCase:
    return case if case.site is None else attrs.evolve(case, refusal=groups.refusal(case.site))

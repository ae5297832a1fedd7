"""The analysis `Eligibility`: what quantization could do to each op, to be judged under any conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import attrs

from ....ir.value_types import value_of
from ...analyses import Analysis, AnalysisManager
from ..weight_inventory import WeightInventory
from .activation_rules import ACTIVATION_RULES
from .cases import OpCase, WeightCase, cases_of
from .planned_activations import with_refusals
from .records import Conditions, OpEligibility, Verdict, WeightEligibility
from .rule import judge, severity
from .schemes import SCHEMES, Scheme
from .weight_rules import NO_WEIGHT, WEIGHT_RULES
from .weight_sizes import bytes_after


@attrs.frozen
class Eligibility(Analysis):
    """What the rules look at, of every op of a program.

    Analyses are cached by their class and know no options. This one holds what is true of the program whatever it
    shall run on, and `under` judges it by a target, a unit and a chip, which costs little.
    """

    cases: tuple[OpCase, ...]
    functions: dict[str, Any] = attrs.field(eq=False, repr=False)

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Self:
        """Walks the program, and reads its weights once, for infinities and NaN."""
        return cls(tuple(cases_of(program, analyses.get(WeightInventory).constants)), dict(program.functions))

    def under(self, conditions: Conditions) -> tuple[OpEligibility, ...]:
        """The verdicts on every op, in the order of the program."""
        cases = with_refusals(self.cases, self.functions, conditions.statistics)
        return tuple(_judged(case, conditions) for case in cases)


def _judged(case: OpCase, conditions: Conditions) -> OpEligibility:
    weights = tuple(_judged_weight(weight, conditions) for weight in case.weights)
    return OpEligibility(
        function=case.place.function,
        op=case.op.name,
        op_type=case.op.op_type,
        blocks=case.place.blocks,
        verdicts={scheme.name: _verdict(case, weights, scheme, conditions) for scheme in SCHEMES},
        weights=weights,
    )


def _verdict(case: OpCase, weights: Iterable[WeightEligibility], scheme: Scheme, conditions: Conditions) -> Verdict:
    if scheme.kind == "activation":
        return judge(ACTIVATION_RULES, case, scheme, conditions)
    verdicts = [weight.verdicts[scheme.name] for weight in weights] or [judge(NO_WEIGHT, case, scheme, conditions)]
    return min(verdicts, key=lambda verdict: severity(verdict.level))


def _judged_weight(case: WeightCase, conditions: Conditions) -> WeightEligibility:
    schemes = [scheme for scheme in SCHEMES if scheme.kind == "weight"]
    verdicts = {scheme.name: judge(WEIGHT_RULES, case, scheme, conditions) for scheme in schemes}
    constant = case.constant
    return WeightEligibility(
        name=case.value.name if constant is None else constant.op.name,
        parameter=case.parameter,
        shape=value_of(case.value).shape or (),
        bytes=0 if constant is None else constant.value.nbytes,
        verdicts=verdicts,
        bytes_after=_sizes(case, schemes, verdicts, conditions),
    )


def _sizes(
    case: WeightCase, schemes: Iterable[Scheme], verdicts: Mapping[str, Verdict], conditions: Conditions
) -> dict[str, int]:
    encodable = (scheme for scheme in schemes if verdicts[scheme.name].encodable)
    return {scheme.name: bytes_after(case, scheme, conditions.target) for scheme in encodable}

"""The rules about weights: a program for which each decides, and one that differs in what it is about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15
from milopt.passes.analysis.eligibility.records import LEVELS
from milopt.passes.analysis.eligibility.schemes import WEIGHT_SCHEMES
from milopt.passes.analysis.eligibility.weight_rules import NO_WEIGHT, WEIGHT_RULES
from support.eligible import CONV, LINEAR, MATMUL, Asked, dequantized, linear_of, of_one
from support.program_registry import integers, weights


def with_infinity() -> np.ndarray:
    array = weights(64, 64)
    array[3, 4] = np.inf
    return array


def times_constant(x: Any) -> Any:
    return mb.matmul(x=x, y=weights(64, 40), name="y")


def unused(x: Any) -> Any:
    mb.const(val=weights(64, 64), name="w")
    return mb.relu(x=x, name="y")


def returned(x: Any) -> Any:
    weight = mb.const(val=weights(64, 64), name="w")
    return mb.linear(x=x, weight=weight, name="y"), weight


def added(x: Any) -> Any:
    return mb.add(x=x, y=mb.const(val=weights(64, 64), name="w"), name="y")


def conflicting(x: Any) -> Any:
    weight = mb.const(val=weights(64, 64), name="w")
    return mb.matmul(x=mb.linear(x=x, weight=weight, name="y"), y=weight, name="z")


def decoded(x: Any) -> Any:
    weight = mb.constexpr_affine_dequantize(
        quantized_data=integers("int8", 64, 64), zero_point=np.int8(0), axis=0, scale=np.float16(0.1), name="w"
    )
    return mb.linear(x=x, weight=weight, name="y")


def computed(x: Any) -> Any:
    return mb.conv(x=x, weight=mb.relu(x=mb.const(val=weights(20, 12, 3, 3)), name="w"), name="y")


def gathered(x: Any) -> Any:
    rows = mb.gather(x=weights(100, 32), indices=np.array([1, 2], np.int32), axis=0, name="y")
    return mb.add(x=x, y=rows)


def masked(x: Any) -> Any:
    return mb.select(cond=weights(60, 4) > 0, a=x, b=np.float16(0), name="y")


FIT = Asked(LINEAR)
OLD = linear_of(weights(64, 64), IOS15)
THIN = linear_of(weights(4000, 1))
CASES = {
    ("activation", "w-int8"): (Asked(MATMUL), Asked(of_one(times_constant, 10, 64)), "fits"),
    ("unused", "w-int8"): (Asked(of_one(unused, 10, 64), name="w"), FIT, "fits"),
    ("not-float", "w-int8"): (Asked(of_one(masked, 60, 4)), FIT, "fits"),
    ("rank", "w-int8"): (Asked(of_one(lambda x: mb.add(x=x, y=weights(40), name="y"), 10, 40)), FIT, "fits"),
    ("compressed", "w-int8"): (Asked(of_one(decoded, 10, 64)), FIT, "fits"),
    ("already-quantized", "w-int8"): (
        Asked(of_one(lambda x: mb.matmul(x=x, y=dequantized(64, 64), name="y"), 10, 64)), Asked(MATMUL), "activation"),
    ("computed", "w-int8"): (Asked(of_one(computed, 1, 12, 9, 9)), Asked(CONV), "fits"),
    ("output", "w-int8"): (Asked(of_one(returned, 10, 64)), FIT, "fits"),
    ("not-a-weight", "w-int8"): (Asked(of_one(added, 64, 64)), FIT, "fits"),
    ("axis-conflict", "w-int8"): (Asked(of_one(conflicting, 10, 64)), FIT, "fits"),
    ("non-finite", "w-int8"): (Asked(linear_of(with_infinity())), FIT, "fits"),
    ("target", "w-int8"): (Asked(OLD, "iOS15"), Asked(OLD, "iOS16"), "ct2114"),
    ("target", "w-int4"): (Asked(LINEAR, "iOS17"), Asked(LINEAR, "iOS18"), "accuracy"),
    ("block-size", "w-per-block"): (Asked(linear_of(weights(64, 40))), Asked(LINEAR), "kgroup"),
    ("small", "w-int8"): (Asked(linear_of(weights(32, 64))), Asked(linear_of(weights(33, 64))), "fits"),
    ("no-gain", "w-int8"): (Asked(THIN), Asked(linear_of(weights(1000, 4))), "fits"),
    ("no-gain", "w-int4"): (Asked(THIN), Asked(linear_of(weights(2000, 2))), "accuracy"),
    ("kgroup", "w-per-block"): (Asked(LINEAR), Asked(LINEAR, unit="gpu"), "fits"),
    ("ct2114", "w-int8"): (Asked(LINEAR, "iOS17"), Asked(LINEAR, "iOS18"), "fits"),
    ("fluid828", "w-int8"): (
        Asked(LINEAR, "iOS17", "ne", "A16"), Asked(LINEAR, "iOS18", "ne", "A16"), "fits"),
    ("fluid739", "w-int8"): (Asked(LINEAR, chip="m1"), Asked(LINEAR, chip="m2"), "fits"),
    ("gpuint8", "w-int8"): (Asked(LINEAR, unit="gpu"), Asked(LINEAR, unit="cpu"), "fits"),
    ("not-on-engine", "w-int8"): (
        Asked(of_one(gathered, 2, 32), unit="ne"), Asked(of_one(gathered, 2, 32)), "fits"),
    ("expanded", "w-int8"): (Asked(LINEAR, "iOS16", "cpu"), Asked(LINEAR, "iOS17", "cpu"), "fits"),
    ("untried", "w-int4"): (Asked(LINEAR, chip="M4"), Asked(LINEAR, chip="M5 Pro"), "accuracy"),
    ("accuracy", "w-int4"): (Asked(LINEAR), Asked(LINEAR, "iOS17"), "target"),
    ("fits", "w-int8"): (FIT, Asked(LINEAR, "iOS17"), "ct2114"),
    ("no-weight", "w-int8"): (Asked(of_one(lambda x: mb.relu(x=x, name="y"), 10, 40)), FIT, "fits"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "scheme"), CASES)
def test_rule_decides_where_it_holds_and_only_there(code: str, scheme: str) -> None:
    holds, holds_not, instead = CASES[code, scheme]
    verdict = holds.verdict(scheme)
    rule = next(rule for rule in (*WEIGHT_RULES, *NO_WEIGHT) if rule.code == code and scheme in rule.schemes)
    assert (verdict.code, verdict.level, verdict.source) == (code, rule.level, rule.source)
    assert verdict.reason
    assert holds_not.verdict(scheme).code == instead != code


def test_every_rule_has_a_case() -> None:
    tested = {(code, scheme) for code, scheme in CASES}
    for rule in (*WEIGHT_RULES, *NO_WEIGHT):
        assert any((rule.code, scheme) in tested for scheme in rule.schemes), rule.code


def test_worse_levels_come_first_and_the_last_rule_holds_always() -> None:
    levels = [LEVELS.index(rule.level) for rule in WEIGHT_RULES]
    assert levels == sorted(levels, reverse=True)
    assert WEIGHT_RULES[-1].schemes == WEIGHT_SCHEMES
    assert (WEIGHT_RULES[-1].code, WEIGHT_RULES[-1].what) == ("fits", "always")

"""What the patterns of `canonicalize` stand on: facts about numbers, tried for all numbers that there are."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milopt import PassManager, parse_pipeline
from milopt.ir.copying import copy_program
from milopt.ir.errors import OptionError
from milopt.ir.pymil import mb
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.targets import IOS17
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from milopt.passes.canonicalization.casts import HOLD
from milopt.passes.canonicalization.families import FAMILIES, RULES, patterns
from milopt.passes.canonicalization.schemes import Scheme
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.statistics import Statistics
from milopt.passes.transforms.canonicalize import Canonicalize
from support.grounding import assert_same_outputs, assert_same_results
from support.program_registry import Input, build_program

GOLDEN = Path(__file__).parents[1] / "golden" / "canonicalize"
# All fp16 numbers but NaN, and all that scales can be.
NUMBERS = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
NUMBERS = NUMBERS[~np.isnan(NUMBERS)]
POSITIVE = NUMBERS[np.isfinite(NUMBERS) & (NUMBERS > 0)]
# The normal number next to the smallest one.
ABOVE_SMALLEST = 2.0**-14 + 2.0**-24
# Scales that are least, nearly least, odd, and as great as codes allow.
SCALES = (2.0**-14, ABOVE_SMALLEST, 2.0**-13, 2 * ABOVE_SMALLEST, 0.000244, 0.3, 1.0, 7.996, 256.0, 511.5)
FACTORS = (2.0**-12, 2.0**-4, 0.5, 2.0, 64.0, 4096.0)


def quantized_product(scale: float, factor: float) -> Any:
    def body(x: Any) -> Any:
        return mb.quantize(input=mb.mul(x=x, y=np.float16(factor)), scale=np.float16(scale), output_dtype="int8")

    return build_program(body, IOS17, x=Input((len(NUMBERS),)))


def dequantized_product(scale: float, factor: float) -> Any:
    def body(q: Any) -> Any:
        return mb.mul(x=mb.dequantize(input=q, scale=np.float16(scale)), y=np.float16(factor))

    return build_program(body, IOS17, q=Input((256,), "int8"))


# --- quantizing again


def test_two_roundings_bring_every_step_back() -> None:
    steps = np.arange(1, 256, dtype=np.float32)
    for scales in np.array_split(POSITIVE.astype(np.float32)[:, None], 16):
        exact = scales * steps
        with np.errstate(over="ignore"):
            numbers = exact.astype(np.float16).astype(np.float32)
        back = np.rint((numbers / scales).astype(np.float16))
        assert np.all((back == steps) | (exact > np.finfo(np.float16).max))


@pytest.mark.parametrize(("zero_point", "greatest"), [(0, 511.75), (-128, 256.75), (127, 256.75)])
def test_lossless_schemes_reach_to_the_greatest_number(zero_point: int, greatest: float) -> None:
    def scheme(scale: np.float16) -> Scheme:
        return Scheme(np.asarray(scale), np.asarray(zero_point, np.int32), None, "int8")

    assert scheme(np.float16(greatest)).is_lossless
    assert not scheme(np.nextafter(np.float16(greatest), np.float16(np.inf))).is_lossless
    assert not scheme(np.float16(0)).is_lossless
    assert not scheme(np.float16(-1)).is_lossless
    assert not scheme(np.float16(np.nan)).is_lossless


# --- powers of two


@pytest.mark.parametrize("scale", SCALES)
def test_codes_of_all_numbers_stay(scale: float) -> None:
    for factor in FACTORS:
        program = quantized_product(scale, factor)
        after = copy_program(program)
        if rewrite(after, patterns(["scales"])).changed:
            assert_same_outputs(program, after, {"x": NUMBERS})


@pytest.mark.parametrize("scale", SCALES)
def test_numbers_of_all_codes_stay(scale: float) -> None:
    codes = np.arange(-128, 128).astype(np.int8)
    for factor in FACTORS:
        program = dequantized_product(scale, factor)
        after = copy_program(program)
        if rewrite(after, patterns(["scales"])).changed:
            assert_same_outputs(program, after, {"q": codes})


def test_powers_of_two_are_mostly_taken() -> None:
    taken = Counter(
        kind.__name__
        for kind, scale, factor in product((quantized_product, dequantized_product), SCALES, FACTORS)
        if rewrite(kind(scale, factor), patterns(["scales"])).changed
    )
    assert taken["quantized_product"] > 15
    assert taken["dequantized_product"] > 20


def test_borders_among_subnormal_numbers_are_a_reason() -> None:
    """What is refused for them would give other codes."""
    scale, factor = np.float16(2.0**-14), np.float16(2.0**-4)
    before = Scheme(np.asarray(scale), np.asarray(0), None, "int8")
    codes = before.encoded((NUMBERS * factor).astype(np.float16), "float16")
    assert np.any(codes != before.scaled(1 / float(factor)).encoded(NUMBERS, "float16"))
    assert not rewrite(quantized_product(float(scale), float(factor)), patterns(["scales"])).changed


# --- casts


def samples(name: str) -> np.ndarray:
    """All values of a type if they are few, and the awkward ones of others."""
    if name == "bool":
        return np.array([False, True])
    if name == "fp16":
        return NUMBERS
    if name == "fp32":
        return np.array([1 / 3, 2**24 + 2, 3e38, 1e-45, -0.0, np.inf, 70000], np.float32)
    limits = np.iinfo(name)
    if limits.bits <= 16:
        return np.arange(limits.min, limits.max + 1).astype(name)
    return np.array([limits.min, -(2**24) - 1, 2**24 + 1, limits.max, 2049, -1], name)


NUMPY = {"fp16": "float16", "fp32": "float32"}


@pytest.mark.parametrize("name", HOLD)
def test_types_hold_what_they_are_said_to(name: str) -> None:
    """Every value comes back from each type that holds it, and some value does not from each that does not."""
    values = samples(name)
    for other in HOLD:
        with np.errstate(all="ignore"):
            there = values.astype(NUMPY.get(other, other))
            back = there.astype(values.dtype)
        kept = np.array_equal(back, values) and np.array_equal(there.astype(np.float64), values.astype(np.float64))
        assert (other in HOLD[name]) == kept, other


# --- families and options


@pytest.mark.parametrize("exact", [True, False])
def test_names_are_unique_and_rules_are_told(exact: bool) -> None:  # noqa: FBT001
    chosen = patterns(exact=exact)
    assert len({each.name for each in chosen}) == len(chosen)
    assert all(each.rule for each in chosen)


def test_exact_patterns_are_among_all() -> None:
    assert {each.name for each in patterns()} == set(RULES) - {"add-zero"}


def test_families_are_chosen_and_patterns_left_out() -> None:
    names = [each.name for each in patterns(["casts", "constants"], without=["merge-casts"])]
    assert names == ["cast-to-itself", "fold-quantize", "fold-dequantize"]
    assert sum(len(patterns([family])) for family in FAMILIES) == len(patterns())
    with pytest.raises(OptionError, match="there is no pattern 'nothing'"):
        Canonicalize(without=("nothing",))


def test_every_pattern_has_a_golden_program() -> None:
    counts: Counter[str] = Counter()
    for path in GOLDEN.glob("*.mil"):
        for section in Source(path.read_text("utf-8"), path.name).sections():
            family = [path.stem] if path.stem in FAMILIES else FAMILIES
            counts.update(rewrite(parse_program(section), patterns(family, exact=False)).counts)
            counts.update(rewrite(parse_program(section), patterns(["movement"])).counts)
    assert set(counts) == set(RULES)


def test_a_long_chain_takes_one_rewrite_for_each_op() -> None:
    def body(q: Any) -> Any:
        for perm in ([1, 0], [0, 1]) * 20:
            numbers = mb.dequantize(input=mb.transpose(x=q, perm=perm), scale=np.float32(0.3))
            q = mb.quantize(input=numbers, scale=np.float32(0.3), output_dtype="int8")
        return mb.dequantize(input=q, scale=np.float32(0.3))

    program = build_program(body, IOS17, q=Input((10, 20), "int8"))
    after = copy_program(program)
    counts = rewrite(after, patterns()).counts
    assert counts.pop("cancel-requantize") == 40
    assert sum(counts.values()) <= 40
    assert [each.op_type for each in after.functions["main"].operations if each.op_type != "const"] == ["dequantize"]
    assert_same_results(program, after)


def test_the_pass_says_what_it_counted_and_refused() -> None:
    section = Source((GOLDEN / "scales_negative.mil").read_text("utf-8"), "negative").sections()[0]
    result = PassManager(parse_pipeline("program(function(canonicalize))")).run(parse_program(section))
    assert not result.changed
    assert [(remark.kind, remark.code, remark.op) for remark in result.remarks] == [("missed", "rounds", "y")]
    loose = PassManager(parse_pipeline("program(function(canonicalize{exact=false}))")).run(parse_program(section))
    assert loose.changed
    (passed,) = loose.remarks
    assert (passed.kind, passed.code, passed.op, passed.op_type) == ("passed", "scale-dequantize", "y", "mul")
    loosely = patterns(["scales"], exact=False)
    assert passed.message == next(each.rule for each in loosely if each.name == "scale-dequantize")


def test_each_rewrite_is_a_remark() -> None:
    (section, *_) = Source((GOLDEN / "pipeline.mil").read_text("utf-8"), "pipeline").sections()
    counted = Statistics()
    result = PassManager(parse_pipeline("program(function(canonicalize))"), (counted,)).run(parse_program(section))
    said = Counter(remark.code for remark in result.remarks if remark.kind == "passed")
    (found,) = counted.passes
    assert said.total() == found.counts["rewrites"] > 1
    assert said == {name: found.counts[name] for name in said}


def test_a_rewrite_that_was_refused_is_no_remark() -> None:
    (section, *_) = Source((GOLDEN / "pipeline.mil").read_text("utf-8"), "pipeline").sections()
    pipeline = parse_pipeline("program(function(canonicalize))")
    result = PassManager(pipeline, (RewriteLimit(1),)).run(parse_program(section))
    assert [remark.kind for remark in result.remarks].count("passed") == 1


@pytest.mark.parametrize("exact", [True, False])
def test_names_of_patterns_are_unique(*, exact: bool) -> None:
    names = [pattern.name for pattern in patterns(exact=exact)]
    assert len({*names}) == len(names)

"""Random programs through random choices of our patterns, in random orders: they stay valid and compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from milopt import PassManager
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.pymil import mb
from milopt.ir.rewriting.driver import rewrite
from milopt.ir.targets import IOS17
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.verifier import verify
from milopt.passes.canonicalization.families import FAMILIES, patterns
from milopt.passes.pipeline import program_pipeline
from milopt.pipelines.canonical_form import CanonicalForm
from support.generated_quantized import quantized_programs
from support.grounding import Bound, assert_same_results
from support.program_registry import Input, build_program

quick = settings(
    deadline=None, database=None, derandomize=True, max_examples=80, suppress_health_check=[HealthCheck.too_slow]
)
brief = settings(quick, max_examples=40)
EXACT = patterns()
# Normal numbers whose products with factors below, and with all codes, are normal fp16 numbers too.
scales = st.floats(2.0**-10, 16.0, width=16)
factors = st.floats(2.0**-3, 8.0, width=16)


@st.composite
def choices(draw: Any) -> list[Any]:
    """Patterns in some order, often all of them."""
    ordered: list[Any] = draw(st.permutations(EXACT))
    return ordered if draw(st.booleans()) else ordered[: draw(st.integers(1, len(ordered)))]


def check_program_comes_back(program: Any) -> None:
    text = print_program(program, weights="inline")
    assert first_difference(parse_program(text), program) is None, text


def check_results(program: Any, chosen: list[Any], seed: int) -> None:
    after = copy_program(program)
    if rewrite(after, chosen).changed:
        assert not verify(after)
        check_program_comes_back(after)
        assert_same_results(program, after, seed=seed)
    else:
        assert first_difference(program, after) is None


@quick
@given(quantized_programs(), choices(), st.integers(0, 1000))
def test_programs_compute_the_same(program: Any, chosen: list[Any], seed: int) -> None:
    check_results(program, chosen, seed)


@pytest.mark.heavy
@settings(quick, max_examples=2000, derandomize=False)
@given(quantized_programs(), choices(), st.integers(0, 1000))
def test_many_programs_compute_the_same(program: Any, chosen: list[Any], seed: int) -> None:
    check_results(program, chosen, seed)


@brief
@given(quantized_programs(), choices())
def test_nothing_is_left_to_do(program: Any, chosen: list[Any]) -> None:
    rewrite(program, chosen)
    assert not rewrite(program, chosen).changed


@brief
@given(quantized_programs(), st.lists(st.sampled_from(FAMILIES), max_size=3, unique=True))
def test_families_can_follow_each_other(program: Any, families: list[str]) -> None:
    after = copy_program(program)
    for family in families:
        rewrite(after, patterns([family]))
    assert not verify(after)
    assert_same_results(program, after)


@settings(quick, max_examples=15)
@given(quantized_programs())
def test_coremltools_passes_between_ours_change_nothing(program: Any) -> None:
    after = PassManager(program_pipeline(CanonicalForm())).run(program).program
    assert_same_results(program, after)


def all_codes(scale: float, factor: float, *, divides: bool) -> Any:
    """A program that dequantizes each code, and multiplies or divides by a number."""

    def body(q: Any) -> Any:
        numbers = mb.dequantize(input=q, scale=np.float16(scale), zero_point=np.int8(-128))
        return (mb.real_div if divides else mb.mul)(x=numbers, y=np.float16(factor))

    return build_program(body, IOS17, q=Input((16, 16), "int8"))


@brief
@given(scales, factors, st.booleans())
def test_numbers_stay_within_the_bound(scale: float, factor: float, divides: bool) -> None:  # noqa: FBT001
    program = all_codes(scale, factor, divides=divides)
    after = copy_program(program)
    assert rewrite(after, patterns(["scales"], exact=False)).counts == {"scale-dequantize": 1}
    assert_same_results(program, after, bound=Bound(relative=2.0**-9))


@brief
@given(scales, factors, st.booleans())
def test_codes_stay_within_the_bound(scale: float, factor: float, divides: bool) -> None:  # noqa: FBT001
    def body(x: Any) -> Any:
        product = (mb.real_div if divides else mb.mul)(x=x, y=np.float16(factor))
        return mb.quantize(input=product, scale=np.float16(scale), output_dtype="uint8")

    program = build_program(body, IOS17, x=Input((50, 40)))
    after = copy_program(program)
    assert rewrite(after, patterns(["scales"], exact=False)).counts == {"scale-quantize": 1}
    assert_same_results(program, after, bound=Bound(steps=1))

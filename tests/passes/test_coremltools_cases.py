"""What the passes of coremltools' default pipeline do, each to programs that it is made for: verified, and run."""

from __future__ import annotations

import re
from typing import Any

import coremltools as ct
import pytest
from milopt.ir.errors import CheckFailure, MiloptError, PassFailure, RunError
from milopt.ir.structure import structural_hash
from milopt.ir.verifier import verify
from milopt.passes.foreign.passes import coremltools_pass
from milopt.passes.instrumentation.numeric_check import NumericCheck
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager, RunResult
from milopt.passes.pipeline import program_pipeline
from support.coremltools_cases.all_cases import CASES, PassCase
from support.source_tree import ROOT

DEFAULT = set(ct.PassPipeline.DEFAULT.passes)
LEAST_DB = 40
# Passes that no case brings to act, and why.
WITHOUT_CASE = {
    "common::canonicalize_quantized_lut_pattern": "acts on a built program (test_coremltools_default_pipeline)",
    "common::dedup_op_and_var_names": "acts on programs with names twice, which are not valid to begin with",
    "common::image_input_preprocess": "acts on image inputs with the channels last, which only converters have",
    "common::lower_complex_dialect_ops": "acts on ops that only converters have",
    "common::sanitize_input_output_names": "acts on names that no program of a package has",
    "common::update_output_dtypes": "acts on types of outputs that users of converters ask for",
}


def run(case: PassCase, program: Any) -> RunResult:
    around = (VerifyEach(), NumericCheck(case.samples(), min_sqnr=LEAST_DB))
    return PassManager(program_pipeline(coremltools_pass(case.pass_id, {})), around).run(program)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.fails])
def test_pass_keeps_what_the_program_computes(name: str) -> None:
    case, program = CASES[name], CASES[name].program()
    before = structural_hash(program)
    result = run(case, program)
    assert result.changed == case.changes
    assert (structural_hash(result.program) != before) == case.changes
    assert verify(result.program) == []
    assert structural_hash(program) == before


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.fails])
def test_known_failure_is_told_and_leaves_the_program_alone(name: str) -> None:
    case, program = CASES[name], CASES[name].program()
    before = structural_hash(program)
    with pytest.raises(PassFailure) as caught:
        run(case, program)
    assert kind_of(caught.value) == case.fails.kind
    assert str(caught.value).startswith(f"pass '{case.pass_id}'")
    assert len(str(caught.value).splitlines()) == 1
    assert structural_hash(program) == before


def kind_of(failure: PassFailure) -> str:
    """What kind of failure a failed run shows."""
    cause = failure.__cause__
    if isinstance(cause, RunError):
        return "broken program"
    if isinstance(cause, CheckFailure):
        return "wrong shape" if "has the shape" in str(cause) else "wrong numbers"
    assert not isinstance(cause, MiloptError), cause
    return "raises"


def test_every_pass_of_the_default_pipeline_has_a_case() -> None:
    assert {case.pass_id for case in CASES.values()} <= DEFAULT
    assert {case.pass_id for case in CASES.values()} == DEFAULT - set(WITHOUT_CASE)


def test_every_known_failure_is_documented_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "coremltools.md").read_text("utf-8")
    rows = re.findall(r"^\| `(common::\w+)` \| (.+) \| (.+) \| `(\w+)` \|$", text, re.MULTILINE)
    expected = {(case.pass_id, case.fails.words, case.fails.kind, name) for name, case in CASES.items() if case.fails}
    assert len(rows) == len(set(rows))
    assert set(rows) == expected

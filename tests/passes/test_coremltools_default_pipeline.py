"""coremltools' default pipeline over every program and real model: verified, not believed, and run after each pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import coremltools as ct
import milopt
import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.structure import structural_hash
from milopt.passes.foreign.passes import coremltools_pass
from milopt.passes.foreign.pipelines import passes_of
from milopt.passes.instrumentation.numeric_check import NumericCheck, PassFidelity
from milopt.passes.instrumentation.verify_claims import VerifyClaims
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.proving.reference import Random
from support.packages import shared_models
from support.programs import PROGRAMS

LOWERING = "common::add_fp16_cast"
# Decibels. Weights of half precision are rounded where they are folded; measured 65. Lowering costs more; measured 57.
LEAST_DB, LEAST_DB_LOWERED = 60, 40
_LABELS = "it asks for the element type of the list of labels; converters add the classifier only afterwards"
KNOWN_FAILURES = {("classifier_strings", LOWERING): _LABELS, ("classifier_integers", LOWERING): _LABELS}

Builder = Callable[[], Any]
SUBJECTS: dict[str, Builder] = {
    **PROGRAMS,
    **{path.stem: lambda path=path: milopt.load(path).program for path in shared_models()},
}


def run(pipeline: Pipeline, program: Any) -> list[PassFidelity]:
    """Runs a pipeline, and gives what the outputs were after each of its passes; the program must stay as it is."""
    numbers, before = NumericCheck(Random(count=1)), structural_hash(program)
    try:
        PassManager(pipeline, (VerifyEach(), VerifyClaims(), numbers)).run(program)
    finally:
        assert structural_hash(program) == before
    return numbers.measured


def least_db(measured: PassFidelity) -> float:
    return min(each.sqnr_db for each in measured.distances)


def passes_without(name: str) -> list[str]:
    return [each for each in ct.PassPipeline.DEFAULT.passes if (name, each) not in KNOWN_FAILURES]


@pytest.mark.parametrize("name", SUBJECTS)
def test_outputs_survive_the_whole_pipeline(name: str) -> None:
    limit = LEAST_DB
    pipeline = program_pipeline(*(coremltools_pass(each, {}) for each in passes_without(name)))
    for after in run(pipeline, SUBJECTS[name]()):
        limit = LEAST_DB_LOWERED if LOWERING in after.path else limit
        assert least_db(after) >= limit, after


@pytest.mark.parametrize(
    "name", [name if name in PROGRAMS else pytest.param(name, marks=pytest.mark.heavy) for name in SUBJECTS]
)
def test_outputs_survive_each_pass_alone(name: str) -> None:
    program = SUBJECTS[name]()
    for each in dict.fromkeys(passes_without(name)):
        pipeline = program_pipeline(coremltools_pass(each, {}))
        if not PassManager(pipeline, ()).run(program).changed:  # which is true to fact: see the test above
            continue
        for after in run(pipeline, program):
            assert least_db(after) >= (LEAST_DB_LOWERED if each == LOWERING else LEAST_DB), after


@pytest.mark.parametrize(("name", "pass_id"), KNOWN_FAILURES)
def test_known_failures_do_fail(name: str, pass_id: str) -> None:
    program = SUBJECTS[name]()
    with pytest.raises(
        PassFailure, match=f"^pass '{pass_id}', function 'main', op 'classify' .*: failed with ValueError"
    ):
        run(program_pipeline(coremltools_pass(pass_id, {})), program)


@pytest.mark.parametrize("preset", ["cleanup", "default_palettization", "default_sparsification", "backend_mlprogram"])
@pytest.mark.parametrize("name", ["attention", "conv_batch_norm", "linear_ios18", "lstm", "states", "two_functions"])
def test_outputs_survive_other_pipelines(preset: str, name: str) -> None:
    for after in run(program_pipeline(*passes_of(preset)), SUBJECTS[name]()):
        assert least_db(after) >= LEAST_DB, after

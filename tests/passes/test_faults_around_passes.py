"""What goes wrong around passes, or in ways that passes should not: told in one line, blaming who is to blame."""

from __future__ import annotations

import sys
from threading import Thread
from typing import Any

import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import InstrumentationError, PassFailure, PipelineError
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.passes import Note, doing, made, run_passes
from support.programs import PROGRAMS


@pytest.mark.parametrize("returned", [None, True, "changed"])
def test_pass_that_returns_no_outcome(returned: Any) -> None:
    with pytest.raises(PassFailure, match=rf"^pass 'forget': failed with TypeError: it returned {returned!r}, and no"):
        run_passes(PROGRAMS["linear"](), made("Forget", lambda *_: returned))


def test_pass_that_ends_the_interpreter_has_failed() -> None:
    with pytest.raises(PassFailure, match=r"^pass 'leave': failed with SystemExit: 3 \(this is a defect of the pass"):
        run_passes(PROGRAMS["linear"](), doing(lambda _: sys.exit(3), "Leave"))


HOOKS = ["before_pass", "after_pass", "before_pipeline", "after_pipeline", "on_remark", "admits"]


@pytest.mark.parametrize("hook", HOOKS)
def test_fault_of_an_instrumentation_is_told_as_its_own(hook: str) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("not prepared")

    clumsy = type("Clumsy", (Instrumentation,), {hook: fail})()
    words = rf"the instrumentation 'Clumsy' failed in {hook} with ValueError: not prepared \(this is a defect of"
    kind = InstrumentationError if hook.endswith("pipeline") else PassFailure
    with pytest.raises(kind, match=words):
        run_passes(PROGRAMS["linear_chain"](), Note(), QuantizeWeights(min_elements=0), around=(clumsy,))


def test_fault_of_an_instrumentation_hides_no_failure() -> None:
    class Clumsy(Instrumentation):
        def after_failed_pass(self, run: Any, error: BaseException) -> None:  # noqa: ARG002
            raise ValueError("not prepared")

    def fail(_: Any) -> None:
        raise RuntimeError("really")

    with (
        pytest.warns(RuntimeWarning, match="the instrumentation 'Clumsy' failed in after_failed_pass"),
        pytest.raises(PassFailure, match=r"^pass 'fail': failed with RuntimeError: really"),
    ):
        run_passes(PROGRAMS["linear"](), doing(fail, "Fail"), around=(Clumsy(),))


@pytest.mark.parametrize(
    ("pipeline", "around", "words"),
    [
        ("program(quantize-weights)", (), r"takes a Pipeline, not 'program.*\(milopt.parse_pipeline makes one"),
        (program_pipeline(), (VerifyEach,), r"instrumentations are a sequence of Instrumentation, not <class"),
        (program_pipeline(), VerifyEach(), r"instrumentations are a sequence of Instrumentation, not <milopt"),
    ],
)
def test_manager_is_made_of_the_right_things(pipeline: Any, around: Any, words: str) -> None:
    with pytest.raises(PipelineError, match=words):
        PassManager(pipeline, around)


@pytest.mark.parametrize("program", [None, "program(1.3)"])
def test_manager_runs_on_programs(program: Any) -> None:
    with pytest.raises(PipelineError, match=r"runs on a PyMIL program, not on a (NoneType|str)"):
        PassManager(program_pipeline()).run(program)


def test_programs_in_several_threads_do_not_mix() -> None:
    names = ["linear_chain", "cond", "conv_batch_norm", "while_loop"]
    manager = PassManager(program_pipeline(RaiseOpset(target="iOS18"), QuantizeWeights(min_elements=0)))
    wanted = {name: manager.run(PROGRAMS[name]()).program for name in names}
    programs = {name: PROGRAMS[name]() for name in names}
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(5):
            try:
                found = first_difference(manager.run(programs[name]).program, wanted[name])
            except Exception as error:  # noqa: BLE001 - whatever comes is told
                found = repr(error)
            wrong.extend([f"{name}: {found}"] if found else [])

    threads = [Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

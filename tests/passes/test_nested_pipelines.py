"""Pipelines that run inside passes: same instrumentations, same analyses, and an end."""

from __future__ import annotations

from typing import Any

import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.pymil import opset_of
from milopt.ir.targets import IOS18
from milopt.passes.base import UNCHANGED, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.runs import PassRun
from milopt.passes.transforms.fixed_point import FixedPoint
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.editing import find_op
from support.passes import Note, NoteFunctions, OpCount, doing, made, run_passes
from support.programs import PROGRAMS


class Paths(Instrumentation):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def before_pass(self, run: PassRun) -> None:
        self.seen.append(run.path)


def running(pipeline: Pipeline, name: str = "Outer") -> Pass:
    def run(root: Any, context: PassContext) -> Outcome:
        return Outcome(changed=context.run_pipeline(pipeline, root))

    return made(name, run)


def counting_down(start: int) -> Pass:
    """A pass that changes the program so many times, and then no more."""
    left = [start]

    def run(root: Any, _: PassContext) -> Outcome:
        left[0] -= 1
        if left[0] < 0:
            return UNCHANGED
        find_op(root, "relu").outputs[0].name = "relu" + "x" * left[0]
        return Outcome(changed=True)

    return made("CountDown", run)


def test_instrumentations_see_the_passes_inside() -> None:
    paths = Paths()
    inner = program_pipeline(Note(), Pipeline("function", (NoteFunctions(),)))
    run_passes(PROGRAMS["two_functions"](), running(inner), around=(paths,))
    assert paths.seen == [
        "program/outer",
        "program/outer/program/note",
        "program/outer/program/function(encode)/note-functions",
        "program/outer/program/function(decode)/note-functions",
    ]


def test_remarks_of_the_passes_inside_are_kept() -> None:
    result = run_passes(PROGRAMS["linear_chain"](), running(program_pipeline(Note())))
    assert {remark.pass_name for remark in result.remarks} == {"note"}


def test_analyses_are_shared_with_the_passes_inside() -> None:
    found: list[Any] = []

    def ask(_: Any, context: PassContext) -> Outcome:
        found.append(context.analyses.get(OpCount))
        return UNCHANGED

    asking = made("Ask", ask)
    run_passes(PROGRAMS["linear"](), asking, running(program_pipeline(asking)), asking)
    assert found[0] is found[1] is found[2]


def test_pass_inside_that_breaks_the_program_is_named() -> None:
    def repeat_name(program: Any) -> None:
        find_op(program, "relu").outputs[0].name = "second"

    outer = running(program_pipeline(doing(repeat_name, "BreakIt")))
    with pytest.raises(PassFailure, match=r"^pass 'break-it', .*: the program is not valid after it") as caught:
        run_passes(PROGRAMS["linear_chain"](), outer)
    assert caught.value.run.path == "program/outer/program/break-it"


def test_pass_on_a_function_runs_pipelines_on_it_alone() -> None:
    paths = Paths()

    def run(root: Any, context: PassContext) -> Outcome:
        return Outcome(changed=context.run_pipeline(Pipeline("function", (NoteFunctions(),)), root))

    outer = Pipeline("function", (made("Outer", run, anchor="function"),))
    PassManager(program_pipeline(outer), (paths,)).run(PROGRAMS["two_functions"]())
    assert [path for path in paths.seen if path.endswith("note-functions")] == [
        "program/function(encode)/outer/function(encode)/note-functions",
        "program/function(decode)/outer/function(decode)/note-functions",
    ]


def test_pass_on_a_function_runs_no_pipeline_on_the_program() -> None:
    def run(root: Any, context: PassContext) -> Outcome:
        return Outcome(changed=context.run_pipeline(program_pipeline(Note()), root))

    outer = Pipeline("function", (made("Outer", run, anchor="function"),))
    with pytest.raises(PassFailure, match=r"a pass on a function can not run 'program\(note\)'"):
        PassManager(program_pipeline(outer)).run(PROGRAMS["linear"]())


# --- to a fixed point


@pytest.mark.parametrize(("changes", "runs"), [(0, 1), (1, 2), (3, 4)])
def test_pipeline_runs_until_it_changes_nothing(changes: int, runs: int) -> None:
    paths = Paths()
    again = FixedPoint(pipeline=program_pipeline(counting_down(changes)))
    result = run_passes(PROGRAMS["linear_chain"](), again, around=(VerifyEach(), paths))
    assert result.changed == (changes > 0)
    assert sum(path.endswith("count-down") for path in paths.seen) == runs


def test_bound_ends_it() -> None:
    paths = Paths()
    again = FixedPoint(pipeline=program_pipeline(counting_down(100)), max_iterations=3)
    assert run_passes(PROGRAMS["linear_chain"](), again, around=(paths,)).changed
    assert sum(path.endswith("count-down") for path in paths.seen) == 3


def test_bound_is_a_failure_if_that_is_asked_for() -> None:
    again = FixedPoint(pipeline=program_pipeline(counting_down(100)), max_iterations=3, must_converge=True)
    with pytest.raises(PassFailure, match=r"the pipeline still changes the program in run 3 \(raise max-iterations"):
        run_passes(PROGRAMS["linear_chain"](), again)


def test_fixed_point_is_written_as_text() -> None:
    pipeline = parse_pipeline("program(fixed-point{pipeline={program(raise-opset{target=iOS18})} max-iterations=4})")
    assert pipeline.elements == (FixedPoint(pipeline=program_pipeline(RaiseOpset(target="iOS18")), max_iterations=4),)
    assert parse_pipeline(str(pipeline)) == pipeline
    assert opset_of(PassManager(pipeline).run(PROGRAMS["linear_fp32"]()).program) == IOS18


def test_analyses_that_the_pipeline_preserved_stay() -> None:
    found: list[Any] = []

    def ask(_: Any, context: PassContext) -> Outcome:
        found.append(context.analyses.get(OpCount))
        return UNCHANGED

    def rename(root: Any, _: PassContext) -> Outcome:
        if find_op(root, "relu").outputs[0].name == "relu":
            find_op(root, "relu").outputs[0].name = "other"
            return Outcome(changed=True, preserved=frozenset({OpCount}))
        return UNCHANGED

    asking = made("Ask", ask)
    again = FixedPoint(pipeline=program_pipeline(made("Rename", rename)))
    assert run_passes(PROGRAMS["linear_chain"](), asking, again, asking).changed
    assert found[0] is found[1]

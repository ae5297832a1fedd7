"""Instrumentations: told before and after every pass, the last before being the first after."""

from __future__ import annotations

from typing import Any

import pytest
from milopt.ir.errors import PassFailure, TargetError
from milopt.passes.analyses import Analysis
from milopt.passes.base import UNCHANGED, Outcome
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.runs import AnalysisRun, PassRun, PipelineRun
from support.passes import Note, NoteFunctions, doing, made
from support.programs import PROGRAMS


class Recorder(Instrumentation):
    """Writes down everything that it is told."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name, self._events = name, events

    def _say(self, what: str, about: object) -> None:
        self._events.append(f"{self._name}: {what} {about}")

    def before_pipeline(self, run: PipelineRun) -> None:
        self._say("before", run.pipeline)

    def after_pipeline(self, run: PipelineRun, changed: bool) -> None:  # noqa: FBT001
        self._say("after", f"{run.pipeline} {changed}")

    def after_failed_pipeline(self, run: PipelineRun, error: BaseException) -> None:
        self._say("failed", f"{run.pipeline} {type(error).__name__}")

    def before_pass(self, run: PassRun) -> None:
        self._say("before", run.path)

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        self._say("after", f"{run.path} {outcome.changed}")

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        self._say("failed", f"{run.path} {type(error).__name__}")

    def before_analysis(self, run: AnalysisRun) -> None:
        self._say("before", run.analysis.__name__)

    def after_analysis(self, run: AnalysisRun, result: Analysis) -> None:  # noqa: ARG002
        self._say("after", run.analysis.__name__)


def recorded(program: Any, pipeline: Pipeline, *names: str) -> list[str]:
    events: list[str] = []
    manager = PassManager(pipeline, [Recorder(name, events) for name in names or ("i",)])
    try:
        manager.run(program)
    except PassFailure as error:
        events.append(f"raised {error}")
    return events


def test_last_before_is_the_first_after() -> None:
    look = made("Look", lambda *_: UNCHANGED)
    assert recorded(PROGRAMS["linear"](), program_pipeline(look), "a", "b", "c") == [
        "a: before program(look)",
        "b: before program(look)",
        "c: before program(look)",
        "a: before program/look",
        "b: before program/look",
        "c: before program/look",
        "c: after program/look False",
        "b: after program/look False",
        "a: after program/look False",
        "c: after program(look) False",
        "b: after program(look) False",
        "a: after program(look) False",
    ]


def test_path_says_where_a_pass_stands() -> None:
    pipeline = program_pipeline(Note(word="a b"), Pipeline("function", (NoteFunctions(),)))
    before = [
        each
        for each in recorded(PROGRAMS["two_functions"](), pipeline)
        if "before program/" in each and each[-1] != "("
    ]
    assert before == [
        'i: before program/note{word="a b"}',
        "i: before program/function(encode)/note-functions",
        "i: before program/function(decode)/note-functions",
    ]


def test_instrumentation_sees_the_program_that_is_changed() -> None:
    roots: list[tuple[Any, Any]] = []

    class Look(Instrumentation):
        def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
            roots.append((run.root, run.program))

    pipeline = program_pipeline(Note(), Pipeline("function", (NoteFunctions(),)))
    program = PassManager(pipeline, [Look()]).run(PROGRAMS["linear"]()).program
    assert roots == [(program, program), (program.functions["main"], program)]


def failing(_: Any) -> None:
    raise RuntimeError


def test_failed_pass_is_told_in_reverse_and_ends_the_run() -> None:
    pipeline = program_pipeline(doing(failing, "Fail"), Note())
    assert recorded(PROGRAMS["linear"](), pipeline, "a", "b")[2:-1] == [
        "a: before program/fail",
        "b: before program/fail",
        "b: failed program/fail RuntimeError",
        "a: failed program/fail RuntimeError",
        "b: failed program(fail, note) PassFailure",
        "a: failed program(fail, note) PassFailure",
    ]


def test_instrumentation_that_raises_after_a_pass_fails_it() -> None:
    events: list[str] = []

    class Strict(Instrumentation):
        def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
            raise TargetError("not for this chip", hint="choose another")

    manager = PassManager(program_pipeline(Note()), [Recorder("a", events), Strict()])
    with pytest.raises(PassFailure, match=r"^pass 'note': not for this chip \(choose another\)$"):
        manager.run(PROGRAMS["linear"]())
    assert events[-2:] == ["a: failed program/note TargetError", "a: failed program(note) PassFailure"]

"""Times: what ran inside what, each second counted once, the manager's own apart."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import pytest
from milopt.ir.errors import PassFailure
from milopt.passes.analyses import Analysis
from milopt.passes.base import UNCHANGED, Pass
from milopt.passes.instrumentation import timing
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.timing import Timing
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from support.editing import find_op
from support.passes import Note, NoteFunctions, doing, made, run_passes
from support.programs import PROGRAMS


class Watch:
    """A time that stands still until it is told to go on."""

    now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: found.now))
    return found


def waiting(watch: Watch, seconds: float, name: str, anchor: Any = "program") -> Pass:
    """A pass that takes so long."""
    return made(name, lambda *_: (watch.wait(seconds), UNCHANGED)[1], anchor=anchor)


def slow_analysis(watch: Watch, seconds: float, needs: type[Analysis] | None = None) -> type[Analysis]:
    """An analysis that takes so long, and asks for another."""

    class Slow(Analysis):
        @classmethod
        def run(cls, program: Any, analyses: Any) -> Self:  # noqa: ARG003
            watch.wait(seconds)
            if needs is not None:
                analyses.get(needs)
            return cls()

    return Slow


class Dawdling(Instrumentation):
    """An instrumentation that takes its time."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def after_pass(self, *_: Any) -> None:
        self._watch.wait(0.5)


def timed(watch: Watch) -> Timing:
    """What a run with functions, analyses and a pipeline inside a pass took."""
    inner = slow_analysis(watch, 0.25)
    inner.__name__ = "Inner"
    outer = slow_analysis(watch, 0.5, inner)
    outer.__name__ = "Outer"

    def ask(_: Any, context: Any) -> Any:
        watch.wait(1)
        context.analyses.get(outer)
        return UNCHANGED

    def nest(_: Any, context: Any) -> Any:
        watch.wait(2)
        context.run_pipeline(Pipeline("function", (waiting(watch, 0.25, "Short", "function"),)))
        return UNCHANGED

    clock = Timing()
    with clock.phase("reading"):
        watch.wait(4)
    functions = Pipeline("function", (waiting(watch, 1, "Short", "function"),))
    pipeline = program_pipeline(made("Ask", ask), made("Nest", nest), functions)

    PassManager(pipeline, (Dawdling(watch), clock)).run(PROGRAMS["two_functions"]())
    return clock


def test_tree_shows_what_ran_in_what(watch: Watch) -> None:
    assert timed(watch).report().splitlines() == [
        "Execution time",
        "    seconds   share  name",
        "     4.0000   30.2%  reading",
        "     9.2500   69.8%  program",
        "     1.7500   13.2%    ask",
        "     0.7500    5.7%      (A) Outer",
        "     0.2500    1.9%        (A) Inner",
        "     3.5000   26.4%    nest",
        "     0.7500    5.7%      function(encode)",
        "     0.2500    1.9%        short",
        "     0.7500    5.7%      function(decode)",
        "     0.2500    1.9%        short",
        "     1.5000   11.3%    function(encode)",
        "     1.0000    7.5%      short",
        "     1.5000   11.3%    function(decode)",
        "     1.0000    7.5%      short",
        "     3.0000   22.6%  Rest",
        "    13.2500  100.0%  Total",
    ]  # fmt: skip


def test_list_counts_each_second_once(watch: Watch) -> None:
    assert timed(watch).report("list").splitlines() == [
        "Execution time",
        "    seconds   share  count  name",
        "     4.0000   30.2%      1  reading",
        "     2.5000   18.9%      4  short",
        "     2.0000   15.1%      1  nest",
        "     1.0000    7.5%      1  ask",
        "     0.5000    3.8%      1  (A) Outer",
        "     0.2500    1.9%      1  (A) Inner",
        "     3.0000   22.6%         Rest",
        "    13.2500  100.0%         Total",
    ]


def test_runs_of_a_pass_with_several_options_are_one_row_of_the_list() -> None:
    clock = Timing()
    run_passes(PROGRAMS["linear"](), Note(), Note(word="b"), around=(clock,))
    assert [(each["name"], each["count"]) for each in clock.as_json("list")["runs"]] == [("note", 2)]


def test_json_holds_the_same(watch: Watch) -> None:
    clock = timed(watch)
    tree, rows = clock.as_json(), clock.as_json("list")
    assert (tree["form"], tree["total_seconds"], tree["rest_seconds"]) == ("tree", 13.25, 3)
    assert [each["name"] for each in tree["runs"]] == ["reading", "program"]
    ask = tree["runs"][1]["inside"][0]
    inner = {"kind": "analysis", "name": "Inner", "seconds": 0.25, "inside": []}
    outer = {"kind": "analysis", "name": "Outer", "seconds": 0.75, "inside": [inner]}
    assert ask == {"kind": "pass", "name": "ask", "seconds": 1.75, "inside": [outer]}
    assert rows["runs"][1] == {"kind": "pass", "name": "short", "seconds": 2.5, "count": 4}
    assert sum(each["seconds"] for each in rows["runs"]) + rows["rest_seconds"] == rows["total_seconds"]


def test_report_of_nothing_is_its_total() -> None:
    assert [line.split()[-1] for line in Timing().report().splitlines()[2:]] == ["Rest", "Total"]
    assert Timing().report().splitlines()[-1].split() == ["0.0000", "100.0%", "Total"]


def test_runs_of_several_programs_add_up(watch: Watch) -> None:
    clock = Timing()
    for _ in range(3):
        run_passes(PROGRAMS["linear"](), waiting(watch, 1, "Slow"), around=(clock,))
    assert [entry.seconds for entry in clock.times] == [1, 1, 1]
    assert clock.as_json()["total_seconds"] == 3


def test_time_of_each_pass_is_measured() -> None:
    clock = Timing()
    pipeline = program_pipeline(Note(), Pipeline("function", (NoteFunctions(),)))
    PassManager(pipeline, (clock,)).run(PROGRAMS["two_functions"]())
    assert [entry.path for entry in clock.times] == [
        "program/note",
        "program/function(encode)/note-functions",
        "program/function(decode)/note-functions",
    ]
    assert all(0 < entry.seconds < 60 for entry in clock.times)


def failing(_: Any) -> None:
    raise RuntimeError


def repeated_name(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "second"


@pytest.mark.parametrize("clock_first", [True, False], ids=["clock-outside", "clock-inside"])
@pytest.mark.parametrize("action", [failing, repeated_name], ids=["raises", "breaks"])
def test_time_of_a_failed_pass_is_measured_once(action: Callable[[Any], None], *, clock_first: bool) -> None:
    clock = Timing()
    around = (clock, VerifyEach()) if clock_first else (VerifyEach(), clock)
    with pytest.raises(PassFailure):
        run_passes(PROGRAMS["linear_chain"](), Note(), doing(action, "Fail"), around=around)
    assert [entry.path for entry in clock.times] == ["program/note", "program/fail"]


def test_clocks_stop_when_an_analysis_fails(watch: Watch) -> None:
    class Broken(Analysis):
        @classmethod
        def run(cls, program: Any, analyses: Any) -> Self:  # noqa: ARG003
            watch.wait(1)
            raise RuntimeError

    def ask(_: Any, context: Any) -> Any:
        context.analyses.get(Broken)

    clock = Timing()
    with pytest.raises(PassFailure):
        run_passes(PROGRAMS["linear"](), made("Ask", ask), around=(clock,))
    watch.wait(100)
    run_passes(PROGRAMS["linear"](), Note(), around=(clock,))
    assert [(each.name, each.seconds) for each in clock.clocks] == [("program", 1), ("program", 0)]

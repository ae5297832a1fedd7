"""Analyses: made when they are asked for, kept while they hold."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.walking import walk
from milopt.passes.analyses import Analysis, AnalysisManager
from milopt.passes.base import UNCHANGED, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.runs import AnalysisRun, PassRun
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.passes import OpCount, made, run_passes
from support.programs import PROGRAMS


@attrs.frozen
class Twice(Analysis):
    count: int

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Twice:  # noqa: ARG003
        return cls(2 * analyses.get(OpCount).count)


def asking(kind: type[Any], outcome: Outcome = UNCHANGED, into: list[Any] | None = None) -> Pass:
    def run(_: Any, context: PassContext) -> Outcome:
        found = context.analyses.get(kind)
        if into is not None:
            into.append(found)
        return outcome

    return made(f"Ask{kind.__name__}", run)


def looking(into: list[Any], *kinds: type[Any]) -> Pass:
    def run(_: Any, context: PassContext) -> Outcome:
        into.append([kind for kind in kinds if context.analyses.cached(kind) is not None])
        return UNCHANGED

    return made("Look", run)


def test_analysis_is_made_once_while_nothing_changes() -> None:
    found: list[Any] = []
    run_passes(PROGRAMS["linear"](), *[asking(OpCount, into=found)] * 3)
    assert found[0].count == sum(1 for _ in walk(PROGRAMS["linear"]()))
    assert found[0] is found[1] is found[2]


def test_analysis_may_ask_for_another_which_is_kept_as_well() -> None:
    found: list[Any] = []
    run_passes(PROGRAMS["linear"](), asking(Twice, into=found), looking(found, OpCount, Twice))
    assert found[0].count == 2 * sum(1 for _ in walk(PROGRAMS["linear"]()))
    assert found[1] == [OpCount, Twice]


def test_looking_whether_an_analysis_is_there_makes_none() -> None:
    found: list[Any] = []
    run_passes(PROGRAMS["linear"](), looking(found, OpCount), looking(found, OpCount))
    assert found == [[], []]


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (UNCHANGED, [OpCount, Twice]),
        (Outcome(changed=False, preserved=frozenset()), [OpCount, Twice]),
        (Outcome(changed=True), []),
        (Outcome(changed=True, preserved=frozenset({OpCount})), [OpCount]),
        (Outcome(changed=True, preserved=frozenset({Twice})), []),
        (Outcome(changed=True, preserved=frozenset({OpCount, Twice})), [OpCount, Twice]),
    ],
)
def test_change_invalidates_what_is_not_preserved(outcome: Outcome, kept: list[type[Analysis]]) -> None:
    found: list[Any] = []
    change = made("Change", lambda *_: outcome)
    run_passes(PROGRAMS["linear"](), asking(Twice), change, looking(found, OpCount, Twice))
    assert found == [kept]


def test_analysis_of_a_changed_program_is_a_new_one() -> None:
    found: list[Any] = []
    ask = asking(OpCount, into=found)
    result = run_passes(PROGRAMS["linear"](), ask, QuantizeWeights(), ask)
    assert found[0].count < found[1].count == sum(1 for _ in walk(result.program))


def test_functions_share_the_analyses_of_their_program() -> None:
    found: list[Any] = []

    def run(_: Any, context: PassContext) -> Outcome:
        found.append(context.analyses.get(OpCount))
        return UNCHANGED

    inner = Pipeline("function", (made("Ask", run, anchor="function"),))
    result = PassManager(program_pipeline(inner)).run(PROGRAMS["two_functions"]())
    assert found[0] is found[1]
    assert found[0].count == sum(1 for _ in walk(result.program))


def test_two_runs_share_no_analysis() -> None:
    found: list[Any] = []
    manager = PassManager(program_pipeline(looking(found, OpCount), asking(OpCount)))
    manager.run(PROGRAMS["linear"]())
    manager.run(PROGRAMS["linear"]())
    assert found == [[], []]


def test_analysis_that_fails_names_the_pass_that_asked() -> None:
    class Broken(Analysis):
        @classmethod
        def run(cls, program: Any, analyses: AnalysisManager) -> Broken:  # noqa: ARG003
            raise RuntimeError("no idea")

    with pytest.raises(PassFailure, match=r"^pass 'ask-broken': failed with RuntimeError: no idea"):
        run_passes(PROGRAMS["linear"](), asking(Broken))


class Teller(Instrumentation):
    """Writes down when passes and analyses begin and end."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name, self._events = name, events

    def before_pass(self, run: PassRun) -> None:
        self._events.append(f"{self._name}: before {run.pass_}")

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
        self._events.append(f"{self._name}: after {run.pass_}")

    def before_analysis(self, run: AnalysisRun) -> None:
        self._events.append(f"{self._name}: before {run.analysis.__name__}")

    def after_analysis(self, run: AnalysisRun, result: Analysis) -> None:  # noqa: ARG002
        self._events.append(f"{self._name}: after {run.analysis.__name__}")


def test_analyses_are_told_around_their_making() -> None:
    events: list[str] = []
    run_passes(PROGRAMS["linear"](), asking(Twice), asking(Twice), around=(Teller("i", events),))
    assert events == [
        "i: before ask-twice",
        "i: before Twice",
        "i: before OpCount",
        "i: after OpCount",
        "i: after Twice",
        "i: after ask-twice",
        "i: before ask-twice",
        "i: after ask-twice",
    ]


def test_analyses_are_told_in_reverse_afterwards() -> None:
    events: list[str] = []
    run_passes(PROGRAMS["linear"](), asking(OpCount), around=(Teller("a", events), Teller("b", events)))
    assert [each for each in events if each.endswith("OpCount")] == [
        "a: before OpCount",
        "b: before OpCount",
        "b: after OpCount",
        "a: after OpCount",
    ]

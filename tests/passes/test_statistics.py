"""Statistics: what passes count, and what is counted around any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs
import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.walking import walk
from milopt.passes.base import UNCHANGED, Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.statistics import Statistics
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.passes import CHANGED, Note, doing, made
from support.programs import PROGRAMS


@attrs.frozen(kw_only=True)
class Count(Pass):
    """Counts as far as it is told to."""

    anchor: ClassVar[Anchor] = "function"
    statistics: ClassVar[Mapping[str, str]] = {"steps": "steps that it took", "falls": "times that it fell"}
    steps: int = option(1, help="how many")

    def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
        """See the class."""
        for _ in range(self.steps):
            if context.admits("step"):
                context.count("steps")
        return CHANGED if context.run.statistics["steps"] else UNCHANGED


def counted(name: str, *elements: Any, around: tuple[Instrumentation, ...] = ()) -> Statistics:
    found = Statistics()
    PassManager(program_pipeline(*elements), (*around, found)).run(PROGRAMS[name]())
    return found


STEPS = Pipeline("function", (Count(), Count(steps=20)))


def test_tree_has_each_run_of_each_pass() -> None:
    text = counted("two_functions", STEPS, Note()).report()
    ops = {name: len(list(walk(each))) for name, each in PROGRAMS["two_functions"]().functions.items()}

    def block(name: str, steps: int, shown: str) -> list[str]:
        """Of what a pass counts itself, zeros are not shown."""
        return [
            f"    {shown}",
            f"      {ops[name]:>10}  ops-before  ops before the pass, constants included",
            f"      {ops[name]:>10}  ops-after   ops after it",
            f"      {steps:>10}  rewrites    rewrites that it did",
            f"      {steps:>10}  steps       steps that it took",
        ]

    encode, decode = (
        [f"  function({name})", *block(name, 1, "count"), *block(name, 20, "count{steps=20}")] for name in ops
    )
    note = [line.strip() for line in text.splitlines()[-4:]]
    assert text.splitlines()[:-4] == ["Statistics", "program", *encode, *decode]
    assert note[0] == "note"
    assert note[1].split()[0] == str(sum(ops.values()))


def test_list_has_sums_by_pass() -> None:
    found = counted("two_functions", STEPS)
    lines = found.report("list").splitlines()
    assert lines[:2] == ["Statistics", "count (4 runs, 4 with changes)"]
    assert [line.split()[:2] for line in lines[4:]] == [["42", "rewrites"], ["42", "steps"]]
    (entry,) = found.as_json("list")["passes"]
    assert (entry["name"], entry["runs"], entry["changed"]) == ("count", 4, 4)
    assert {"name": "steps", "value": 42, "help": "steps that it took"} in entry["statistics"]


def test_json_tree_has_paths() -> None:
    found = counted("two_functions", STEPS).as_json()
    assert found["form"] == "tree"
    assert [(each["path"], each["name"], each["changed"]) for each in found["passes"]] == [
        (f"program/function({name})/{shown}", shown, True)
        for name in ("encode", "decode") for shown in ("count", "count{steps=20}")
    ]  # fmt: skip


def test_report_of_nothing_is_its_title() -> None:
    assert Statistics().report() == Statistics().report("list") == "Statistics"


def test_ops_are_counted_for_passes_of_coremltools_too() -> None:
    found = Statistics()
    PassManager(parse_pipeline("program(common::dead_code_elimination)"), (found,)).run(PROGRAMS["linear_chain"]())
    ops = len(list(walk(PROGRAMS["linear_chain"]())))
    (entry,) = found.passes
    assert (entry.counts["ops-before"], entry.counts["ops-after"]) == (ops, ops)


def test_rewrites_of_a_pass_that_changes_nothing_are_none() -> None:
    def try_it(_: Any, context: PassContext) -> Outcome:
        return Outcome(changed=not context.admits("try"))

    found = counted("linear", made("Try", try_it), Pipeline("function", (Count(),)))
    assert [(each.changed, each.counts["rewrites"]) for each in found.passes] == [(False, 0), (True, 1)]
    assert [line for line in found.report("list").splitlines() if "run" in line.split("(")[-1] and "(" in line] == [
        "try (1 run, 0 with changes)",
        "count (1 run, 1 with changes)",
    ]


def test_refused_rewrites_are_not_counted() -> None:
    (first, second) = counted("linear", STEPS, around=(RewriteLimit(3),)).passes
    assert (first.counts["rewrites"], second.counts["rewrites"]) == (1, 2)
    assert (first.counts["steps"], second.counts["steps"]) == (1, 2)


def test_rewrites_belong_to_the_innermost_pass() -> None:
    def nest(_: Any, context: PassContext) -> Outcome:
        context.admits("outer")
        context.run_pipeline(STEPS)
        context.admits("outer")
        return CHANGED

    found = counted("linear", made("Nest", nest))
    assert [(each.name, each.counts["rewrites"]) for each in found.passes] == [
        ("nest", 2),
        ("count", 1),
        ("count{steps=20}", 20),
    ]


def test_failed_pass_has_what_it_counted() -> None:
    def fail(_: Any) -> None:
        raise RuntimeError

    found = Statistics()
    with pytest.raises(PassFailure):
        PassManager(program_pipeline(STEPS, doing(fail)), (found,)).run(PROGRAMS["linear"]())
    assert [each.changed for each in found.passes] == [True, True, None]
    assert "ops-after" not in found.report().rpartition("doing")[2]
    assert "ops-before" in found.report().rpartition("doing")[2]


def test_quantizer_counts_weights_and_bytes() -> None:
    found = Statistics()
    done = PassManager(program_pipeline(QuantizeWeights()), (found,)).run(PROGRAMS["linear_chain"]())
    passed = [remark for remark in done.remarks if remark.kind == "passed"]
    (entry,) = found.passes
    assert passed
    assert entry.counts["weights"] == len(passed)
    assert entry.counts["left-alone"] == len(done.remarks) - len(passed)
    assert entry.counts["bytes-saved"] == sum(
        remark.data["bytes_before"] - remark.data["bytes_after"] for remark in passed
    )


@pytest.mark.parametrize(("target", "functions"), [("iOS26", 2), ("iOS18", 0)])
def test_raising_counts_functions(target: str, functions: int) -> None:
    program = PassManager(program_pipeline(RaiseOpset(target="iOS18"))).run(PROGRAMS["two_functions"]()).program
    found = Statistics()
    PassManager(program_pipeline(RaiseOpset(target=target)), (found,)).run(program)
    assert found.passes[0].counts["functions"] == functions

"""The pass manager: what runs on what, in which order, with what around it, and what is said when it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

import attrs
import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
from coremltools.converters.mil.mil.scope import ScopeSource
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, OptionError, PassFailure, TargetError
from milopt.ir.pymil import available_target, mb, opset_of, types
from milopt.ir.targets import IOS15, IOS17, IOS18
from milopt.ir.verifier import verify
from milopt.ir.walking import names_in, walk
from milopt.passes.analyses import Analysis, AnalysisManager
from milopt.passes.base import UNCHANGED, Anchor, Outcome, Pass, PassContext
from milopt.passes.coremltools_passes import coremltools_pass, coremltools_pass_ids
from milopt.passes.instrumentation import Instrumentation, PassRun, Timing, VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.canonical import canonical, constants
from support.editing import find_op, ops_of_type
from support.programs import PROGRAMS

CHANGED = Outcome(changed=True)
Run = Callable[[Any, PassContext], Outcome]


def made(name: str, run: Run, *, anchor: Anchor = "program") -> Pass:
    """A pass of this class name that does just this."""

    def run_it(_: Pass, root: Any, context: PassContext) -> Outcome:
        return run(root, context)

    cls = attrs.frozen(kw_only=True)(type(name, (Pass,), {"anchor": anchor, "run": run_it}))
    made_pass: Pass = cls()
    return made_pass


def doing(action: Callable[[Any], object], name: str = "Doing") -> Pass:
    """A pass that changes the program by `action`."""

    def run(root: Any, _: PassContext) -> Outcome:
        action(root)
        return CHANGED

    return made(name, run)


def nothing(_: Any) -> None:
    pass


def run_passes(program: Any, *passes: Pass, around: tuple[Instrumentation, ...] = (VerifyEach(),)) -> Any:
    return PassManager(program_pipeline(*passes), around).run(program)


@attrs.frozen(kw_only=True)
class Note(Pass):
    """Says something about every op that is no constant."""

    word: str = option("seen", help="what to say")

    def run(self, root: Any, context: PassContext) -> Outcome:
        for operation in walk(root):
            if operation.op_type != "const":
                context.remark("analysis", operation, self.word, f"it is a {operation.op_type}", data={"n": 1})
        return UNCHANGED


@attrs.frozen(kw_only=True)
class NoteFunctions(Note):
    """The same for one function at a time."""

    anchor: ClassVar[Anchor] = "function"


# --- copies


def test_program_that_is_given_stays_as_it_is() -> None:
    program = PROGRAMS["linear_chain"]()
    result = run_passes(program, QuantizeWeights())
    assert result.program is not program
    assert first_difference(program, PROGRAMS["linear_chain"]()) is None
    assert first_difference(program, result.program) is not None


def test_program_is_changed_itself_when_that_is_asked_for() -> None:
    program = PROGRAMS["linear_chain"]()
    result = PassManager(program_pipeline(QuantizeWeights())).run(program, in_place=True)
    assert result.program is program
    assert ops_of_type(program, "constexpr_affine_dequantize")


def test_copy_shares_its_constants() -> None:
    program = PROGRAMS["linear_chain"]()
    before, after = constants(program), constants(run_passes(program).program)
    assert list(before) == list(after)
    large = [name for name, array in before.items() if array.size > 100]
    assert large
    assert all(np.shares_memory(before[name], after[name]) for name in large)


def test_copy_is_made_before_anything_fails() -> None:
    program = PROGRAMS["linear_chain"]()

    def rename_and_fail(root: Any) -> None:
        find_op(root, "relu").outputs[0].name = "elsewhere"
        raise RuntimeError

    with pytest.raises(PassFailure):
        run_passes(program, doing(rename_and_fail))
    assert first_difference(program, PROGRAMS["linear_chain"]()) is None


def test_empty_pipeline_gives_an_equal_program_and_changes_nothing() -> None:
    result = PassManager(program_pipeline()).run(PROGRAMS["cond"]())
    assert not result.changed
    assert result.remarks == ()
    assert first_difference(result.program, PROGRAMS["cond"]()) is None


# --- what runs on what


def test_passes_run_in_order_and_see_what_was_done_before() -> None:
    seen: list[str] = []
    look = made("Look", lambda root, _: seen.append(str(opset_of(root))) or UNCHANGED)
    run_passes(PROGRAMS["linear_fp32"](), look, RaiseOpset(target="iOS17"), look, RaiseOpset(target="iOS18"), look)
    assert seen == ["iOS15", "iOS17", "iOS18"]


def test_pass_on_functions_runs_once_for_each_in_their_order() -> None:
    seen: list[tuple[str, Any]] = []
    first, second = (
        made(name, lambda root, _, name=name: seen.append((name, root)) or UNCHANGED, anchor="function")
        for name in ("First", "Second")
    )
    result = PassManager(program_pipeline(Pipeline("function", (first, second)))).run(PROGRAMS["two_functions"]())
    encode, decode = result.program.functions.values()
    assert seen == [("First", encode), ("Second", encode), ("First", decode), ("Second", decode)]


def test_pipeline_on_functions_needs_no_program_around_it() -> None:
    seen: list[Any] = []
    look = made("Look", lambda root, _: seen.append(root) or UNCHANGED, anchor="function")
    result = PassManager(Pipeline("function", (look,))).run(PROGRAMS["two_functions"]())
    assert seen == list(result.program.functions.values())


def test_pass_on_a_function_may_use_the_whole_program() -> None:
    seen: list[Any] = []
    look = made("Look", lambda _, context: seen.append(context.program) or UNCHANGED, anchor="function")
    result = PassManager(Pipeline("program", (Pipeline("function", (look,)),))).run(PROGRAMS["linear"]())
    assert seen == [result.program]


def test_function_that_a_pass_adds_is_left_to_the_next_pipeline() -> None:
    seen: list[str] = []

    def add_function(root: Any, context: PassContext) -> Outcome:
        seen.append(next(name for name, each in context.program.functions.items() if each is root))
        context.program.functions.setdefault("more", PROGRAMS["linear"]().functions["main"])
        return CHANGED

    inner = Pipeline("function", (made("AddFunction", add_function, anchor="function"),))
    PassManager(program_pipeline(inner, inner), ()).run(PROGRAMS["linear"]())
    assert seen == ["main", "main", "more"]


def test_registered_passes_run_from_text(registered: Callable[[type[Pass]], type[Pass]]) -> None:
    registered(Note)
    registered(NoteFunctions)
    pipeline = parse_pipeline("program(note{word=a}, function(note-functions{word=b}), note{word=c})")
    remarks = PassManager(pipeline).run(PROGRAMS["two_functions"]()).remarks
    assert [(each.pass_name, each.function, each.op, each.code) for each in remarks] == [
        ("note", "encode", "encode", "a"),
        ("note", "decode", "decode", "a"),
        ("note-functions", "encode", "encode", "b"),
        ("note-functions", "decode", "decode", "b"),
        ("note", "encode", "encode", "c"),
        ("note", "decode", "decode", "c"),
    ]


def test_whether_anything_changed_is_what_the_passes_say() -> None:
    quiet, loud = made("Quiet", lambda *_: UNCHANGED), made("Loud", lambda *_: CHANGED)
    assert not run_passes(PROGRAMS["linear"](), quiet, quiet).changed
    assert run_passes(PROGRAMS["linear"](), loud, quiet).changed
    assert run_passes(PROGRAMS["linear"](), quiet, loud).changed
    assert not run_passes(PROGRAMS["linear"](), RaiseOpset(target="iOS17")).changed


# --- remarks


def test_remark_says_what_where_and_why() -> None:
    def run(root: Any, context: PassContext) -> Outcome:
        context.remark("missed", find_op(root, "yes"), "slow", "it is\nslow", suggestion="go", source="a book")
        return UNCHANGED

    (remark,) = run_passes(PROGRAMS["cond"](), made("Watch", run)).remarks
    assert (remark.kind, remark.pass_name, remark.function, remark.op, remark.op_type, remark.code) == (
        "missed",
        "watch",
        "main",
        "yes",
        "linear",
        "slow",
    )
    assert (remark.message, remark.suggestion, remark.source, remark.data) == ("it is\nslow", "go", "a book", {})


@pytest.mark.parametrize(("suggestion", "words"), [(None, "why"), ("do that", "why [do that]")])
def test_remark_reads_as_one_sentence(suggestion: str | None, words: str) -> None:
    def run(root: Any, context: PassContext) -> Outcome:
        context.remark("passed", find_op(root, "relu"), "code", "why", suggestion=suggestion)
        return UNCHANGED

    (remark,) = run_passes(PROGRAMS["linear_chain"](), made("Watch", run)).remarks
    assert str(remark) == f"passed: op 'relu' (relu) in main: {words} {{watch}}"


def test_remarks_stand_in_the_order_in_which_they_were_made() -> None:
    remarks = run_passes(PROGRAMS["linear_chain"](), Note(word="a"), Note(word="b")).remarks
    assert [(each.code, each.op) for each in remarks] == [
        (code, name) for code in "ab" for name in ("first", "relu", "second")
    ]


def test_pass_can_read_what_was_said_before() -> None:
    counts: list[int] = []
    count = made("Count", lambda _, context: counts.append(len(context.remarks)) or UNCHANGED)
    run_passes(PROGRAMS["linear_chain"](), count, Note(), count)
    assert counts == [0, 3]


# --- instrumentations


class Recorder(Instrumentation):
    """Writes down everything that it is told."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name, self._events = name, events

    def _say(self, what: str, about: object) -> None:
        self._events.append(f"{self._name}: {what} {about}")

    def before_pipeline(self, pipeline: Pipeline, program: Any) -> None:  # noqa: ARG002
        self._say("before", pipeline)

    def after_pipeline(self, pipeline: Pipeline, program: Any) -> None:  # noqa: ARG002
        self._say("after", pipeline)

    def before_pass(self, run: PassRun) -> None:
        self._say("before", run.path)

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:
        self._say("after", f"{run.path} {outcome.changed}")

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:
        self._say("failed", f"{run.path} {type(error).__name__}")

    def before_analysis(self, analysis: type[Analysis]) -> None:
        self._say("before", analysis.__name__)

    def after_analysis(self, analysis: type[Analysis]) -> None:
        self._say("after", analysis.__name__)


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
        "c: after program(look)",
        "b: after program(look)",
        "a: after program(look)",
    ]


def test_path_says_where_a_pass_stands() -> None:
    pipeline = program_pipeline(Note(word="a b"), Pipeline("function", (NoteFunctions(),)))
    before = [each for each in recorded(PROGRAMS["two_functions"](), pipeline) if "before program/" in each]
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


def repeated_name(program: Any) -> None:
    find_op(program, "relu").outputs[0].name = "second"


def other_type(program: Any) -> None:
    find_op(program, "first").outputs[0]._sym_type = types.tensor(types.fp16, (10, 63))


def forgotten_use(program: Any) -> None:
    find_op(program, "first").outputs[0]._child_ops.clear()


def missing_input(program: Any) -> None:
    operation = find_op(program, "second")
    operation.weight._child_ops.remove(operation)
    operation._input_vars["weight"] = None


def foreign_output(program: Any) -> None:
    program.functions["main"]._outputs = [find_op(PROGRAMS["linear_chain"](), "second").outputs[0]]


def older_opset(program: Any) -> None:
    program.functions["main"].opset_version = available_target(IOS15)


def test_failed_pass_is_told_in_reverse_and_ends_the_run() -> None:
    pipeline = program_pipeline(doing(failing, "Fail"), Note())
    assert recorded(PROGRAMS["linear"](), pipeline, "a", "b")[2:-1] == [
        "a: before program/fail",
        "b: before program/fail",
        "b: failed program/fail RuntimeError",
        "a: failed program/fail RuntimeError",
    ]


def test_instrumentation_that_raises_after_a_pass_fails_it() -> None:
    events: list[str] = []

    class Strict(Instrumentation):
        def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
            raise TargetError("not for this chip", hint="choose another")

    manager = PassManager(program_pipeline(Note()), [Recorder("a", events), Strict()])
    with pytest.raises(PassFailure, match=r"^pass 'note': not for this chip \(choose another\)$"):
        manager.run(PROGRAMS["linear"]())
    assert events[-1] == "a: failed program/note TargetError"


def test_analyses_are_told_around_their_making() -> None:
    assert recorded(PROGRAMS["linear"](), program_pipeline(asking(Twice), asking(Twice)))[1:-1] == [
        "i: before program/ask-twice",
        "i: before Twice",
        "i: before OpCount",
        "i: after OpCount",
        "i: after Twice",
        "i: after program/ask-twice False",
        "i: before program/ask-twice",
        "i: after program/ask-twice False",
    ]


def test_analyses_are_told_in_reverse_afterwards() -> None:
    events = recorded(PROGRAMS["linear"](), program_pipeline(asking(OpCount)), "a", "b")
    assert [each for each in events if each.endswith("OpCount")] == [
        "a: before OpCount",
        "b: before OpCount",
        "b: after OpCount",
        "a: after OpCount",
    ]


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


def test_time_report_adds_up() -> None:
    clock = Timing()
    PassManager(program_pipeline(Note(), Note(word="b")), (clock,)).run(PROGRAMS["linear"]())
    *rows, total = clock.report().splitlines()
    pattern = r" +(\d+\.\d{4}) s  +(\d+\.\d)%  (\S+)"
    found = [re.fullmatch(pattern, row) for row in [*rows, total]]
    assert [each.group(3) for each in found if each] == ["program/note", "program/note{word=b}", "total"]
    seconds, shares = zip(*[(float(each.group(1)), float(each.group(2))) for each in found if each], strict=True)
    assert seconds[2] == pytest.approx(sum(seconds[:2]), abs=2e-4)
    assert shares[2] == 100
    assert sum(shares[:2]) == pytest.approx(100, abs=0.2)


def test_time_report_of_no_pass_is_its_total() -> None:
    assert Timing().report().split() == ["0.0000", "s", "100.0%", "total"]


@pytest.mark.parametrize("clock_first", [True, False], ids=["clock-outside", "clock-inside"])
@pytest.mark.parametrize("action", [failing, repeated_name], ids=["raises", "breaks"])
def test_time_of_a_failed_pass_is_measured_once(action: Callable[[Any], None], *, clock_first: bool) -> None:
    clock = Timing()
    around = (clock, VerifyEach()) if clock_first else (VerifyEach(), clock)
    with pytest.raises(PassFailure):
        run_passes(PROGRAMS["linear_chain"](), Note(), doing(action, "Fail"), around=around)
    assert [entry.path for entry in clock.times] == ["program/note", "program/fail"]


# --- the verifier around each pass


@pytest.mark.parametrize(
    ("corrupt", "words"),
    [
        (repeated_name, "the name 'second' is defined twice"),
        (other_type, "has the type tensor"),
        (forgotten_use, "use list of 'first'"),
        (missing_input, "required input 'weight' is missing"),
        (foreign_output, "output 'second' is not defined"),
        (older_opset, "of another version than that of iOS15"),
    ],
)
def test_pass_that_breaks_the_program_is_named(corrupt: Callable[[Any], None], words: str) -> None:
    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear_chain"](), Note(), doing(corrupt, "BreakIt"), doing(nothing, "Innocent"))
    text = str(caught.value)
    assert text.startswith("pass 'break-it': the program is not valid after it: function 'main'")
    assert words in text
    assert "\n" not in text


def test_pass_on_a_function_that_breaks_the_program_is_named() -> None:
    def run(root: Any, _: PassContext) -> Outcome:
        root.operations[-1].outputs[0].name = next(iter(root.inputs))
        return CHANGED

    pipeline = program_pipeline(Pipeline("function", (made("BreakIt", run, anchor="function"),)))
    with pytest.raises(PassFailure, match=r"^pass 'break-it': .*function 'encode'.* defined twice"):
        PassManager(pipeline).run(PROGRAMS["two_functions"]())


def test_number_of_further_faults_is_told() -> None:
    def corrupt(program: Any) -> None:
        other_type(program)
        forgotten_use(program)

    with pytest.raises(PassFailure, match=r"; \d+ more$"):
        run_passes(PROGRAMS["linear_chain"](), doing(corrupt))


def test_pass_is_named_with_its_options() -> None:
    @attrs.frozen(kw_only=True)
    class BreakIt(Pass):
        how: str = option("gently", help="how")

        def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
            repeated_name(root)
            return CHANGED

    with pytest.raises(PassFailure, match=r"^pass 'break-it\{how=badly\}': the program is not valid after it"):
        run_passes(PROGRAMS["linear_chain"](), BreakIt(how="badly"))


def test_nothing_is_verified_without_the_verifier() -> None:
    result = run_passes(PROGRAMS["linear_chain"](), doing(repeated_name), around=())
    assert verify(result.program)


def test_verifier_runs_by_default() -> None:
    with pytest.raises(PassFailure, match="defined twice"):
        PassManager(program_pipeline(doing(repeated_name))).run(PROGRAMS["linear_chain"]())


# --- passes that raise


@pytest.mark.parametrize(
    "error",
    [ValueError("bad\n\tnumber"), KeyError("key"), AssertionError(), ZeroDivisionError("by zero"), StopIteration()],
    ids=lambda error: type(error).__name__,
)
def test_ordinary_exception_becomes_a_failure_of_one_line_that_names_the_pass(error: Exception) -> None:
    def fail(_: Any) -> None:
        raise error

    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear"](), doing(fail, "FailLoudly"))
    text = str(caught.value)
    words = " ".join(str(error).split())
    assert text.startswith(f"pass 'fail-loudly': failed with {type(error).__name__}: {words}".strip())
    assert text.endswith("(this is a defect of the pass: please report it)")
    assert "\n" not in text
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [TargetError, OptionError, MiloptError])
def test_error_for_users_keeps_its_place_and_its_hint(kind: type[MiloptError]) -> None:
    def fail(_: Any) -> None:
        raise kind("can not", where="op 'x'", hint="try y")

    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear"](), doing(fail, "Refuse"))
    assert str(caught.value) == "pass 'refuse', op 'x': can not (try y)"
    assert caught.value.hint == "try y"


def test_error_for_users_without_a_place_gets_the_pass() -> None:
    def fail(_: Any) -> None:
        raise TargetError("can not")

    with pytest.raises(PassFailure, match=r"^pass 'refuse': can not$"):
        run_passes(PROGRAMS["linear"](), doing(fail, "Refuse"))


def test_failure_that_a_pass_raises_itself_names_the_pass_as_well() -> None:
    def fail(_: Any) -> None:
        raise PassFailure("could not")

    with pytest.raises(PassFailure, match=r"^pass 'refuse'.*: could not"):
        run_passes(PROGRAMS["linear"](), doing(fail, "Refuse"))


def test_failure_is_not_its_own_cause() -> None:
    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear_chain"](), doing(repeated_name))
    assert caught.value.__cause__ is not caught.value


def test_interrupt_goes_through() -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_passes(PROGRAMS["linear"](), doing(interrupt))


def test_failed_run_leaves_the_builder_of_names_as_it_was() -> None:
    before = mb.name_count
    with pytest.raises(PassFailure):
        run_passes(PROGRAMS["linear"](), doing(failing))
    assert mb.name_count is before


# --- analyses


@attrs.frozen
class OpCount(Analysis):
    count: int

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> OpCount:  # noqa: ARG003
        return cls(sum(1 for _ in walk(program)))


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
        (Outcome(changed=True, preserved=frozenset({Twice})), [Twice]),
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


# --- coremltools' passes under this manager

MODERN = [name for name, build in PROGRAMS.items() if opset_of(build()) in (IOS17, IOS18)]


def default_pipeline() -> Pipeline:
    return program_pipeline(*(coremltools_pass(name, {}) for name in ct.PassPipeline.DEFAULT.passes))


@pytest.mark.parametrize("name", MODERN)
def test_whole_default_pipeline_of_coremltools_runs_verified(name: str) -> None:
    program = PROGRAMS[name]()
    result = PassManager(default_pipeline()).run(program)
    assert verify(result.program) == []
    assert first_difference(program, PROGRAMS[name]()) is None


@pytest.mark.parametrize("name", ["attention", "cond", "conv_batch_norm", "states"])
def test_default_pipeline_does_what_it_does_in_coremltools(name: str) -> None:
    theirs = PROGRAMS[name]()
    PassPipelineManager.apply_pipeline(theirs, ct.PassPipeline.DEFAULT)
    mine = PassManager(default_pipeline()).run(PROGRAMS[name]()).program
    assert canonical(mine) == canonical(theirs)


NEEDS_OPTIONS = {"common::materialize_symbolic_shape_program", "common::WeightRandomizer"}
COMMON = [each for each in coremltools_pass_ids() if each.startswith("common::") and each not in NEEDS_OPTIONS]


@pytest.mark.parametrize("pass_id", COMMON)
def test_each_common_pass_of_coremltools_runs_verified(pass_id: str) -> None:
    pipeline = program_pipeline(coremltools_pass(pass_id, {}))
    for name in ("conv_batch_norm", "cond"):
        PassManager(pipeline).run(PROGRAMS[name]())


@pytest.mark.parametrize(
    ("text", "name", "before", "after"),
    [
        ("common::fuse_conv_batchnorm", "conv_batch_norm", ["conv", "batch_norm", "relu"], ["conv", "relu"]),
        ("common::add_fp16_cast", "linear_fp32", ["linear"], ["cast", "cast", "cast", "linear", "cast"]),
        ("common::add_fp16_cast{skip_ops_by_type=linear}", "linear_fp32", ["linear"], ["linear"]),
    ],
)
def test_pass_of_coremltools_takes_effect(text: str, name: str, before: list[str], after: list[str]) -> None:
    program = PROGRAMS[name]()
    result = PassManager(parse_pipeline(f"program({text})")).run(program).program
    assert [op.op_type for op in walk(program) if op.op_type != "const"] == before
    assert [op.op_type for op in walk(result) if op.op_type != "const"] == after


def test_failing_pass_of_coremltools_is_named_by_its_id() -> None:
    pipeline = parse_pipeline("program(common::materialize_symbolic_shape_program)")
    with pytest.raises(PassFailure, match=r"^pass 'common::materialize_symbolic_shape_program': "):
        PassManager(pipeline).run(PROGRAMS["flexible"]())


# --- names and scopes of new ops


@pytest.mark.parametrize("name", ["attention", "cond", "conv_batch_norm", "two_functions", "while_loop"])
def test_new_names_are_unique_and_equal_in_two_runs(name: str) -> None:
    pipeline = program_pipeline(*default_pipeline().passes(), QuantizeWeights(min_elements=0))
    first, second = (PassManager(pipeline).run(PROGRAMS[name]()).program for _ in range(2))
    assert list(names_in(first)) == list(names_in(second))
    for function in first.functions.values():
        names = [each.name for each in walk(function)]
        assert len(names) == len(set(names))


def test_new_names_avoid_those_of_the_program() -> None:
    def add_relu(program: Any) -> None:
        with program.functions["main"]:
            mb.relu(x=find_op(program, "relu").outputs[0])
            mb.relu(x=find_op(program, "relu").outputs[0])

    def rename(program: Any) -> None:
        first = find_op(program, "first")
        first.name = first.outputs[0].name = "relu_0"

    result = run_passes(PROGRAMS["linear_chain"](), doing(rename), doing(add_relu))
    assert [each.name for each in ops_of_type(result.program, "relu")] == ["relu", "relu_1", "relu_2"]


def graph_pass_scope_of(operation: Any) -> list[str]:
    found: list[str] = operation.scopes.get(ScopeSource.COREMLTOOLS_GRAPH_PASS, [])
    return found


def new_ops(before: Any, after: Any) -> list[Any]:
    known = set(names_in(before))
    return [each for each in walk(after) if each.name not in known]


@pytest.mark.parametrize(
    ("text", "name", "scope"),
    [
        ("quantize-weights", "linear", ["quantize-weights"]),
        ("quantize-weights{dtype=uint8}", "linear", ["quantize-weights"]),
        ("common::fuse_conv_batchnorm", "conv_batch_norm", ["fuse_conv_batchnorm"]),
        ("common::add_fp16_cast", "linear_fp32", ["add_fp16_cast"]),
    ],
)
def test_new_ops_remember_the_pass_that_made_them(text: str, name: str, scope: list[str]) -> None:
    program = PROGRAMS[name]()
    result = PassManager(parse_pipeline(f"program({text})")).run(program).program
    made_by_pass = new_ops(program, result)
    assert made_by_pass
    assert [graph_pass_scope_of(each) for each in made_by_pass] == [scope] * len(made_by_pass)


def test_op_in_the_place_of_a_constant_remembers_the_pass() -> None:
    result = run_passes(PROGRAMS["linear"](), QuantizeWeights())
    assert graph_pass_scope_of(find_op(result.program, "linear_weight_0")) == ["quantize-weights"]
    assert graph_pass_scope_of(find_op(result.program, "linear")) == []

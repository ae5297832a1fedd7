"""The pass manager: what runs on what, in which order, and what is said when it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, OptionError, PassFailure, TargetError
from milopt.ir.pymil import available_target, mb, opset_of, types
from milopt.ir.targets import IOS15
from milopt.ir.verifier import verify
from milopt.passes.base import UNCHANGED, Anchor, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.manager import PassManager
from milopt.passes.options import option
from milopt.passes.pipeline import Pipeline, program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.canonical import constants
from support.editing import find_op, ops_of_type
from support.passes import CHANGED, Note, NoteFunctions, doing, made, run_passes
from support.programs import PROGRAMS


def watching(
    into: list[Any], look: Callable[[Any, PassContext], Any], *, name: str = "Look", anchor: Anchor = "program"
) -> Pass:
    """A pass that changes nothing and remembers what it sees."""

    def run(root: Any, context: PassContext) -> Outcome:
        into.append(look(root, context))
        return UNCHANGED

    return made(name, run, anchor=anchor)


def nothing(_: Any) -> None:
    pass


def failing(_: Any) -> None:
    raise RuntimeError


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
    look = watching(seen, lambda root, _: str(opset_of(root)))
    run_passes(PROGRAMS["linear_fp32"](), look, RaiseOpset(target="iOS17"), look, RaiseOpset(target="iOS18"), look)
    assert seen == ["iOS15", "iOS17", "iOS18"]


def test_pass_on_functions_runs_once_for_each_in_their_order() -> None:
    seen: list[tuple[str, Any]] = []
    first = watching(seen, lambda root, context: (context.pass_name, root), name="First", anchor="function")
    second = watching(seen, lambda root, context: (context.pass_name, root), name="Second", anchor="function")
    result = PassManager(program_pipeline(Pipeline("function", (first, second)))).run(PROGRAMS["two_functions"]())
    encode, decode = result.program.functions.values()
    assert seen == [("first", encode), ("second", encode), ("first", decode), ("second", decode)]


def test_pipeline_on_functions_needs_no_program_around_it() -> None:
    seen: list[Any] = []
    look = watching(seen, lambda root, _: root, anchor="function")
    result = PassManager(Pipeline("function", (look,))).run(PROGRAMS["two_functions"]())
    assert seen == list(result.program.functions.values())


def test_pass_on_a_function_may_use_the_whole_program() -> None:
    seen: list[Any] = []
    look = watching(seen, lambda _, context: context.program, anchor="function")
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


# --- the verifier around each pass


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


@pytest.mark.parametrize(
    ("corrupt", "words"),
    [
        (repeated_name, "the name 'second' is defined twice"),
        (other_type, "is tensor<fp16, [10, 63]>, its inputs give"),
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
    assert text.startswith("pass 'break-it', function 'main'")
    assert ": the program is not valid after it: " in text
    assert words in text
    assert "\n" not in text


def test_pass_on_a_function_that_breaks_the_program_is_named() -> None:
    def run(root: Any, _: PassContext) -> Outcome:
        root.operations[-1].outputs[0].name = next(iter(root.inputs))
        return CHANGED

    pipeline = program_pipeline(Pipeline("function", (made("BreakIt", run, anchor="function"),)))
    with pytest.raises(PassFailure, match=r"^pass 'break-it', function 'encode'.* defined twice"):
        PassManager(pipeline).run(PROGRAMS["two_functions"]())


def test_number_of_further_faults_is_told() -> None:
    def corrupt(program: Any) -> None:
        other_type(program)
        forgotten_use(program)

    with pytest.raises(PassFailure, match=r"; \d+ more"):
        run_passes(PROGRAMS["linear_chain"](), doing(corrupt))


def test_pass_is_named_with_its_options() -> None:
    @attrs.frozen(kw_only=True)
    class BreakIt(Pass):
        how: str = option("gently", help="how")

        def run(self, root: Any, context: PassContext) -> Outcome:  # noqa: ARG002
            repeated_name(root)
            return CHANGED

    where = r"^pass 'break-it\{how=badly\}', function 'main', op 'second' \(linear\): "
    with pytest.raises(PassFailure, match=where + "the program is not valid after it"):
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
    assert text.startswith(f"pass 'fail-loudly': failed with {type(error).__name__}" + (f": {words}" if words else ""))
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

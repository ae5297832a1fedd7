"""The search for the smallest program that still shows what matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from milopt.ir.constants import is_constant
from milopt.ir.copying import copy_program
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError, ProgramError
from milopt.ir.pymil import mb
from milopt.ir.reducing.rebuilding import rebuild
from milopt.ir.reducing.reducers import REDUCERS
from milopt.ir.reducing.search import Progress, Reduction, reduce_program
from milopt.ir.reducing.sizes import size_of
from milopt.ir.targets import IOS17
from milopt.ir.text.printer import print_program
from milopt.ir.verifier import verify
from milopt.ir.walking import input_values, walk
from milopt.runtime.session import Session
from support.passes import doing, run_passes
from support.program_registry import build_program, fp16, weights
from support.programs import PROGRAMS
from support.refusals import refusal

Pair = tuple[str, str]
Test = Callable[[Any], bool]
# Programs of control flow, of states, of several outputs and functions, of compressed weights.
NAMES = (
    "linear_chain", "attention", "two_heads", "cond", "cond_in_loop", "while_loop", "states", "constants", "lists",
    "quantized_activations", "sub_byte_types", "states_written_only", "two_functions", "flexible_reshape", "variadic",
)  # fmt: skip


def kinds(program: Any) -> list[str]:
    """The types of all ops that are no constants."""
    return [operation.op_type for operation in walk(program) if not is_constant(operation.op_type)]


def pairs(program: Any) -> set[Pair]:
    """The types of ops that take from each other, constants left out."""
    taken = ((var.op, operation) for operation in walk(program) for _, var in input_values(operation))
    return {(maker.op_type, user.op_type) for maker, user in taken if maker is not None and maker.op_type != "const"}


def holding(pair: Pair) -> Test:
    return lambda program: pair in pairs(program)


def chain(length: int) -> Any:
    """Many layers; the only `softmax` that takes from a `tanh` stands in the middle."""

    def body(x: Any) -> Any:
        for index in range(length // 2):
            y = mb.add(x=mb.linear(x=x, weight=weights(40, 40, seed=index), name=f"linear_{index}"), y=x)
            x = mb.softmax(x=mb.tanh(x=y), axis=-1, name="core") if index == length // 4 else mb.relu(x=y)
        return x

    return build_program(body, IOS17, x=fp16(10, 40))


# --- what it finds


def test_large_program_shrinks_to_its_core() -> None:
    program = chain(660)
    reduction = reduce_program(program, holding(("tanh", "softmax")))
    assert reduction.before.ops == len(kinds(program)) > 980
    assert kinds(reduction.program) == ["tanh", "softmax"]
    assert reduction.after.ops == 2
    assert reduction.tests < 60  # a few for each time that the program can be halved
    assert not reduction.interrupted


def test_result_reads_well() -> None:
    reduction = reduce_program(chain(20), holding(("tanh", "softmax")))
    (function,) = reduction.program.functions.values()
    assert list(function.inputs) == ["x0"]
    assert [var.name for var in function.outputs] == ["x3"]
    constants = [operation.outputs[0].val for operation in walk(function) if operation.op_type == "const"]
    assert constants == [0]  # the axis, which was -1


@pytest.mark.parametrize("name", NAMES)
def test_no_op_of_the_result_can_go_alone(name: str) -> None:
    program = PROGRAMS[name]()
    removing = [reducer for reducer in REDUCERS if reducer.does.startswith(("cutting", "inlining", "bypassing"))]
    assert len(removing) == 3
    for pair in sorted(pairs(program))[:4]:
        is_interesting = holding(pair)
        result = reduce_program(program, is_interesting).program
        smaller = [candidate for reducer in removing for candidate in candidates(result, reducer.edits)]
        assert not any(map(is_interesting, smaller)), (pair, print_program(result))


def candidates(program: Any, edits: Callable[[Any], Iterator[Any]]) -> Iterator[Any]:
    """The well-formed programs with fewer ops that single edits make."""
    for edit in edits(program):
        try:
            candidate = rebuild(program, [edit])
        except MiloptError:
            continue
        if size_of(candidate).ops < size_of(program).ops and not verify(candidate):
            yield candidate


@pytest.mark.parametrize(
    ("name", "op_type"),
    [("cond_in_loop", "relu"), ("cond_in_loop", "mul"), ("while_loop", "less"), ("while_loop", "tanh"),
     ("cond", "linear"), ("two_functions", "matmul"), ("states_written_only", "coreml_update_state")],
)  # fmt: skip
def test_op_is_left_alone_wherever_it_stands(name: str, op_type: str) -> None:
    result = reduce_program(PROGRAMS[name](), lambda program: op_type in kinds(program)).program
    assert kinds(result) == [op_type]
    assert len(result.functions) == 1
    assert result.default_function_name in result.functions


def test_ops_between_those_that_matter_are_bypassed() -> None:
    def body(x: Any) -> Any:
        y = mb.exp(x=x)
        for _ in range(10):
            y = mb.add(x=mb.relu(x=y), y=mb.sigmoid(x=x))
        return mb.erf(x=y)

    def leads(program: Any) -> bool:
        last = next((operation for operation in walk(program) if operation.op_type == "erf"), None)
        before = [last] if last else []
        for operation in before:
            before += [var.op for _, var in input_values(operation) if var.op is not None]
        return any(operation.op_type == "exp" for operation in before)

    result = reduce_program(build_program(body, IOS17, x=fp16(3)), leads).program
    assert kinds(result) == ["exp", "erf"]


def test_what_does_not_matter_about_constants_and_inputs_goes() -> None:
    result = reduce_program(PROGRAMS["two_heads"](), lambda program: "linear" in kinds(program)).program
    (linear,) = [operation for operation in walk(result) if operation.op_type == "linear"]
    assert not np.any(linear.weight.val)
    assert linear.weight.shape[0] == 1  # the last axis must be that of the input
    assert not np.any(linear.bias.val)
    assert linear.bias.shape == (1,)


def test_sizes_do_not_become_zero() -> None:
    result = reduce_program(PROGRAMS["conv"](), lambda program: "conv" in kinds(program)).program
    (conv,) = [operation for operation in walk(result) if operation.op_type == "conv"]
    assert (conv.strides.val == 1).all()
    assert (conv.dilations.val == 1).all()
    assert not np.any(conv.weight.val)


def test_values_of_constants_stay_if_they_matter() -> None:
    def overflows(program: Any) -> bool:
        return any(np.any(np.abs(np.asarray(operation.outputs[0].val)) > 2) for operation in walk(program)
                   if operation.op_type == "const" and operation.outputs[0].val is not None
                   and operation.outputs[0].dtype.__name__ == "fp16")  # fmt: skip

    def body(x: Any) -> Any:
        return mb.relu(x=mb.mul(x=mb.add(x=x, y=np.full((3,), 7, np.float16)), y=np.float16(1.5)))

    result = reduce_program(build_program(body, IOS17, x=fp16(3)), overflows).program
    assert [np.asarray(op.outputs[0].val).tolist() for op in walk(result) if op.op_type == "const"] == [[7.0]]


# --- what may be asked


def test_predicate_may_run_passes() -> None:
    def broken(program: Any) -> None:
        for operation in walk(program):
            if operation.op_type == "softmax" and operation.x.op is not None and operation.x.op.op_type == "tanh":
                message = "a pass that does not know this"
                raise ValueError(message)

    def fails(program: Any) -> bool:
        try:
            run_passes(program, doing(broken))
        except MiloptError as error:
            return "does not know" in str(error)
        return False

    assert kinds(reduce_program(chain(60), fails).program) == ["tanh", "softmax"]


def test_predicate_may_verify_what_a_pass_leaves() -> None:
    def forget(program: Any) -> None:
        for operation in walk(program):
            if operation.op_type == "tanh":
                operation.outputs[0].name = operation.x.name

    def is_invalid(program: Any) -> bool:
        try:
            run_passes(program, doing(forget))
        except MiloptError:
            return True
        return False

    assert kinds(reduce_program(chain(60), is_invalid).program) == ["tanh"]


def test_predicate_may_run_the_program() -> None:
    def body(x: Any) -> Any:
        y = mb.sigmoid(x=mb.add(x=x, y=np.float16(1)))
        y = mb.exp(x=mb.mul(x=mb.exp(x=mb.mul(x=y, y=np.float16(2))), y=np.float16(2)))
        return mb.relu(x=mb.concat(values=[y, x], axis=0))

    def overflows(program: Any) -> bool:
        inputs = {name: np.ones(var.shape, np.float32) for name, var in program.functions["main"].inputs.items()}
        outputs = Session(program, precision="float16", threads=1).run(inputs)
        return any(np.isinf(value).any() for value in outputs.values())

    result = reduce_program(build_program(body, IOS17, x=fp16(3)), overflows).program
    assert "exp" in kinds(result)
    assert overflows(result)
    assert len(kinds(result)) <= 4


def test_faulty_program_shrinks_too() -> None:
    program = PROGRAMS["linear_chain"]()
    last = next(operation for operation in walk(program) if operation.name == "second")
    last.outputs[0].name = "relu"
    result = reduce_program(program, lambda each: bool(verify(each))).program
    assert verify(result)[0].message.endswith("is defined twice")
    assert len(kinds(result)) <= 2


# --- how it goes about it


def recorded(program: Any, is_interesting: Test) -> tuple[list[str], Reduction]:
    """The texts of all programs that were tested, and what was found."""
    seen = []

    def remember(candidate: Any) -> bool:
        assert verify(candidate) == []
        seen.append(print_program(candidate))
        return is_interesting(candidate)

    return seen, reduce_program(program, remember)


@pytest.mark.parametrize("name", ["attention", "cond_in_loop", "two_functions"])
def test_each_tested_program_is_well_formed_and_new(name: str) -> None:
    program = PROGRAMS[name]()
    kind = kinds(program)[-1]
    seen, reduction = recorded(program, lambda candidate: kind in kinds(candidate))
    assert len(seen) == len(set(seen)) == reduction.tests
    assert seen[0] == print_program(program)
    assert print_program(reduction.program) in seen


def test_every_run_is_the_same() -> None:
    first, second = (recorded(PROGRAMS["attention"](), holding(("softmax", "matmul")))[0] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_program_itself_is_not_changed(name: str) -> None:
    program = PROGRAMS[name]()
    before = copy_program(program)
    kind = kinds(program)[0]
    reduce_program(program, lambda candidate: kind in kinds(candidate))
    assert first_difference(before, program) is None
    assert verify(program) == []


def test_program_that_can_not_shrink_stays() -> None:
    program = PROGRAMS["linear_chain"]()
    text = print_program(program)
    reduction = reduce_program(program, lambda each: print_program(each) == text)
    assert print_program(reduction.program) == text
    assert reduction.before == reduction.after == size_of(program)


def test_progress_is_told_after_each_test() -> None:
    told: list[Progress] = []
    reduction = reduce_program(chain(40), holding(("tanh", "softmax")), progress=told.append)
    assert [each.tests for each in told] == list(range(2, reduction.tests + 1))
    assert told[-1].size == reduction.after
    assert sorted({each.size for each in told}, reverse=True) == list(dict.fromkeys(each.size for each in told))


def test_interrupt_gives_the_smallest_so_far() -> None:
    seen = []

    def impatient(program: Any) -> bool:
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(size_of(program))
        return ("tanh", "softmax") in pairs(program)

    reduction = reduce_program(chain(60), impatient)
    assert reduction.interrupted
    assert reduction.tests == 7
    assert 2 < reduction.after.ops < reduction.before.ops
    assert holding(("tanh", "softmax"))(reduction.program)


def test_program_that_is_not_interesting_is_refused() -> None:
    program = PROGRAMS["linear"]()
    refusal(lambda: reduce_program(program, lambda _: False), ProgramError, "nothing to reduce")

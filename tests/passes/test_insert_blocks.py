"""Quantized activations in branches and loops, with states, and in several functions."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from milopt.ir.equality import first_difference
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17, IOS18
from milopt.ir.text.reading import parse_program
from milopt.passes.analysis.activations import calibration_tensors
from milopt.passes.analysis.calibration.function_statistics import FunctionStatistics
from milopt.runtime.session import Session
from support.activations import counts, decibels, given, inserted, measured, statistics, statistics_of, values_in
from support.editing import find_op
from support.program_registry import build_program, state
from support.programs import fp16, int32, weights
from support.running import plausible

ALL = ({"tensor": "*", "low": -1.0, "high": 1.0},)


def linear(x: Any, name: str, seed: int = 0) -> Any:
    return mb.linear(x=x, weight=weights(8, 8, seed=seed), name=name)


def branches(x: Any, p: Any) -> Any:
    """Both branches take what is outside; one is two ops long."""
    first = mb.relu(x=linear(x, "first"), name="r")
    chosen = mb.cond(
        pred=mb.greater(x=mb.squeeze(x=p), y=0),
        _true_fn=lambda: linear(mb.tanh(x=linear(first, "then"), name="t"), "then_out", 1),
        _false_fn=lambda: linear(first, "else_out", 2),
        name="choice",
    )
    return linear(chosen, "last", 3)


def branching() -> Any:
    return build_program(branches, IOS17, x=fp16(10, 8), p=int32(1))


def test_a_value_from_outside_has_its_pair_outside() -> None:
    after = inserted(branching(), ranges=ALL)
    made = find_op(after, "then").x.op
    assert made is find_op(after, "else_out").x.op
    assert made.enclosing_block is after.functions["main"]


def test_a_value_of_a_branch_has_its_pair_there() -> None:
    after = inserted(branching(), ranges=ALL)
    made, choice = find_op(after, "then_out").x.op, find_op(after, "choice")
    assert made.op_type == "dequantize"
    assert made.enclosing_block is choice.blocks[0]


def test_what_a_branch_returns_stays_float_and_what_comes_of_it_gets_a_pair() -> None:
    after = inserted(branching(), ranges=ALL)
    choice = find_op(after, "choice")
    assert [block.outputs[0].op.op_type for block in choice.blocks] == ["linear", "linear"]
    assert find_op(after, "last").x.op.input.op.input is choice.outputs[0]
    assert counts(after)["quantize"] == 4
    assert first_difference(inserted(after, ranges=ALL), after) is None


def test_branches_compute_about_the_same() -> None:
    program = branching()
    rng = np.random.default_rng(0)
    samples = [{"x": plausible(rng, (10, 8), "float16"), "p": np.array([n % 2], np.int32)} for n in range(8)]
    after = inserted(program, calibration=measured(program, samples))
    for sample in samples[:2]:
        one, other = (Session(each).run(sample)["last"] for each in (program, after))
        assert decibels(one, other) > 25


def test_a_branch_that_was_never_taken_is_left_alone() -> None:
    program = branching()
    sample = {"x": np.ones((10, 8), np.float16), "p": np.array([1], np.int32)}
    after = inserted(program, calibration=measured(program, [sample]))
    assert find_op(after, "then_out").x.op.op_type == "dequantize"
    choice = find_op(after, "choice")
    assert choice.blocks[1].outputs[0].op.op_type == "linear"


def looping() -> Any:
    def body(x: Any, n: Any) -> Any:
        def step(i: Any, h: Any) -> Any:
            return mb.add(x=i, y=1), mb.tanh(x=linear(h, "step"), name="next")

        found = mb.while_loop(
            _cond=lambda i, h: mb.less(x=i, y=mb.squeeze(x=n)),  # noqa: ARG005 - the loop has two variables
            _body=step,
            loop_vars=(np.int32(0), mb.relu(x=linear(x, "first"), name="r")),
            name="loop",
        )
        return linear(found[1], "last")

    return build_program(body, IOS17, x=fp16(10, 8), n=int32(1))


def test_a_variable_of_a_loop_has_its_pair_at_the_beginning_of_the_body() -> None:
    after = inserted(looping(), ranges=ALL)
    loop = find_op(after, "loop")
    made = find_op(after, "step").x.op
    assert made.op_type == "dequantize"
    assert made.input.op.input is loop.blocks[1].inputs[1]
    assert made.enclosing_block is loop.blocks[1]
    assert loop.blocks[1].outputs[1].op.op_type == "tanh"
    assert find_op(after, "last").x.op.input.op.input is loop.outputs[1]
    assert first_difference(inserted(after, ranges=ALL), after) is None


def test_a_loop_computes_about_the_same() -> None:
    program = looping()
    rng = np.random.default_rng(0)
    samples = [{"x": plausible(rng, (10, 8), "float16"), "n": np.array([3], np.int32)} for _ in range(4)]
    names = calibration_tensors(program.functions["main"])
    assert "next" in names
    after = inserted(program, calibration=measured(program, samples), fixed_ranges=False)
    one, other = (Session(each).run(samples[0])["last"] for each in (program, after))
    assert decibels(one, other) > 25


def remembering() -> Any:
    def body(x: Any, memory: Any) -> Any:
        before = mb.read_state(input=memory, name="before")
        total = mb.add(x=before, y=x, name="sum")
        written = mb.coreml_update_state(state=memory, value=total, name="written")
        return linear(written, "last")

    return build_program(body, IOS18, x=fp16(10, 8), memory=state(10, 8))


def test_what_is_read_from_a_state_is_an_activation_and_what_is_written_stays_float() -> None:
    after = inserted(remembering(), ranges=ALL)
    assert find_op(after, "sum").x.op.input.op.input is find_op(after, "before").outputs[0]
    assert find_op(after, "written").value is find_op(after, "sum").outputs[0]
    assert find_op(after, "last").x.op.op_type == "dequantize"
    assert first_difference(inserted(after, ranges=ALL), after) is None


FUNCTIONS = """
program(1.3)
{
    func main<ios18>(tensor<fp16, [10, 8]> x, tensor<fp16, [10, 8]> y) {
        tensor<fp16, [10, 8]> z = add(x = x, y = y);
    } -> (z);
    func other<ios18>(tensor<fp16, [10, 8]> x, tensor<fp16, [10, 8]> y) {
        tensor<fp16, [10, 8]> z = add(x = x, y = y);
    } -> (z);
}
"""


def test_each_function_has_statistics_of_its_own() -> None:
    program = parse_program(FUNCTIONS)
    functions = {}
    for name, top in (("main", 127.0), ("other", 254.0)):
        values = values_in(program.functions[name])
        tensors = {each: statistics_of(values[each], -1.0, top) for each in ("x", "y")}
        functions[name] = FunctionStatistics(samples=1, tensors=tensors)
    found = attrs.evolve(statistics({}), functions=functions)
    after = inserted(program, calibration=found)
    scales = {name: function.outputs[0].op.x.op.scale.val for name, function in after.functions.items()}
    assert scales == {"main": 1.0, "other": 2.0}


def test_a_function_without_statistics_is_left_alone() -> None:
    program = parse_program(FUNCTIONS)
    after = inserted(program, calibration=given(program, x=(-1, 1), y=(-1, 1)))
    assert [each.outputs[0].op.x.op is None for each in after.functions.values()] == [False, True]

"""Values in branches and loops, compared with what the same program notes when Python runs it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import OptionError, RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS18, Opset
from milopt.runtime.observation import Histogram, Observe
from milopt.runtime.session import Session
from support.program_registry import build_program, int32
from support.program_registry import state as make_state
from support.running import program_of

X = np.float32([[1, -2, 3], [4, 5, -6]])
Notes = dict[str, list[np.ndarray]]


def session_of(body: Callable[..., Any], observe: Observe, opset: Opset = IOS15, **inputs: np.ndarray) -> Session:
    return Session(program_of(body, opset, inputs, symbolic=False), observe=observe)


def nested(n: Any, x: Any) -> Any:
    """A loop whose body holds a branch, one arm of which holds a loop."""

    def odd_arm(i: Any, y: Any) -> Any:
        return mb.while_loop(
            _cond=lambda j, _: mb.less(x=j, y=i, name="inner_asked"),
            _body=lambda j, z: (mb.add(x=j, y=1), mb.add(x=z, y=1.0, name="inner_sum")),
            loop_vars=(np.int32(0), y),
        )[1]

    def step(i: Any, y: Any) -> tuple[Any, Any]:
        halved = mb.mul(x=y, y=0.5, name="halved")
        odd = mb.equal(x=mb.mod(x=i, y=2), y=1, name="odd")
        chosen = mb.cond(
            pred=odd, _true_fn=lambda: odd_arm(i, halved), _false_fn=lambda: mb.sub(x=x, y=halved, name="even_arm")
        )
        return mb.add(x=i, y=1), mb.identity(x=chosen, name="chosen")

    limit = mb.squeeze(x=n)
    looped = mb.while_loop(
        _cond=lambda i, _: mb.less(x=i, y=limit, name="asked"), _body=step, loop_vars=(np.int32(0), x)
    )
    return mb.relu(x=looped[1], name="last")


def noted(n: int, x: np.ndarray) -> tuple[np.ndarray, Notes]:
    """The same in Python: the output, and what each name held, each time."""
    notes: Notes = defaultdict(list)

    def note(name: str, value: Any) -> Any:
        notes[name].append(np.asarray(value))
        return value

    i, y = 0, x
    while note("asked", i < n):
        halved = note("halved", y * np.float32(0.5))
        if note("odd", i % 2 == 1):
            j = 0
            while note("inner_asked", j < i):
                halved, j = note("inner_sum", halved + np.float32(1)), j + 1
            y = halved
        else:
            y = note("even_arm", x - halved)
        note("chosen", y)
        i += 1
    return np.maximum(y, 0), notes


INSIDE = ["asked", "halved", "odd", "inner_asked", "inner_sum", "even_arm", "chosen"]


@pytest.mark.parametrize("times", [0, 1, 2, 5])
def test_values_are_those_of_each_time_in_order(times: int) -> None:
    session = session_of(nested, [*INSIDE, "last"], n=np.int32([0]), x=X)
    expected, notes = noted(times, X)

    outputs, observed = session.run_observed({"n": np.int32([times]), "x": X})

    np.testing.assert_array_equal(outputs["last"], expected)
    np.testing.assert_array_equal(observed["last"]["value"], expected)
    for name in INSIDE:
        value = observed[name]["value"]
        shape = X.shape if name in ("halved", "inner_sum", "even_arm", "chosen") else ()
        assert value.shape == (len(notes[name]), *shape), name
        assert value.dtype == (np.float32 if shape else bool)
        np.testing.assert_array_equal(value, np.reshape(notes[name], value.shape), err_msg=name)


@pytest.mark.parametrize("times", [0, 3])
def test_reductions_have_an_entry_for_each_time(times: int) -> None:
    wanted = {
        "min": np.min,
        "max": np.max,
        "absmax": lambda x: np.abs(x).max(),
        "mean": np.mean,
        "mean_square": lambda x: np.square(x).mean(),
        "not_finite": lambda x: x.size - np.isfinite(x).sum(),
        "histogram": lambda x: np.histogram(np.clip(x, -5, 4), bins=3, range=(-5, 4))[0],
    }
    statistics = [*list(wanted)[:-1], Histogram(-5, 4, 3)]
    session = session_of(nested, {"chosen": statistics, "inner_sum": statistics}, n=np.int32([0]), x=X)
    _, notes = noted(times, X)

    observed = session.run_observed({"n": np.int32([times]), "x": X})[1]

    for name in ("chosen", "inner_sum"):
        for statistic, function in wanted.items():
            found = observed[name][statistic]
            assert found.shape == (len(notes[name]), *((3,) if statistic == "histogram" else ()))
            assert found.dtype == (np.int64 if statistic in ("not_finite", "histogram") else np.float32)
            np.testing.assert_allclose(found, np.reshape([function(x) for x in notes[name]], found.shape), rtol=1e-6)


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize("constant", [True, False])
def test_a_branch_that_is_not_taken_gives_no_entry(*, chosen: bool, constant: bool) -> None:
    def body(p: Any, x: Any) -> Any:
        return mb.cond(
            pred=chosen if constant else mb.squeeze(x=mb.cast(x=p, dtype="bool")),
            _true_fn=lambda: mb.add(x=x, y=1.0, name="yes"),
            _false_fn=lambda: mb.mul(x=mb.exp(x=x, name="no"), y=2.0),
        )

    session = session_of(body, {"yes": ["value", "max"], "no": ["value", "max"]}, p=np.int32([0]), x=X)

    observed = session.run_observed({"p": np.int32([chosen]), "x": X})[1]

    taken, other = ("yes", "no") if chosen else ("no", "yes")
    value = X + 1 if chosen else np.exp(X)
    np.testing.assert_allclose(observed[taken]["value"], [value], rtol=1e-6)
    np.testing.assert_allclose(observed[taken]["max"], [value.max()], rtol=1e-6)
    assert {name: each.shape for name, each in observed[other].items()} == {"value": (0, *X.shape), "max": (0,)}


def test_what_is_asked_for_twice_is_noted_once() -> None:
    inputs = {"n": np.int32([2]), "x": X}
    session = session_of(nested, {"halved": ["max", "max"]}, **inputs)

    assert session.run_observed(inputs)[1]["halved"]["max"].shape == (2,)


def test_variables_of_a_loop_are_those_of_its_body() -> None:
    def body(x: Any) -> Any:
        return mb.while_loop(
            _cond=lambda y: mb.less(x=mb.reduce_max(x=y, name="before"), y=40.0),
            _body=lambda y: mb.mul(x=y, y=2.0),
            loop_vars=(x,),
        )

    observed = session_of(body, ["x", "x_x0", "before"], x=X).run_observed({"x": X})[1]

    np.testing.assert_array_equal(observed["x"]["value"], X)
    np.testing.assert_array_equal(observed["x_x0"]["value"], [X, 2 * X, 4 * X])
    np.testing.assert_array_equal(observed["before"]["value"], [5, 10, 20, 40])


def growing(n: Any, x: Any) -> Any:
    limit = mb.squeeze(x=n)
    return mb.while_loop(
        _cond=lambda i, _: mb.less(x=i, y=limit),
        _body=lambda i, y: (mb.add(x=i, y=1), mb.concat(values=[y, x], axis=0, name="grown")),
        loop_vars=(np.int32(0), x),
    )[1]


def test_a_shape_that_changes_has_reductions_but_no_single_value() -> None:
    inputs = {"n": np.int32([3]), "x": X}
    reductions = session_of(growing, {"grown": ["max", "mean"]}, **inputs).run_observed(inputs)[1]["grown"]
    session = session_of(growing, ["grown"], **inputs)

    np.testing.assert_array_equal(reductions["max"], [5, 5, 5])
    np.testing.assert_allclose(reductions["mean"], [X.mean()] * 3, rtol=1e-6)
    message = "value 'grown' has not one shape in all iterations: [4, 3], [6, 3] (observe its min and max"
    with pytest.raises(RunError, match=re.escape(message)):
        session.run_observed(inputs)
    entries = session.run_entries(inputs)[1]["grown"]["value"]
    assert [entry.shape for entry in entries] == [(4, 3), (6, 3), (8, 3)]
    np.testing.assert_array_equal(entries[2], np.concatenate([X] * 4))
    once = session.run_observed({"n": np.int32([1]), "x": X})[1]
    assert once["grown"]["value"].shape == (1, 4, 3)
    never = session.run_observed({"n": np.int32([0]), "x": X})[1]
    assert never["grown"]["value"].shape == (0, 0, 3)


def test_halves_in_loops_are_given_as_halves_and_as_they_lie_in_single_precision() -> None:
    def body(n: Any, x: Any) -> Any:
        limit = mb.squeeze(x=n)
        return mb.while_loop(
            _cond=lambda i, _: mb.less(x=i, y=limit),
            _body=lambda i, y: (mb.add(x=i, y=1), mb.mul(x=y, y=np.float16(1.1), name="product")),
            loop_vars=(np.int32(0), x),
        )[1]

    inputs = {"n": np.int32([2]), "x": np.float16([1, 3])}
    session = session_of(body, ["product"], IOS18, **inputs)

    value = session.run_observed(inputs)[1]["product"]["value"]
    entries = session.run_entries(inputs)[1]["product"]["value"]

    factor = np.float32(np.float16(1.1))
    expected = [np.float32([1, 3]) * factor, np.float32([1, 3]) * factor * factor]
    assert (value.dtype, value.shape) == (np.float16, (2, 2))
    np.testing.assert_array_equal(value, np.float16(expected))
    assert [entry.dtype for entry in entries] == [np.float32] * 2
    np.testing.assert_allclose(entries, expected, rtol=1e-7)
    assert (np.float32(value) != entries).any()


def test_states_and_observed_values_leave_a_loop_side_by_side() -> None:
    def body(n: Any, total: Any) -> Any:
        limit = mb.squeeze(x=n)

        def step(i: Any) -> Any:
            more = mb.add(x=mb.read_state(input=total), y=np.float16([1, 10]), name="more")
            mb.coreml_update_state(state=total, value=more)
            return mb.add(x=i, y=1)

        mb.while_loop(_cond=lambda i: mb.less(x=i, y=limit), _body=step, loop_vars=(np.int32(0),))
        return mb.read_state(input=total, name="result")

    program = build_program(body, IOS18, n=int32(1), total=make_state(2))
    session = Session(program, observe={"more": ["value", "max"]})
    state = session.make_state()

    for run in range(2):
        outputs, observed = session.run_observed({"n": np.int32([3])}, state)

        np.testing.assert_array_equal(outputs["result"], np.float16([1, 10]) * 3 * (run + 1))
        expected = np.float16([[1, 10], [2, 20], [3, 30]]) + np.float16([3, 30]) * run
        np.testing.assert_array_equal(observed["more"]["value"], expected)
        np.testing.assert_array_equal(observed["more"]["max"], expected.max(1))


def test_observing_inside_changes_no_output() -> None:
    inputs = {"n": np.int32([4]), "x": X}

    plain = session_of(nested, [], **inputs).run(inputs)
    watched = session_of(nested, dict.fromkeys(INSIDE, ("min", "value")), **inputs).run(inputs)

    np.testing.assert_array_equal(plain["last"], watched["last"])


def test_constants_inside_can_not_be_observed() -> None:
    def body(x: Any) -> Any:
        return mb.while_loop(
            _cond=lambda y: mb.less(x=mb.reduce_max(x=y), y=40.0),
            _body=lambda y: mb.mul(x=y, y=mb.const(val=np.float32(2), name="two")),
            loop_vars=(x,),
        )

    with pytest.raises(OptionError, match=r"no value 'two' to observe \(constants can not be observed\)"):
        session_of(body, ["two"], x=X)


def test_a_branch_that_is_not_taken_copies_no_entry() -> None:
    """ONNX Runtime's Identity of a sequence copies all of it, which takes quadratic time in a loop."""

    def body(p: Any, x: Any) -> Any:
        pred = mb.squeeze(x=mb.cast(x=p, dtype="bool"))
        return mb.cond(pred=pred, _true_fn=lambda: mb.exp(x=x, name="yes"), _false_fn=lambda: mb.abs(x=x))

    nodes = session_of(body, ["yes"], p=np.int32([0]), x=X).lowered.graph.main.nodes
    (branches,) = (node.attributes for node in nodes if node.op_type == "If")

    assert [node.op_type for node in branches["then_branch"].nodes] == ["Exp", "SequenceInsert"]
    assert [node.op_type for node in branches["else_branch"].nodes] == ["Abs", "SequenceInsert", "SequenceErase"]

from __future__ import annotations

from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.runtime import Session, State
from support.packages import Shelf
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(1, 40)).astype(np.float16)


@pytest.mark.parametrize("as_program", [False, True])
def test_a_state_is_carried_from_run_to_run(shelf: Shelf, *, as_program: bool) -> None:
    model = milopt.load(shelf["states"])
    session = Session(model.program if as_program else model)
    state = session.make_state()

    assert [str(feature) for feature in session.states] == ["float16[1, 64]"]
    np.testing.assert_array_equal(state["cache"], np.zeros((1, 64), np.float16))
    runs = [session.run({"x": X}, state)["twice"] for _ in range(3)]

    assert state["cache"].dtype == np.float16
    np.testing.assert_allclose(runs[2], 3 * runs[0].astype(np.float32), rtol=1e-3)
    np.testing.assert_allclose(state["cache"], runs[2] / 2, rtol=1e-3)
    np.testing.assert_array_equal(session.run({"x": X}, session.make_state())["twice"], runs[0])


def test_several_states_by_name(shelf: Shelf) -> None:
    session = Session(shelf["states_written_only"])
    state = session.make_state()

    session.run({"x": X}, state)
    (old,) = session.run({"x": X}, state).values()

    assert (list(state), len(state), "first" in state, "third" in state) == (["first", "second"], 2, True, False)
    np.testing.assert_array_equal(state["first"], X)
    np.testing.assert_array_equal(state["second"], 2 * X)
    np.testing.assert_array_equal(old, np.maximum(X, 0))


def test_a_state_can_be_set(shelf: Shelf) -> None:
    session = Session(shelf["states"])
    zero, set_before = session.make_state(), session.make_state()
    value = np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 64)

    set_before["cache"] = value

    np.testing.assert_array_equal(set_before["cache"], value.astype(np.float16))
    difference = session.run({"x": X}, set_before)["twice"] - session.run({"x": X}, zero)["twice"]
    np.testing.assert_allclose(difference, 2 * value, atol=2e-2)


def test_what_is_read_is_a_copy(shelf: Shelf) -> None:
    state = Session(shelf["states"]).make_state()
    state["cache"][:] = 5
    assert not state["cache"].any()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cache", np.zeros((1, 63)), r"state 'cache': it has the shape \[1, 63\] \(the model takes float16\[1, 64\]\)"),
        ("cache", np.zeros((1, 64), bool), "state 'cache': it is an array of bool"),
        ("cash", np.zeros((1, 64)), r"there is no state 'cash' \(did you mean 'cache'\?\)"),
        ("zzz", np.zeros((1, 64)), r"there is no state 'zzz' \(the states are cache\)"),
    ],
)
def test_what_does_not_fit_a_state_is_refused(shelf: Shelf, name: str, value: Any, message: str) -> None:
    state = Session(shelf["states"]).make_state()
    refusal(lambda: state.__setitem__(name, value), RunError, message)
    assert not state["cache"].any()


def test_an_unknown_state_can_not_be_read(shelf: Shelf) -> None:
    refusal(lambda: Session(shelf["states"]).make_state()["cash"], RunError, "there is no state 'cash'")


def test_a_stateful_model_needs_a_state_of_its_own(shelf: Shelf) -> None:
    session, other = Session(shelf["states"]), Session(shelf["states"])

    refusal(lambda: session.run({"x": X}), RunError, r"needs its states 'cache' \(hand what make_state\(\) gives")
    refusal(lambda: session.run({"x": X}, other.make_state()), RunError, "belongs to another session")


def test_a_failed_run_leaves_the_state_as_it_was(shelf: Shelf) -> None:
    session = Session(shelf["states"])
    state = session.make_state()
    session.run({"x": X}, state)
    before = state["cache"]

    refusal(lambda: session.run({"x": X[:, :3]}, state), RunError, "input 'x'")

    np.testing.assert_array_equal(state["cache"], before)


def test_a_model_without_states_has_an_empty_one(shelf: Shelf) -> None:
    session = Session(shelf["linear"])
    state = session.make_state()

    assert isinstance(state, State)
    assert (list(state), session.states) == ([], ())
    assert session.run({"x": np.zeros((10, 40))}, state)["linear"].shape == (10, 64)
    refusal(lambda: state["cache"], RunError, "there is no state 'cache'$")

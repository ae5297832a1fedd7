from __future__ import annotations

import gc
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import MiloptError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.runtime.executable import Executable
from milopt.runtime.lower import lower_function
from milopt.runtime.observation import Histogram, Observe, requested
from milopt.runtime.session import Session
from support.running import program_of

X = np.random.default_rng(0).normal(scale=3, size=(3, 5, 70)).astype(np.float32)


def body(x: Any) -> Any:
    """Two values between the input and the output, and one that is not used."""
    middle = mb.sub(x=mb.mul(x=x, y=np.float32(2), name="doubled"), y=np.float32(1), name="middle")
    mb.exp(x=middle, name="aside")
    return mb.cast(x=mb.greater(x=middle, y=np.float32(0), name="positive"), dtype="int32", name="flags")


def observed(observe: Observe, *, symbolic: bool = False) -> dict[str, dict[str, np.ndarray]]:
    function = program_of(body, IOS17, {"x": X}, symbolic=symbolic).functions["main"]
    found = Executable(lower_function(function, observe=requested(observe))).run({"x": X})[2]
    return {value: {name: each.joined() for name, each in statistics.items()} for value, statistics in found.items()}


@pytest.mark.parametrize("symbolic", [False, True])
def test_reductions_are_those_of_the_value(*, symbolic: bool) -> None:
    found = observed({"middle": ["min", "max", "absmax", "mean", "mean_square", "value"]}, symbolic=symbolic)["middle"]

    value = found["value"]
    np.testing.assert_allclose(value, 2 * X - 1, rtol=1e-6)
    assert (found["min"], found["max"], found["absmax"]) == (value.min(), value.max(), np.abs(value).max())
    np.testing.assert_allclose(found["mean"], value.mean(dtype=np.float64), rtol=1e-5)
    np.testing.assert_allclose(found["mean_square"], np.square(value, dtype=np.float64).mean(), rtol=1e-5)


def test_names_alone_give_the_values() -> None:
    found = observed(["doubled", "flags", "positive", "x"])

    assert {name: list(each) for name, each in found.items()} == {
        name: ["value"] for name in ("x", "doubled", "positive", "flags")
    }
    np.testing.assert_array_equal(found["positive"]["value"], found["flags"]["value"] != 0)


def test_a_value_that_nothing_uses_can_be_observed() -> None:
    np.testing.assert_allclose(observed("aside")["aside"]["value"], np.exp(2 * X - 1), rtol=1e-5)


def test_histogram_counts_what_numpy_counts_and_puts_the_rest_into_the_outer_bins() -> None:
    histogram = Histogram(low=-4, high=6, bins=40)

    counts = observed({"middle": [histogram]})["middle"]["histogram"]

    expected, _ = np.histogram(
        np.clip(2 * X - 1, -4, np.nextafter(np.float32(6), np.float32(0))), bins=40, range=(-4, 6)
    )
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, expected)


def test_integers_and_truth_values_have_extremes() -> None:
    found = observed({"flags": ["min", "max"], "positive": ["min", "max"]})

    assert {name: (int(each["min"]), int(each["max"])) for name, each in found.items()} == {
        "flags": (0, 1),
        "positive": (0, 1),
    }


@pytest.mark.parametrize("bad", [[np.nan], [np.inf, -np.inf], [-np.inf], [np.inf, np.nan, np.nan], []])
def test_elements_that_are_not_finite_are_counted_and_left_out(bad: list[float]) -> None:
    x = X.copy()
    x.reshape(-1)[7 : 7 + len(bad)] = bad
    function = program_of(body, IOS17, {"x": x}, symbolic=False).functions["main"]
    wanted = ("finite_min", "finite_max", "not_finite", "elements", "mean")
    entries = Executable(lower_function(function, observe=requested({"middle": wanted}))).run({"x": x})[2]["middle"]
    low, high, count, elements, mean = (entries[name].joined() for name in wanted)

    finite = (2 * x - 1)[np.isfinite(x)]
    assert (low, high, count, elements) == (finite.min(), finite.max(), len(bad), x.size)
    assert count.dtype == np.int64
    assert np.isfinite(mean) == (not bad)  # which is how to find out whether there is more to ask


def test_nothing_finite_has_no_extremes() -> None:
    x = np.full_like(X, np.nan)
    session = Session(program_of(body, IOS17, {"x": x}, symbolic=False), observe={"x": ["finite_min", "finite_max"]})

    assert session.run_observed({"x": x})[1]["x"] == {"finite_min": np.inf, "finite_max": -np.inf}


def test_entries_lie_in_memory_of_their_own_that_is_not_copied() -> None:
    session = Session(program_of(body, IOS17, {"x": X}, symbolic=False), observe=["middle", "positive"])
    entries = session.run_entries({"x": X})[1]
    for number in range(5):
        session.run_entries({"x": X + number})
    del session
    gc.collect()

    (middle,), (positive,) = (entries[name]["value"] for name in ("middle", "positive"))
    assert (middle.flags.owndata, middle.flags.writeable) == (False, False)
    np.testing.assert_allclose(middle, 2 * X - 1, rtol=1e-6)
    assert positive.dtype == bool
    np.testing.assert_array_equal(positive, 2 * X > 1)


def test_weights_that_are_fed_reach_runs_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milopt.runtime.engine.FED_BYTES", 0)
    monkeypatch.setattr("milopt.runtime.engine.HANDED_BYTES", 0)
    weight = np.random.default_rng(1).normal(size=(70, 4)).astype(np.float32)
    program = program_of(lambda x: mb.relu(x=mb.matmul(x=x, y=weight, name="y")), IOS17, {"x": X}, symbolic=False)

    (entry,) = Session(program, observe=["y"]).run_entries({"x": X})[1]["y"]["value"]

    np.testing.assert_allclose(entry, X @ weight, rtol=1e-4, atol=1e-4)


def test_what_a_user_observes_is_his_own() -> None:
    session = Session(program_of(body, IOS17, {"x": X}, symbolic=False), observe=["middle"])

    value = session.run_observed({"x": X})[1]["middle"]["value"]

    assert value.flags.writeable


def test_entries_of_halves_are_not_rounded() -> None:
    x = X.astype(np.float16)
    program = program_of(lambda x: mb.exp(x=x, name="y"), IOS17, {"x": x}, symbolic=False)
    session = Session(program, observe=["y"])

    (entry,) = session.run_entries({"x": x})[1]["y"]["value"]

    assert entry.dtype == np.float32
    np.testing.assert_allclose(entry, np.exp(np.float32(x)), rtol=1e-6)
    rounded = session.run_observed({"x": x})[1]["y"]["value"]
    np.testing.assert_array_equal(rounded, entry.astype(np.float16))
    assert (rounded != entry).any()


def test_observing_changes_no_output() -> None:
    function = program_of(body, IOS17, {"x": X}, symbolic=False).functions["main"]
    plain = Executable(lower_function(function)).run({"x": X})[0]
    watched = Executable(lower_function(function, observe=requested({"middle": ["min", "value"]}))).run({"x": X})[0]

    np.testing.assert_array_equal(plain["flags"], watched["flags"])


@pytest.mark.parametrize(
    ("observe", "message"),
    [
        (["midle"], "there is no value 'midle' to observe (did you mean 'middle'?)"),
        ({"middle": ["maximum"]}, "unknown statistic 'maximum' of 'middle' (did you mean 'max'?)"),
        ({"middle": ["x"]}, "one of value, min, max, absmax, mean, mean_square, finite_min, finite_max, elements"),
    ],
)
def test_what_can_not_be_observed_is_refused(observe: Observe, message: str) -> None:
    with pytest.raises(MiloptError, match=re.escape(message)):
        observed(observe)


@pytest.mark.parametrize(("low", "high", "bins"), [(1, 1, 8), (2, 1, 8), (0, 1, 0), (0, np.inf, 8), (0, np.nan, 8)])
def test_an_empty_histogram_is_refused(low: float, high: float, bins: int) -> None:
    with pytest.raises(MiloptError, match=re.escape(f"a histogram of {bins} bins")):
        Histogram(low=low, high=high, bins=bins)


# Runs forty values of 4 MB, one after the other, thrice, and prints by how many MB the process grew at its peak.
GROWTH = """
import resource, sys
import numpy as np
from milopt.ir.pymil import available_target, mb
from milopt.ir.targets import IOS15
from milopt.runtime.session import Session

@mb.program(input_specs=[mb.TensorSpec((1000, 1000))], opset_version=available_target(IOS15))
def program(x):
    for index in range(40):
        x = mb.sin(x=x, name=f"value_{index}")
    return x

names = [f"value_{index}" for index in range(39)] if sys.argv[1] == "observed" else []
session = Session(program, observe=dict.fromkeys(names, ("min", "max", "mean")))
(name,) = (each.name for each in session.inputs)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
for _ in range(3):
    assert len(session.run_observed({name: np.zeros((1000, 1000), np.float32)})[1]) == len(names)
print((peak() - before) / (1e3 if sys.platform == "linux" else 1e6))
"""


def test_memory_does_not_grow_with_what_is_observed() -> None:
    plain, watched = (
        float(subprocess.run([sys.executable, "-c", GROWTH, mode], check=True, capture_output=True, text=True).stdout)  # noqa: S603 - our own code
        for mode in ("plain", "observed")
    )

    assert watched < plain + 20  # to keep all values would take 160

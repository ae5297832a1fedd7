from __future__ import annotations

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
from support.running import program_of

X = np.random.default_rng(0).normal(scale=3, size=(3, 5, 70)).astype(np.float32)


def body(x: Any) -> Any:
    """Two values between the input and the output, and one that is not used."""
    middle = mb.sub(x=mb.mul(x=x, y=np.float32(2), name="doubled"), y=np.float32(1), name="middle")
    mb.exp(x=middle, name="aside")
    return mb.cast(x=mb.greater(x=middle, y=np.float32(0), name="positive"), dtype="int32", name="flags")


def observed(observe: Observe, *, symbolic: bool = False) -> dict[str, dict[str, np.ndarray]]:
    function = program_of(body, IOS17, {"x": X}, symbolic=symbolic).functions["main"]
    return Executable(lower_function(function, observe=requested(observe))).run({"x": X})[2]


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
        ({"middle": ["x"]}, "one of value, min, max, absmax, mean, mean_square, histogram"),
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

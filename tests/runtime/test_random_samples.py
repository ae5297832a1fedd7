"""Random samples for functions: they are what a function takes, and the same ones each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import OptionError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.runtime.random_samples import RandomSamples
from milopt.runtime.session import Session
from support.program_registry import build_program, int32
from support.programs import PROGRAMS


def main_of(name: str) -> Any:
    return next(iter(PROGRAMS[name]().functions.values()))


@pytest.mark.parametrize("name", ["linear", "embedding", "states", "cond", "flexible", "while_loop"])
def test_samples_are_what_the_function_takes(name: str) -> None:
    session = Session(PROGRAMS[name]())
    samples = RandomSamples(main_of(name), 3)
    assert len(samples) == len(list(samples)) == 3
    for sample in samples:
        assert session.run(sample, session.make_state() if session.states else None)


def test_samples_are_the_same_ones_each_time_and_differ_by_seed() -> None:
    samples = RandomSamples(main_of("linear"), 2)
    first, again = ([each["x"] for each in samples] for _ in range(2))
    other = [each["x"] for each in RandomSamples(main_of("linear"), 2, seed=1)]
    assert np.array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


def test_floats_are_normal() -> None:
    values = np.concatenate([each["x"].reshape(-1) for each in RandomSamples(main_of("conv"), 4)]).astype(np.float64)
    assert abs(values.mean()) < 0.05
    assert abs(values.std() - 1) < 0.05


@pytest.mark.parametrize("reshaped", [False, True], ids=["directly", "reshaped-first"])
def test_indices_reach_over_what_they_index(*, reshaped: bool) -> None:
    def body(ids: Any) -> Any:
        ids = mb.expand_dims(x=ids, axes=[0]) if reshaped else ids
        return mb.gather(x=np.zeros((1, 7), np.float16), indices=ids, axis=1)

    function = build_program(body, IOS17, ids=int32(500)).functions["main"]
    (sample,) = RandomSamples(function, 1)
    assert set(np.unique(sample["ids"])) == set(range(7))


def test_other_whole_numbers_are_zero_and_one() -> None:
    function = build_program(lambda x: mb.add(x=x, y=np.int32(3)), IOS17, x=int32(100)).functions["main"]
    (sample,) = RandomSamples(function, 1)
    assert set(np.unique(sample["x"])) == {0, 1}


def test_unknown_sizes_are_as_asked_for() -> None:
    assert RandomSamples(main_of("flexible"), 1).depends_on_size
    assert not RandomSamples(main_of("linear"), 1).depends_on_size
    (sample,) = RandomSamples(main_of("flexible"), 1, size=5)
    assert sample["x"].shape == (5, 40)


@pytest.mark.parametrize("count", [0, -1])
def test_no_samples_are_refused(count: int) -> None:
    with pytest.raises(OptionError, match=f"^{count} samples are none$"):
        RandomSamples(main_of("linear"), count)

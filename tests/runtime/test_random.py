from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15
from milopt.runtime.session import Session
from support.running import program_of, run

SHAPE = np.int32([100, 1000])
# Each distribution with its mean and its variance.
DISTRIBUTIONS: dict[str, tuple[Callable[..., Any], float, float]] = {
    "bernoulli": (lambda shape, **more: mb.random_bernoulli(shape=shape, prob=0.25, **more), 0.25, 0.1875),
    "normal": (lambda shape, **more: mb.random_normal(shape=shape, mean=-2.0, stddev=3.0, **more), -2, 9),
    "uniform": (lambda shape, **more: mb.random_uniform(shape=shape, low=-1.0, high=5.0, **more), 2, 3),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("seed", [-1, 0, 1, 7, 2**31 - 1])
def test_mean_and_variance(name: str, seed: int) -> None:
    op, mean, variance = DISTRIBUTIONS[name]

    constant, computed = run(lambda n: [op([100, 1000], seed=seed), op(n, seed=seed)], n=SHAPE)

    for y in (constant, computed):
        assert y.shape == (100, 1000)
        assert y.dtype == np.float32
        # Five standard errors of 100000 samples; those of the variances of all three are below 0.5 % of it.
        assert abs(y.mean() - mean) < 5 * (variance / y.size) ** 0.5
        assert abs(y.var() / variance - 1) < 0.025


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, "categorical"])
def test_a_seed_gives_the_same_sequence_in_every_session(name: str) -> None:
    def body(n: Any) -> Any:
        if name == "categorical":
            return mb.random_categorical(x=mb.fill(shape=n), size=50, seed=5)
        return DISTRIBUTIONS[name][0](n, seed=5)

    arrays = {"n": np.int32([5, 10])}
    program = program_of(body, IOS15, arrays, symbolic=False)
    first, second = Session(program), Session(program)

    sequences = [[next(iter(each.run(arrays).values())) for _ in range(2)] for each in (first, second)]

    np.testing.assert_array_equal(*sequences)
    assert not np.array_equal(*sequences[0])  # one run after the other continues it


def test_seeds_give_sequences_that_differ_from_the_first_number_on() -> None:
    firsts = run(lambda n: [mb.random_uniform(shape=n, seed=seed) for seed in range(64)], n=np.int32([1]))

    # ONNX Runtime's own would all lie below 0.001.
    assert len({float(first[0]) for first in firsts}) == 64
    assert abs(np.mean(firsts) - 0.5) < 0.15


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_uniform_numbers_stay_below_their_bound_in_fp16(precision: Any) -> None:
    def body(n: Any) -> Any:
        return mb.random_uniform(shape=n, low=np.float16(0), high=np.float16(1), seed=1)

    (y,) = run(body, n=SHAPE, precision=precision)

    assert y.dtype == np.float16
    assert y.min() >= 0
    assert y.max() == np.float16(0.9995)


def test_distributions_of_one_value() -> None:
    def body(n: Any) -> Any:
        return [
            mb.random_bernoulli(shape=n, prob=1.0),
            mb.random_bernoulli(shape=n, prob=np.float16(0)),
            mb.random_normal(shape=n, mean=1.5, stddev=0.0),
            mb.random_normal(shape=[2, 3], mean=np.float16(1.5), stddev=np.float16(0)),
            mb.random_uniform(shape=n, low=2.5, high=2.5),
        ]

    for y, value in zip(run(body, n=np.int32([2, 3])), (1, 0, 1.5, 1.5, 2.5), strict=True):
        np.testing.assert_array_equal(y, np.full((2, 3), value))


def test_a_shape_of_unknown_length() -> None:
    (y,) = run(lambda n: mb.random_normal(shape=n, seed=2), n=np.int32([2, 3, 5]), symbolic=True)

    assert y.shape == (2, 3, 5)


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (lambda n: mb.random_normal(shape=n, mean=0.0, stddev=-1.0), "stddev is negative"),
        (lambda n: mb.random_uniform(shape=n, low=1.0, high=0.0), "high is less than low"),
    ],
)
def test_distributions_that_are_none_are_refused(op: Callable[[Any], Any], reason: str) -> None:
    with pytest.raises(RunError, match=reason):
        run(op, n=SHAPE)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_categories_are_as_frequent_as_they_are_probable(mode: str, *, symbolic: bool) -> None:
    weights = np.float32([[[1, 2, 0, 5], [4, 4, 4, 4], [0, 0, 3, 0]]])
    x = weights if mode == "probs" else np.log(np.maximum(weights, 1e-30))

    (y,) = run(lambda x: mb.random_categorical(x=x, mode=mode, size=20000, seed=3), x=x, symbolic=symbolic)

    assert y.shape == (1, 3, 20000)
    assert y.dtype == np.float32
    frequencies = [np.bincount(row.astype(int), minlength=4) / 20000 for row in y[0]]
    np.testing.assert_allclose(frequencies, weights[0] / weights[0].sum(1, keepdims=True), atol=0.015)


def test_a_vector_of_logits_gives_a_vector_of_samples() -> None:
    outputs = run(lambda x: [mb.random_categorical(x=x), mb.random_categorical(x=x, size=4)], x=np.float16([0, 50, 0]))

    for y, expected in zip(outputs, ([1], [1, 1, 1, 1]), strict=True):
        assert y.dtype == np.float16
        np.testing.assert_array_equal(y, expected)

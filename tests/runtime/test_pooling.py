from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16
from numpy.lib.stride_tricks import sliding_window_view
from support.refusals import refusal
from support.running import run

Pads = Sequence[tuple[int, int]]
Reduction = Callable[..., np.ndarray]

POOLS: dict[str, tuple[Reduction, float]] = {
    "max_pool": (np.max, -np.inf),
    "l2_pool": (lambda seen, axis: np.sqrt(np.sum(np.square(seen), axis)), 0.0),
    "avg_pool": (np.mean, 0.0),
    "avg_pool without padding": (np.nanmean, np.nan),
}


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def pooled(op: str, x: np.ndarray, kernel: Sequence[int], pads: Pads, strides: Sequence[int]) -> np.ndarray:
    reduce, fill = POOLS[op]
    axes = tuple(range(2, x.ndim))
    seen = sliding_window_view(np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill), kernel, axis=axes)
    seen = seen[(slice(None), slice(None), *(slice(None, None, step) for step in strides))]
    return reduce(seen, axis=tuple(range(x.ndim, seen.ndim)))


def pool(op: str, x: Any, **parameters: Any) -> Any:
    if op == "avg_pool without padding":
        return mb.avg_pool(x=x, exclude_padding_from_average=True, **parameters)
    return getattr(mb, op)(x=x, **parameters)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("op", "rank"), [(op, rank) for op in POOLS for rank in (1, 2, 3) if (op, rank) != ("l2_pool", 3)]
)
def test_custom_padding_is_given_in_pairs(op: str, rank: int) -> None:
    x = floats(2, 3, 7, 6, 5)[(..., *[0] * (3 - rank))]
    kernel, strides, pads = [3, 2, 2][:rank], [2, 1, 3][:rank], [(0, 2), (1, 0), (1, 1)][:rank]

    (y,) = run(lambda x: pool(op, x, kernel_sizes=kernel, strides=strides, pad_type="custom", pad=np.ravel(pads)), x=x)

    close(y, pooled(op, x, kernel, pads, strides))


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("pad_type", ["same", "same_lower"])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kernel", "strides", "pads"),
    [((2, 4), (1, 1), [(0, 1), (1, 2)]), ((3, 3), (2, 3), [(0, 1), (1, 1)]), ((2, 1), (4, 3), [(0, 0), (0, 0)])],
    ids=["every", "strided", "gapped"],
)
def test_same_padding_puts_the_odd_element_where_it_says(
    op: str, pad_type: str, kernel: tuple[int, int], strides: tuple[int, int], pads: Pads, *, symbolic: bool
) -> None:
    x = floats(1, 2, 6, 7)

    (y,) = run(
        lambda x: pool(op, x, kernel_sizes=kernel, strides=strides, pad_type=pad_type), IOS16, symbolic=symbolic, x=x
    )

    close(y, pooled(op, x, kernel, [pad[::-1] for pad in pads] if pad_type == "same_lower" else pads, strides))


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize(("size", "end"), [(7, 1), (6, 0)])
def test_a_gapped_window_over_a_size_found_when_it_runs(op: str, size: int, end: int) -> None:
    x = floats(1, 2, size)

    (y,) = run(lambda x: pool(op, x, kernel_sizes=[2], strides=[3], pad_type="same"), symbolic=True, x=x)

    close(y, pooled(op, x, [2], [(0, end)], [3]))


@pytest.mark.parametrize("op", ["l2_pool", "avg_pool"])
def test_padding_of_a_whole_window(op: str) -> None:
    x = floats(1, 2, 4)

    (y,) = run(lambda x: pool(op, x, kernel_sizes=[2], pad_type="custom", pad=[2, 1]), x=x)

    close(y, pooled(op, x, [2], [(2, 1)], [1]))


@pytest.mark.parametrize("op", ["max_pool", "avg_pool without padding"])
def test_windows_of_nothing_are_refused(op: str) -> None:
    def body(x: Any) -> Any:
        return pool(op, x, kernel_sizes=[2], pad_type="custom", pad=[2, 0])

    refusal(lambda: run(body, x=floats(1, 2, 4)), RunError, "windows that see nothing else")


@pytest.mark.parametrize("op", POOLS)
@pytest.mark.parametrize("symbolic", [False, True])
def test_ceil_mode_keeps_a_last_window_that_is_cut_off(op: str, *, symbolic: bool) -> None:
    x = floats(1, 2, 6, 5)

    (y,) = run(
        lambda x: pool(op, x, kernel_sizes=[3, 2], strides=[2, 2], pad_type="custom", pad=[1, 1, 0, 0], ceil_mode=True),
        symbolic=symbolic,
        x=x,
    )

    expected = pooled(op, x, [3, 2], [(1, 2), (0, 1)], [2, 2])
    if op == "avg_pool":  # padding counts, what lies beyond it does not
        expected *= np.float32([1, 1, 1, 3 / 2])[:, None] * np.float32([1, 1, 2])
    close(y, expected)


def test_ceil_mode_drops_a_window_that_starts_in_the_padding_at_the_end() -> None:
    x = floats(1, 2, 4)

    (y,) = run(
        lambda x: mb.max_pool(x=x, kernel_sizes=[2], strides=[2], pad_type="custom", pad=[1, 1], ceil_mode=True), x=x
    )

    close(y, pooled("max_pool", x, [2], [(1, 1)], [2]))


def test_a_window_beyond_all_elements_is_refused() -> None:
    def body(x: Any) -> Any:
        return mb.max_pool(x=x, kernel_sizes=[1], strides=[3], pad_type="valid", ceil_mode=True)

    refusal(lambda: run(body, x=floats(1, 2, 5)), RunError, "starts beyond the elements")

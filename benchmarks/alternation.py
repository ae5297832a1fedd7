"""Times of several ways to do the same thing, taken in turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

# What one call returns is dropped before the next begins.
Contestant = Callable[[], object]


def alternate(contestants: Mapping[str, Contestant], *, rounds: int, calls: int) -> dict[str, list[float]]:
    """The median time of a call, in seconds, of each contestant in each round.

    Every turn begins with a call that is not counted: caches hold what another one left, whose threads may still be
    spinning.

    Args:
        contestants: what to call, by name.
        rounds: how often it is everyone's turn.
        calls: how many calls are counted in a turn.
    """
    series: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            gc.collect()
            call()
            series[name].append(median(seconds(call) for _ in range(calls)))
    return series


def seconds(call: Contestant) -> float:
    """The wall time of one call; what it returns is freed afterwards."""
    started = time.perf_counter()
    result = call()
    taken = time.perf_counter() - started
    del result
    return taken


def median_ratio(first: Sequence[float], second: Sequence[float]) -> float:
    """The median over rounds of the first's time by the second's."""
    return median(one / other for one, other in zip(first, second, strict=True))

"""What 8 bits destroy: values most of whose numbers are so small beside the greatest that they would become 0.

Powers and spectra are such values: their range in dB is twice that of what they are made of, and what takes their root
or logarithm asks for the small numbers as much as for the great ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...canonicalization.schemes import Scheme
from ..calibration.grid import GridHistogram
from ..refusal import Refusal
from .evidence import FORCE, Evidence
from .routes import end_readers

_ROOTS = frozenset({"log", "pow", "rsqrt", "sqrt"})
_ON_THE_WAY = frozenset({"add", "concat", "mul", "reduce_mean", "reduce_sum", "stack"})
_FARTHEST = 6  # ops between a square and its root


class Shares:
    """The shares of values' numbers that would become 0; what is looked up in histograms is kept."""

    def __init__(self) -> None:
        self._magnitudes: dict[Evidence, GridHistogram] = {}

    def vanishing(self, found: Evidence, scale: float) -> float:
        """Which share of a value's numbers but 0 is nearer to 0 than half a scale.

        Where only the range is known, they are taken to be spread evenly over it.
        """
        histogram = _histogram(found)
        if histogram is None:
            reach = _reach(found)
            return min(1.0, scale / 2 / reach) if reach else 0.0
        if found not in self._magnitudes:
            every = histogram.magnitudes()
            is_some = every.indices > 0
            self._magnitudes[found] = GridHistogram(every.indices[is_some], every.counts[is_some])
        return self._magnitudes[found].share_below(scale / 2)

    def refusal(self, known: list[Evidence], scheme: Scheme, limit: float, why: str) -> Refusal | None:
        """Why values do not take a scheme: more of the numbers of one would become 0 than the limit says.

        Args:
            known: what is known of them.
            scheme: for all of them.
            limit: the greatest share of the numbers of one.
            why: the end of the sentence that tells what would become 0.
        """
        shares = {each: self.vanishing(each, float(scheme.scale)) for each in known}
        worst = max(known, key=shares.__getitem__)
        if shares[worst] <= limit:
            return None
        name, amount = worst.value.name, "many" if _histogram(worst) is None else f"{shares[worst]:.0%}"
        return Refusal(
            "missed",
            "vanishing",
            f"{amount} of the numbers in {name!r} would become 0{why}",
            f"{FORCE}, or raise max-vanishing",
        )


def has_histogram(found: Evidence) -> bool:
    """Whether more was measured of a value than its range."""
    return found.statistics is not None and found.statistics.histogram is not None


def _histogram(found: Evidence) -> GridHistogram | None:
    """How often a value had which numbers; those of a constant are known."""
    if found.statistics is not None:
        return found.statistics.histogram
    elements = found.value.val
    return None if elements is None else GridHistogram.of(np.asarray(elements, np.float32))


def _reach(found: Evidence) -> float:
    """The greatest magnitude that a value is known to have."""
    if found.known is not None or found.statistics is None:
        return 0.0 if found.known is None else found.known.magnitude
    return max(abs(found.statistics.minimum), abs(found.statistics.maximum))


def is_power(operation: Any) -> bool:
    """Whether an op makes a square, or a sum of squares, of which a root or logarithm is taken."""
    if operation.op_type == "add":
        made = all(value.op is not None and _is_square(value.op) for value in (operation.x, operation.y))
    else:
        made = _is_square(operation)
    return made and _goes_to_root(operation.outputs[0])


def _is_square(operation: Any) -> bool:
    if operation.op_type == "pow":
        return operation.y.val is not None and operation.y.val.size == 1 and float(operation.y.val) == 2
    return operation.op_type == "square" or (operation.op_type == "mul" and operation.x is operation.y)


def _goes_to_root(value: Any, steps: int = _FARTHEST) -> bool:
    """Whether the root or logarithm of a value is taken, or of what it is added into."""
    for reader in end_readers(value):
        if reader is None:
            continue
        if reader.op_type in _ROOTS:
            return True
        if steps and reader.op_type in _ON_THE_WAY and _goes_to_root(reader.outputs[0], steps - 1):
            return True
    return False

"""Sums whose result does not depend on the order of what was added."""

from __future__ import annotations

from typing import Any, Self

import attrs
import numpy as np


@attrs.frozen(eq=False)
class Sum:
    """A sum as a pair of float64 numbers, or of vectors of them: what the first can not hold is in the second.

    Adding loses nothing unless a summand is 2^53 times smaller than the sum (D. Knuth, The Art of Computer
    Programming, volume 2, 4.2.2, theorem B), so that the order does not matter to rounding of the first.

    Attributes:
        high: the sum, rounded.
        low: what rounding lost.
    """

    high: Any = 0.0
    low: Any = 0.0

    def add(self, value: Any) -> Self:
        """The sum with a number or vector added."""
        high, lost = _two_sum(self.high, value)
        return type(self)(*_two_sum(high, self.low + lost))

    def merge(self, other: Sum) -> Self:
        """The sum of what both added."""
        return self.add(other.high).add(other.low)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same number."""
        if not isinstance(other, Sum):
            return NotImplemented
        return np.array_equal(self.high, other.high) and np.array_equal(self.low, other.low)

    __hash__ = None  # type: ignore[assignment]  # as arrays have none


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """`a + b` rounded, and what rounding lost: together exactly `a + b`."""
    rounded = a + b
    part = rounded - a
    return rounded, (a - (rounded - part)) + (b - part)

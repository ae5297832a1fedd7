"""Codes and scales: what the numbers of a tensor can become."""

from __future__ import annotations

import attrs
import numpy as np

from ....ir.errors import OptionError

_BITS = range(2, 17)


@attrs.frozen
class Codes:
    """Which codes a scheme has.

    Attributes:
        least: the least code.
        greatest: the greatest code.
        symmetric: whether the zero point is 0; else it moves.
    """

    least: int
    greatest: int
    symmetric: bool

    @classmethod
    def of(cls, *, symmetric: bool, unsigned: bool, bits: int) -> Codes:
        """The codes of a scheme: [-127, 127] symmetric, [0, 255] symmetric and unsigned, else [-128, 127].

        Raises:
            OptionError: too few bits, or too many.
        """
        if bits not in _BITS:
            raise OptionError(f"codes of {bits} bits are not known", hint=f"{_BITS[0]} to {_BITS[-1]}")
        half = 1 << (bits - 1)
        if not symmetric:
            return cls(-half, half - 1, symmetric=False)
        return cls(0, 2 * half - 1, symmetric=True) if unsigned else cls(1 - half, half - 1, symmetric=True)

    @property
    def has_negative(self) -> bool:
        """Whether numbers below 0 have codes."""
        return self.least < 0


@attrs.frozen(eq=False)
class Scales:
    """Several ways to encode one tensor; vectors of float64.

    Attributes:
        codes: which codes there are.
        low: where each range begins, at most 0.
        high: where each range ends, at least 0.
    """

    codes: Codes
    low: np.ndarray
    high: np.ndarray

    def values(self) -> np.ndarray:
        """What each code stands for: shape (scales, codes)."""
        return self._numbers(np.arange(self.codes.least, self.codes.greatest + 1))

    def borders(self) -> np.ndarray:
        """Where one code gives way to the next: shape (scales, codes - 1)."""
        return self._numbers(np.arange(self.codes.least, self.codes.greatest) + 0.5)

    def _numbers(self, codes: np.ndarray) -> np.ndarray:
        scale = self._step()
        zero_point = 0.0 if self.codes.symmetric else np.rint(self.codes.least - self.low / scale)[:, np.newaxis]
        found: np.ndarray = (codes - zero_point) * scale[:, np.newaxis]
        return found

    def _step(self) -> np.ndarray:
        steps = self.codes.greatest if self.codes.symmetric else self.codes.greatest - self.codes.least
        span = self.high if self.codes.symmetric else self.high - self.low
        return np.where(span > 0, span, 1) / steps

"""Scale and zero point of a range."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...canonicalization.schemes import Scheme
from ..calibration.tensor_statistics import Range

Codes = Literal["symmetric", "unsigned", "affine"]

_STEPS = 255  # between the least and the greatest of 8-bit codes
_SYMMETRIC_STEPS = 127  # on either side of zero


def scheme_for(found: Range, codes: Codes, dtype: str, number: np.dtype) -> Scheme:
    """How a range is mapped to 8-bit codes.

    `symmetric` has 127 codes on either side of zero, `unsigned` 255 above it and none below, `affine` 255 steps over
    the range, which is widened to hold zero. The scale is computed in float64 and rounded once. It is 1 for a range
    without extent, at least the least normal number of its type, and never so large that a code would be infinite.

    Args:
        found: the range.
        codes: see above.
        dtype: `int8` or `uint8`; `unsigned` codes are `uint8` in any case.
        number: the type of the tensor, which the scale gets.
    """
    if codes == "unsigned":
        return _scheme(_stored(max(0.0, found.high) / _STEPS, number, _STEPS), 0, "uint8")
    least = int(np.iinfo(dtype).min)
    if codes == "symmetric":
        return _scheme(_stored(found.magnitude / _SYMMETRIC_STEPS, number, -least or 128), 128 + least, dtype)
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    scale = _stored((high - low) / _STEPS, number, _reach(low, high))
    zero_point = least + min(_STEPS, int(np.rint(-low / float(scale))))
    return _scheme(scale, zero_point, dtype)


def unsigned(scheme: Scheme) -> Scheme:
    """Unsigned codes of a scheme's scale; there is one for each of its numbers that is not below zero."""
    return _scheme(scheme.scale, 0, "uint8")


def _reach(low: float, high: float) -> int:
    """How many codes lie on one side of the zero point at most, one more for its rounding."""
    extent = high - low
    return min(_STEPS, int(np.ceil(_STEPS * max(-low, high) / extent)) + 1) if extent else _STEPS


def _stored(scale: float, number: np.dtype, reach: int) -> np.ndarray:
    """A scale as its tensor's type holds it."""
    least, greatest = float(np.finfo(number).tiny), float(np.finfo(number).max)
    if scale == 0:
        return np.ones((), number)
    stored = np.asarray(min(max(scale, least), greatest)).astype(number)
    while float(stored) * reach > greatest:
        stored = np.nextafter(stored, np.zeros((), number))
    return np.asarray(stored)


def _scheme(scale: np.ndarray, zero_point: int, codes: str) -> Scheme:
    return Scheme(scale, np.asarray(zero_point, np.int32), None, codes)

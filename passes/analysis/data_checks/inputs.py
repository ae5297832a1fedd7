"""What the values of one input were like, gathered a sample at a time in bounded memory."""

from __future__ import annotations

import math
from hashlib import blake2b

import attrs
import numpy as np

from ....runtime.surface.features import Feature
from .noise import NoiseTest
from .program import Expectation


@attrs.define
class InputFacts:
    """What is known of an input's values so far.

    Attributes:
        feature: the input.
        expectation: what the program says of it.
        samples: in which it was given.
        elements: in all of them together.
        not_finite: how many elements are infinite or no numbers.
        first_not_finite: the first sample with such an element.
        minimum: the least finite element.
        maximum: the greatest.
        differs: whether it was not the same in all samples.
        unit_samples: how many have fractions, all between 0 and 1.
        byte_samples: how many are within 0 to 255, and past 16.
        noise: does it look random?
    """

    feature: Feature
    expectation: Expectation
    samples: int = attrs.field(default=0, init=False)
    elements: int = attrs.field(default=0, init=False)
    not_finite: int = attrs.field(default=0, init=False)
    first_not_finite: int = attrs.field(default=-1, init=False)
    minimum: float = attrs.field(default=math.inf, init=False)
    maximum: float = attrs.field(default=-math.inf, init=False)
    differs: bool = attrs.field(default=False, init=False)
    unit_samples: int = attrs.field(default=0, init=False)
    byte_samples: int = attrs.field(default=0, init=False)
    noise: NoiseTest = attrs.field(factory=NoiseTest, init=False)
    _first: bytes | None = attrs.field(default=None, init=False)

    def observe(self, array: np.ndarray, index: int) -> bytes:
        """Adds the value of one sample.

        Args:
            array: numbers.
            index: of the sample.

        Returns:
            The value's digest.
        """
        found = _digest(array)
        self.differs |= self._first not in (None, found)
        self._first = self._first or found
        self.samples += 1
        self.elements += array.size
        if array.size:
            self._add_range(array, index)
        return found

    @property
    def is_float(self) -> bool:
        """Whether it is an array of floats."""
        return self.feature.kind == "array" and np.dtype(self.feature.dtype or "float32").kind == "f"

    @property
    def is_constant(self) -> bool:
        """Whether every element of every sample is the same number."""
        return self.minimum == self.maximum and not self.not_finite

    @property
    def elements_per_sample(self) -> float:
        """How many, on average."""
        return self.elements / self.samples if self.samples else 0.0

    def _add_range(self, array: np.ndarray, index: int) -> None:
        low, high = float(array.min()), float(array.max())  # whatever is not finite shows in one of them
        if math.isfinite(low) and math.isfinite(high):
            self._add_finite(array, low, high)
            return
        finite = array[np.isfinite(array)]
        self.first_not_finite = index if not self.not_finite else self.first_not_finite
        self.not_finite += array.size - finite.size
        if finite.size:
            self.minimum, self.maximum = min(self.minimum, float(finite.min())), max(self.maximum, float(finite.max()))

    def _add_finite(self, array: np.ndarray, low: float, high: float) -> None:
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        if self.is_float or self.feature.kind == "image":
            self.noise.observe(array)
        if self.is_float and low >= 0:
            self.unit_samples += 0 < high <= 1 and bool((array != np.trunc(array)).any())
            self.byte_samples += 16 < high <= 255


def _digest(array: np.ndarray) -> bytes:
    """A short hash of a value's shape and elements."""
    found = blake2b(repr(array.shape).encode(), digest_size=12)
    found.update(np.ascontiguousarray(array).tobytes())
    return found.digest()

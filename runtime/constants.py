"""Values that are known before anything runs, read when they are needed and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from ..ir.weights.files import release_pages
from .halves import widened

# From here on a call of ONNX Runtime costs less than what it saves.
_LARGE_BYTES = 1 << 16


@attrs.frozen(eq=False)
class Constant:
    """A constant array, which may be a mapped weight or one that is yet to be decoded.

    Attributes:
        shape: its shape.
        dtype: the type that the graph holds it in; `load` converts to it.
        read: gives the array in whatever type it is stored.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], np.ndarray] = attrs.field(repr=False)

    @classmethod
    def of(cls, value: Any, dtype: Any = None) -> Constant:
        """A constant that holds an array, or a view of a file."""
        array = np.asarray(value)
        return cls(array.shape, np.dtype(dtype or array.dtype), lambda: array)

    @property
    def nbytes(self) -> int:
        """Bytes that the converted array takes."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def load(self) -> np.ndarray:
        """The array, C-contiguous, of type `dtype`; a copy only where it has to be."""
        stored = self.read()
        with np.errstate(over="ignore"):  # a double beyond the range of a float is infinite, as everywhere
            array = widened(stored) if self._is_large_half(stored) else np.asarray(stored, dtype=self.dtype, order="C")
        if array is not stored:
            release_pages(stored)
        return array.reshape(self.shape)

    def _is_large_half(self, stored: np.ndarray) -> bool:
        return self.dtype == np.float32 and stored.dtype == np.float16 and stored.nbytes >= _LARGE_BYTES

    def as_type(self, dtype: Any) -> Constant:
        """The same values in another type."""
        return Constant(self.shape, np.dtype(dtype), self.load if self.dtype != dtype else self.read)

"""Weights that were not at hand when a program was read: what stands in their place, and what it may be used for."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ..errors import PackageError
from .references import BlobReference

_MARK = "_milopt_missing_weights"


@attrs.define
class StandIns:
    """Arrays in the place of missing weights, and what they stand for.

    Attributes:
        found_missing: the references that had nothing behind them, in the order that they were asked for.
    """

    found_missing: dict[BlobReference, None] = attrs.field(factory=dict)
    # By address; the array is held so that no other gets its address.
    _arrays: dict[int, tuple[np.ndarray, BlobReference]] = attrs.field(factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The files and digests that are missing."""
        return tuple(dict.fromkeys(reference.file for reference in self.found_missing))

    def note(self, reference: BlobReference) -> None:
        """Remembers that a weight is missing."""
        self.found_missing.setdefault(reference)

    def put(self, array: np.ndarray, reference: BlobReference) -> np.ndarray:
        """Remembers that an array stands in the place of a weight, and gives it."""
        self.note(reference)
        self._arrays[array.ctypes.data] = (array, reference)
        return array

    def reference_of(self, array: np.ndarray) -> BlobReference | None:
        """What an array stands for; None for one that is what it says."""
        held = self._arrays.get(array.ctypes.data)
        return held[1] if held is not None and held[0].shape == array.shape else None


def stand_ins_of(program: Any) -> StandIns | None:
    """What stands in a PyMIL program for missing weights; None if none was missing."""
    found: StandIns | None = getattr(program, _MARK, None)
    return found


def mark_missing_weights(program: Any, stand_ins: StandIns | None) -> None:
    """Remembers on a program what stands in it for missing weights, if anything does."""
    if stand_ins is not None and stand_ins.found_missing:
        setattr(program, _MARK, stand_ins)


def missing_weights(program: Any) -> tuple[str, ...]:
    """The weights of a PyMIL program that are zeros because they were missing: their files or digests."""
    found = stand_ins_of(program)
    return found.names if found else ()


def require_weights(program: Any, purpose: str, hint: str) -> None:
    """Refuses a program with missing weights.

    Args:
        program: PyMIL.
        purpose: what can not be done with it.
        hint: how to do it all the same.

    Raises:
        PackageError: weights were missing when it was read.
    """
    found = stand_ins_of(program)
    if found:
        count = len(found.found_missing)
        what = f"{count} weight{'' if count == 1 else 's'} missing when it was read, {found.names[0]} first"
        raise PackageError(f"the program can not be {purpose}: it has zeros for {what}", hint=hint)

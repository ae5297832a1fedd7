"""Programs whose weights were not at hand when they were read, with zeros in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import PackageError

MISSING_WEIGHTS = "_milopt_missing_weights"


def missing_weights(program: Any) -> tuple[str, ...]:
    """The weights of a PyMIL program that are zeros because they were missing: their files or digests."""
    found: tuple[str, ...] = getattr(program, MISSING_WEIGHTS, ())
    return found


def mark_missing_weights(program: Any, names: Sequence[str]) -> None:
    """Remembers on a program which of its weights were missing."""
    setattr(program, MISSING_WEIGHTS, tuple(names))


def require_weights(program: Any, purpose: str, hint: str) -> None:
    """Refuses a program with missing weights.

    Args:
        program: PyMIL.
        purpose: what can not be done with it.
        hint: how to do it all the same.

    Raises:
        PackageError: weights were missing when it was read.
    """
    found = missing_weights(program)
    if found:
        what = f"{len(found)} weight{'s' if len(found) > 1 else ''} missing when it was read, {found[0]} first"
        raise PackageError(f"the program can not be {purpose}: it has zeros for {what}", hint=hint)

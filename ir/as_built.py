"""What an op took and gave when it was built, which its types were inferred from: while it is as built, it is right."""

from __future__ import annotations

from typing import Any, TypeAlias

_BUILT = "_milopt_as_built"

Signature: TypeAlias = list[Any]


def signature_of(operation: Any, given: list[Any]) -> Signature:
    """The values that an op takes and gives, and their types: as long as it is equal, inference gives the same.

    Args:
        operation: a PyMIL op.
        given: the values that it takes.
    """
    found: Signature = []
    for var in (*given, *operation.outputs):
        found += (var, var._sym_type)  # noqa: SLF001 - the type itself, not a copy
    return found


def remember_as_built(operation: Any, given: list[Any]) -> None:
    """Notes what an op looks like now that its inputs were checked and its types inferred."""
    setattr(operation, _BUILT, signature_of(operation, given))


def is_as_built(operation: Any, now: Signature) -> bool:
    """Whether an op looks as it did then; not for ops that others built."""
    return getattr(operation, _BUILT, None) == now

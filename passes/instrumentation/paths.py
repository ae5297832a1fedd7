"""The paths of passes, such as `program/function(main)/canonicalize{...}`, taken apart."""

from __future__ import annotations

from ..runs import last_part


def parts_of(path: str) -> list[str]:
    """The parts of a path, the outermost first; a `/` in a name or an option divides nothing."""
    found: list[str] = []
    while path:
        found.insert(0, last_part(path))
        path = path[: -len(found[0]) - 1]
    return found

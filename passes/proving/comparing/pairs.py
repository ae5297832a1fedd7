"""What values of one model are called in another."""

from __future__ import annotations

from collections.abc import Iterable


def renaming(before: Iterable[str], after: Iterable[str]) -> dict[str, str]:
    """What values are called now: names that are gone stand for new ones, in order, if there are as many."""
    before, after = list(before), list(after)
    gone = [name for name in before if name not in after]
    new = [name for name in after if name not in before]
    return dict(zip(gone, new, strict=True)) if len(gone) == len(new) else {}

"""Signs of life on stderr, for people only."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Given_co = TypeVar("Given_co", covariant=True)


class Countable(Protocol[Given_co]):
    """What can be counted and walked."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Given_co]:
        """Each in order."""


@contextmanager
def working(what: str) -> Iterator[None]:
    """Shows that something is being done while it lasts, when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def counted(items: Countable[Item], what: str) -> Iterable[Item]:
    """The items; shows how many are done while they are walked, when stderr is a terminal."""
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, total=len(items), console=Console(stderr=True), transient=True)

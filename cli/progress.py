"""Signs of life on stderr, for people only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

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


Advance = Callable[[int], None]
"""Takes how many are done."""

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress(what: str, total: int | None, *, shown: bool = False) -> Iterator[Advance]:
    """Shows how many are done, how many a second, and the time left: a bar on a terminal, else lines if asked for.

    Args:
        what: is being done.
        total: how many there are; None where nobody knows.
        shown: print lines where stderr is no terminal; without it, nothing.
    """
    if sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    elif shown:
        yield _Lines(what, total)
    else:
        yield _nothing


def _nothing(_: int) -> None:
    """Where nobody looks."""


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(*_columns(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)


def _columns() -> list[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import ProgressColumn as Column
    from rich.text import Text

    class Rate(Column):
        """How many a second."""

        def render(self, task: Task) -> Text:
            """The rate as text."""
            return Text(rate_text(task.finished_speed or task.speed))

    return [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]


def rate_text(rate: float | None) -> str:
    """`12.3/s`, or nothing where no rate is known yet."""
    return f"{rate:.1f}/s" if rate else ""


class _Lines:
    """A line on stderr every some seconds, and one for the last."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._begun = self._told = time.monotonic()

    def __call__(self, done: int) -> None:
        """Tells how many are done, if it is time to."""
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES and done != self._total:
            return
        self._told = now
        rate = done / max(now - self._begun, 1e-9)
        parts = [f"{done}" if self._total is None else f"{done}/{self._total}", rate_text(rate)]
        if self._total is not None and rate and done < self._total:
            parts.append(f"{(self._total - done) / rate:.0f} s left")
        print(f"{self._what}: {', '.join(part for part in parts if part)}", file=sys.stderr, flush=True)  # noqa: T201

"""Measured times as tables: a tree of what ran inside what, or a list of what took most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import attrs

from .clocks import Clock, ClockKind

TimingForm = Literal["tree", "list"]


@attrs.frozen
class _Entry:
    """What the list says of all runs of one pass or analysis; their seconds without what ran inside of them."""

    kind: ClockKind
    name: str
    seconds: float
    count: int


def as_text(clocks: Sequence[Clock], form: TimingForm) -> str:
    """A table for people.

    `Rest` is what no pass, analysis or phase took: the manager, and the other instrumentations. In a list each second
    is counted once, so that the rows add up to `Total`; in a tree a row holds the time of those indented below it.

    Args:
        clocks: the outermost ones.
        form: `tree` or `list`.
    """
    total = _total(clocks)

    def row(seconds: float, name: str, count: int | None = None) -> str:
        return _row(f"{seconds:.4f}", f"{seconds / total if total else 1:.1%}", "" if count is None else count, name)

    def _row(seconds: str, share: str, count: object, name: str) -> str:
        return f"{seconds:>11}  {share:>6}  " + (f"{count:>5}  {name}" if form == "list" else name)

    if form == "tree":
        numbers = _numbers(clocks)
        nested = [(depth, clock, numbers.get(id(clock), "")) for depth, clock in _nested(clocks)]
        rows = [row(clock.seconds, "  " * depth + _label(clock) + number) for depth, clock, number in nested]
    else:
        rows = [row(each.seconds, _label(each), each.count) for each in _merged(clocks)]
    head = _row("seconds", "share", "count", "name")
    return "\n".join(["Execution time", head, *rows, row(_rest(clocks), "Rest"), row(total, "Total")])


def as_json(clocks: Sequence[Clock], form: TimingForm) -> dict[str, Any]:
    """The same for machines.

    Args:
        clocks: the outermost ones.
        form: `tree` or `list`.
    """
    found: dict[str, Any] = {"form": form, "total_seconds": _total(clocks), "rest_seconds": _rest(clocks)}
    if form == "tree":
        return found | {"runs": [_tree(clock) for clock in clocks]}
    return found | {"runs": [attrs.asdict(entry) for entry in _merged(clocks)]}


def _tree(clock: Clock) -> dict[str, Any]:
    inside = [_tree(each) for each in clock.inside]
    return {"kind": clock.kind, "name": clock.name, "seconds": clock.seconds, "inside": inside}


def _total(clocks: Iterable[Clock]) -> float:
    return sum(clock.seconds for clock in clocks)


def _rest(clocks: Iterable[Clock]) -> float:
    return sum(clock.own for _, clock in _nested(clocks) if clock.kind == "pipeline")


def _nested(clocks: Iterable[Clock], depth: int = 0) -> Iterator[tuple[int, Clock]]:
    for clock in clocks:
        yield depth, clock
        yield from _nested(clock.inside, depth + 1)


def _numbers(clocks: Iterable[Clock]) -> dict[int, str]:
    """Which program the outermost pipelines ran on, counted from 0, by the ids of their clocks; nothing of a single."""
    found = [clock for clock in clocks if clock.kind == "pipeline"]
    return {id(clock): f" {number}" for number, clock in enumerate(found)} if len(found) > 1 else {}


def _merged(clocks: Iterable[Clock]) -> list[_Entry]:
    """One entry for each pass whatever its options, analysis and phase; those that took most come first."""
    found: dict[tuple[ClockKind, str], list[float]] = {}
    for _, clock in _nested(clocks):
        if clock.kind != "pipeline":
            found.setdefault((clock.kind, clock.name.partition("{")[0]), []).append(clock.own)
    entries = [_Entry(kind, name, sum(times), len(times)) for (kind, name), times in found.items()]
    return sorted(entries, key=lambda entry: -entry.seconds)


def _label(timed: Clock | _Entry) -> str:
    return f"(A) {timed.name}" if timed.kind == "analysis" else timed.name

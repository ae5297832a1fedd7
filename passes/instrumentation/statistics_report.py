"""What was counted as tables: a tree of each run of each pass, or a list of sums by pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from .counts import MEASURED, PassCounts
from .paths import parts_of

StatisticsForm = Literal["tree", "list"]


def as_text(passes: Sequence[PassCounts], form: StatisticsForm) -> str:
    """A table for people.

    Args:
        passes: what was counted, in the order of the passes' beginnings.
        form: `tree` or `list`.
    """
    return "\n".join(["Statistics", *(_tree(passes) if form == "tree" else _list(passes))])


def as_json(passes: Sequence[PassCounts], form: StatisticsForm) -> dict[str, Any]:
    """The same for machines.

    Args:
        passes: what was counted, in the order of the passes' beginnings.
        form: `tree` or `list`.
    """
    if form == "tree":
        found: list[dict[str, Any]] = [
            {
                "program": each.program,
                "path": each.path,
                "name": each.name,
                "changed": each.changed,
                "statistics": _records([each]),
            }
            for each in passes
        ]
    else:
        found = [
            {"name": name, "runs": len(runs), "changed": _changed(runs), "statistics": _records(runs)}
            for name, runs in _by_name(passes).items()
        ]
    return {"form": form, "passes": found}


def _tree(passes: Iterable[PassCounts]) -> Iterator[str]:
    """Each pass below the pipelines that it stands in, which are named once for all that follow each other."""
    passes, before = list(passes), list[str]()
    several = any(each.program for each in passes)
    for each in passes:
        parts = parts_of(each.path)
        if several:  # they are all called the same
            parts[0] += f" {each.program}"
        shared = next((at for at, (one, other) in enumerate(zip(parts[:-1], before, strict=False)) if one != other),
                      min(len(parts) - 1, len(before)))  # fmt: skip
        yield from ("  " * depth + part for depth, part in enumerate(parts) if depth >= shared)
        yield from _lines([each], len(parts))
        before = parts


def _list(passes: Iterable[PassCounts]) -> Iterator[str]:
    for name, runs in _by_name(passes).items():
        yield f"{name} ({len(runs)} run{'s' if len(runs) > 1 else ''}, {_changed(runs)} with changes)"
        yield from _lines(runs, 1)


def _changed(runs: Iterable[PassCounts]) -> int:
    return sum(bool(run.changed) for run in runs)


def _by_name(passes: Iterable[PassCounts]) -> dict[str, list[PassCounts]]:
    """All runs of each pass, whatever its options."""
    found: dict[str, list[PassCounts]] = {}
    for each in passes:
        found.setdefault(each.name.partition("{")[0], []).append(each)
    return found


def _lines(runs: Sequence[PassCounts], depth: int) -> Iterator[str]:
    # What a pass could have counted and did not is of no interest: a pass of many patterns names them all.
    records = [record for record in _records(runs) if record["value"] or record["name"] in MEASURED]
    width = max(len(record["name"]) for record in records)
    for record in records:
        yield f"{'  ' * depth}{record['value']:>10}  {record['name']:{width}}  {record['help']}"


def _records(runs: Iterable[PassCounts]) -> list[dict[str, Any]]:
    """Each statistic of some runs, summed."""
    runs = list(runs)
    helps = {name: text for run in runs for name, text in run.helps.items()}
    return [
        {"name": name, "value": sum(run.counts[name] for run in runs), "help": text} for name, text in helps.items()
    ]

"""The results of `python -m benchmarks.w8a8` as tables, for terminals and for the docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from .. import reporting
from .measuring import PRECISIONS
from .tools import DEFAULT

_REFERENCE, _STORED = PRECISIONS
_CRASHED, _ALL = "error", "in any order"

Record = Mapping[str, Any]


@attrs.frozen
class Table:
    """A table and what it shows.

    Attributes:
        title: a line above it.
        headers: of the columns.
        rows: as many cells each.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(record: Record) -> list[Table]:
    """All tables of a record; those that would be empty are left out."""
    cases = {name: case for name, case in record["cases"].items() if "skipped" not in case}
    built = (_models, _comparison, _answers, _variants)
    return [table for table in (build(cases) for build in built) if table.rows]


def notes(record: Record) -> Iterator[str]:
    """What is to be said beside the tables, a line each."""
    yield from (f"{name} was {case['skipped']}" for name, case in record["cases"].items() if "skipped" in case)
    for name, case in record["cases"].items():
        for order, theirs in _merged(case.get("coremltools", {})).items():
            if _CRASHED in theirs:
                yield f"coremltools, {name}, {order}: {theirs[_CRASHED]}"
    found = [(by, f"{name}, {output}, {order}") for name, order, output, by in differences(record)]
    if found:
        least, most = min(found), max(found)
        yield f"milopt is above coremltools by {least[0]:.1f} dB ({least[1]}) to {most[0]:.1f} dB ({most[1]})"


def print_text(record: Record) -> None:
    """Prints a record for a terminal."""
    print(f"{reporting.in_words(record['environment'])}\n")
    for table in tables(record):
        print(f"{table.title}\n")
        reporting.print_table(table.headers, table.rows)
    print("\n".join(notes(record)))


def print_markdown(record: Record) -> None:
    """Prints a record as docs/w8a8.md has it."""
    for table in tables(record):
        print(f"{table.title}:\n")
        print("\n".join(_markdown_rows([table.headers, ["---"] * len(table.headers), *table.rows])), end="\n\n")
    print("\n".join(f"- {note}" for note in notes(record)))


def _markdown_rows(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    return (f"| {' | '.join(row)} |" for row in rows)


def differences(record: Record) -> Iterator[tuple[str, str, str, float]]:
    """Each case, order and output, and by how many dB milopt's SQNR is above coremltools', both in float32."""
    for name, case in record["cases"].items():
        for order, theirs in case.get("coremltools", {}).items():
            for output, found in theirs.get("sqnr_db", {}).get(_REFERENCE, {}).items():
                yield name, order, output, case["milopt"][DEFAULT]["sqnr_db"][_REFERENCE][output] - found


def _models(cases: Record) -> Table:
    rows = [(name, str(case["samples"]), str(case["held_out"])) for name, case in cases.items()]
    return Table("Samples", ("model", "to calibrate with", "held out"), rows)


def _comparison(cases: Record) -> Table:
    headers = ("model", "output", "order", "coremltools", "milopt", "in fp16", "milopt", "ops", "milopt")
    rows = [row for name, case in cases.items() for row in _comparison_rows(name, case)]
    return Table("SQNR in dB, computed in fp32 and in fp16, and numbers of quantize ops", headers, rows)


def _comparison_rows(name: str, case: Record) -> Iterator[tuple[str, ...]]:
    ours = case["milopt"][DEFAULT]
    for output in ours["sqnr_db"][_REFERENCE]:
        for order, theirs in _merged(case["coremltools"]).items():
            sqnr = [_sqnr(each, precision, output) for precision in PRECISIONS for each in (theirs, ours)]
            yield (name, output, order, *sqnr, str(theirs.get("quantize_ops", "")), str(ours["quantize_ops"]))


def _merged(results: Record) -> Record:
    """One result for all orders, if all of them ended with an error."""
    if not results or any(_CRASHED not in each for each in results.values()):
        return results
    return {_ALL: next(iter(results.values()))}


def _sqnr(result: Record, precision: str, output: str) -> str:
    return _CRASHED if _CRASHED in result else _decibels(result["sqnr_db"][precision][output])


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _answers(cases: Record) -> Table:
    rows = [row for name, case in cases.items() for row in _answer_rows(name, case)]
    title = "The class with the highest score, on held-out samples"
    return Table(title, ("model", "tool", "agrees with float", "right", "right in float"), rows)


def _answer_rows(name: str, case: Record) -> Iterator[tuple[str, ...]]:
    results = {f"coremltools, {order}": theirs for order, theirs in case["coremltools"].items()}
    for tool, result in {**results, DEFAULT: case["milopt"][DEFAULT]}.items():
        if "accuracy_percent" in result:
            keys = ("agreement_percent", "accuracy_percent", "accuracy_before_percent")
            yield (name, tool, *(f"{result[key]:.2f}%" for key in keys))


def _variants(cases: Record) -> Table:
    """A row for each variant of milopt's, a column for each case."""
    names = next((list(case["milopt"]) for case in cases.values()), [])
    rows = [(name, *(_decibels(_worst(case["milopt"][name])) for case in cases.values())) for name in names]
    return Table("SQNR in dB of the worst output: milopt's observers and modes", ("", *cases), rows)


def _worst(result: Record) -> float:
    return min(float(value) for value in result["sqnr_db"][_REFERENCE].values() if value is not None)

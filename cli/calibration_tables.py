"""Calibration statistics, and what there is to say of them, for people and for machines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from .console import console

if TYPE_CHECKING:
    from ..passes.analysis.calibration.statistics import CalibrationStatistics
    from ..passes.analysis.calibration.tensor_statistics import TensorStatistics
    from ..passes.remarks import Remark

_MOST_ROWS = 40
_MOST_ALIKE = 3
_MARKS = {"missed": "warning", "failed": "warning", "analysis": "note", "passed": "note"}


def rows_of(statistics: CalibrationStatistics, function: str) -> list[dict[str, Any]]:
    """What is known of each value of a function: plain data, None for what it has not."""
    tensors = statistics.functions[function].tensors
    return [_row(statistics, function, tensor) for tensor in tensors.values()]


def as_plain_data(statistics: CalibrationStatistics, remarks: Iterable[Remark]) -> dict[str, Any]:
    """Everything that the command has to say."""
    functions = {
        name: {"samples": found.samples, "tensors": rows_of(statistics, name)}
        for name, found in statistics.functions.items()
    }
    return {
        "observer": statistics.observer,
        "collected": statistics.collected,
        "functions": functions,
        "remarks": [remark.as_json() for remark in remarks],
    }


def show_statistics(statistics: CalibrationStatistics, output: Path) -> None:
    """Prints a table of each function's values, those of the program's beginning if there are very many."""
    for name, found in statistics.functions.items():
        samples = f"{found.samples} sample{'' if found.samples == 1 else 's'}"
        rows = rows_of(statistics, name)
        title = f"{name}: {len(rows)} values, {samples}, ranges by {statistics.observer}"
        console().print(_table(title, rows[:_MOST_ROWS]))
        if len(rows) > _MOST_ROWS:
            console().print(f"... and {len(rows) - _MOST_ROWS} more; --json prints all")
    console().print(f"written  {output}", soft_wrap=True)


def show_remarks(remarks: Iterable[Remark]) -> None:
    """Says on stderr what there is to say, the same thing of many ops only a few times."""
    for _, alike in groupby(sorted(remarks, key=_order), _order):
        same = list(alike)
        for remark in same[:_MOST_ALIKE]:
            advice = f" [{remark.suggestion}]" if remark.suggestion else ""
            click.echo(f"{_MARKS[remark.kind]}: {_subject(remark)}{remark.message}{advice}", err=True)
        if len(same) > _MOST_ALIKE:
            first, count = same[0], len(same) - _MOST_ALIKE
            click.echo(f"{_MARKS[first.kind]}: {first.code} of {count} more ops; --json lists all", err=True)


def _order(remark: Remark) -> tuple[bool, str, str, str]:
    """Samples before ops; what is alike together."""
    from ..passes.analysis.data_checks.checker import is_of_data

    return not is_of_data(remark), remark.function, _MARKS[remark.kind], remark.code


def _subject(remark: Remark) -> str:
    from ..passes.analysis.data_checks.checker import is_of_data

    if not is_of_data(remark):
        return f"op {remark.op!r} ({remark.op_type}) in {remark.function}: "
    return "" if remark.op == "samples" else f"input {remark.op!r}: "


def _row(statistics: CalibrationStatistics, function: str, tensor: TensorStatistics) -> dict[str, Any]:
    found = statistics.range(function, tensor.name)
    magnitude = None if found is None else found.magnitude
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": tensor.shape_words,
        "elements": tensor.elements,
        "not_finite": tensor.not_finite,
        "min": tensor.minimum if tensor.has_range else None,
        "max": tensor.maximum if tensor.has_range else None,
        "mean": None if math.isnan(tensor.mean) else tensor.mean,
        "range": None if found is None else [found.low, found.high],
        "magnitude": magnitude,
        "clipped": None if magnitude is None else _clipped(tensor, magnitude),
    }


def _clipped(tensor: TensorStatistics, magnitude: float) -> float | None:
    """The share of elements past a magnitude; None where nobody counted."""
    if magnitude >= tensor.absmax:
        return 0.0
    if tensor.histogram is None:
        return None
    found = tensor.histogram.magnitudes()
    begins, _ = found.edges()
    return float(found.counts[begins >= magnitude].sum() / found.total)  # the bin that it lies in is hardly clipped


def _table(title: str, rows: Iterable[dict[str, Any]]) -> Table:
    table = Table("value", "type", title=title, title_justify="left")
    for column in ("min", "max", "int8 range", "clipped"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['dtype']}[{row['shape']}]",
            _number(row["min"]),
            _number(row["max"]),
            "" if row["magnitude"] is None else f"\u00b1{row['magnitude']:.4g}",
            _share(row["clipped"]),
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3%}" if value else "0"

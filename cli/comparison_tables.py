"""Comparisons and evaluations of models as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from .console import console

if TYPE_CHECKING:
    from ..passes.proving.comparing.accuracy import Evaluation
    from ..passes.proving.comparing.records import Comparison, ValueComparison


def show_comparison(found: Comparison) -> None:
    """Prints the values inside, if they were compared, and then the outputs."""
    out = console()
    if found.layers:
        table = _table("value", "op", title="values inside")
        for each in found.layers:
            table.add_row(each.label, each.op_type, *_numbers(each), _mark(each, found.worst_layer, found.layers))
        out.print(table)
    count = f"{found.samples} sample{'' if found.samples == 1 else 's'}"
    table = _table("output", title=f"{found.b} against {found.a}, {count}", more=("agreement",))
    for each in found.outputs:
        agreement = "" if each.agreement is None else str(each.agreement)
        table.add_row(each.label, *_numbers(each), agreement, _mark(each, found.worst, found.outputs))
    out.print(table)


def show_evaluation(found: Evaluation) -> None:
    """Prints a row for each model."""
    title = "right answers" if found.top == 1 else f"right answers among the top {found.top}"
    table = Table("model", "output", title=title, title_justify="left")
    for column in ("right", "of", "accuracy", "points"):
        table.add_column(column, justify="right", no_wrap=True)
    for index, each in enumerate(found.accuracies):
        points = f"{found.points(each):+.2f}" if index else ""
        table.add_row(each.model, each.output, str(each.right), str(each.total), f"{each.percent:.2f}%", points)
    console().print(table)


def _table(*columns: str, title: str, more: tuple[str, ...] = ()) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for column in ("SQNR", "cosine", "largest error", "mean error", "not finite", *more):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    return table


def _numbers(each: ValueComparison) -> tuple[str, ...]:
    from ..passes.proving.fidelity import decibels

    return (
        "" if each.sqnr_db is None else decibels(each.sqnr_db),
        "" if each.cosine is None else f"{each.cosine:.6f}",
        "" if each.max_abs is None else f"{each.max_abs:.4g}",
        "" if each.mean_abs is None else f"{each.mean_abs:.4g}",
        str(each.not_finite or ""),
    )


def _mark(each: ValueComparison, worst: ValueComparison | None, among: tuple[ValueComparison, ...]) -> str:
    """What is wrong with a value, or that it is the worst of several."""
    return each.problem or ("worst" if each is worst and len(among) > 1 else "")

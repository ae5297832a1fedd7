"""Reports as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from .console import console

if TYPE_CHECKING:
    from ..passes.remarks import Remark
    from ..pipelines.report import Report

_UNITS = ("B", "KiB", "MiB", "GiB")


def format_bytes(size: float) -> str:
    """Bytes in the unit that fits: `1.50 MiB`."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f} {unit}"
        size /= 1024
    return ""


def show_report(report: Report, output: Path) -> None:
    """Prints what was compressed, what was left alone and why, and the sizes."""
    out = console()
    if report.done:
        out.print(_done(report))
    if report.activations:
        out.print(_activations(report))
    if report.left_alone:
        out.print(_left_alone(report))
    out.print(_sizes(report, output), soft_wrap=True)


def show_outputs(rows: Sequence[Mapping[str, Any]], samples: int) -> None:
    """Prints what outputs were like, from `runtime.results.summary`."""
    table = Table(
        "output", "type", "shape", title=f"{samples} sample{'' if samples == 1 else 's'}", title_justify="left"
    )
    for column in ("min", "max", "not finite"):
        table.add_column(column, justify="right")
    for row in rows:
        shapes = ["x".join(map(str, shape)) or "scalar" for shape in row["shapes"]]
        numbers = [f"{row[key]:.6g}" if key in row else "" for key in ("min", "max", "not_finite")]
        table.add_row(row["name"], row["dtype"], ", ".join(shapes[:4]) + (", ..." if len(shapes) > 4 else ""), *numbers)
    console().print(table)


def _done(report: Report) -> Table:
    table = Table("op", "used by", "shape", "scheme", title="compressed", title_justify="left")
    for column in ("before", "after", "ratio"):
        table.add_column(column, justify="right")
    for remark in report.done:
        before, after = remark.data["bytes_before"], remark.data["bytes_after"]
        table.add_row(
            remark.op,
            remark.message.rpartition(" for ")[2],
            _shape(remark),
            remark.data["scheme"],
            format_bytes(before),
            format_bytes(after),
            f"{before / after:.2f}",
        )
    return table


def _activations(report: Report) -> Table:
    table = Table("value", "for", "codes", "range from", title="quantized activations", title_justify="left")
    for column in ("low", "high", "scale"):
        table.add_column(column, justify="right")
    for remark in report.activations:
        data = remark.data
        low, high = data["range"] or (None, None)
        table.add_row(
            data["tensor"],
            ", ".join(data["readers"]),
            data["dtype"],
            data["range_source"],
            *("" if each is None else f"{each:.4g}" for each in (low, high, data["scale"])),
        )
    return table


def _left_alone(report: Report) -> Table:
    """One row for each reason: large models leave hundreds of biases alone."""
    table = Table("reason", "ops", "first", title="left alone", title_justify="left")
    for code, count in report.reasons.items():
        first = next(remark for remark in report.left_alone if remark.code == code)
        advice = f" [{first.suggestion}]" if first.suggestion else ""
        table.add_row(code, str(count), f"{first.op}: {first.message}{advice}")
    return table


def _shape(remark: Remark) -> str:
    return "x".join(str(size) for size in remark.data["shape"])


def _sizes(report: Report, output: Path) -> str:
    raised = f" (raised from {report.opset_before})" if report.opset_before != report.target else ""
    return (
        f"target   {report.target}{raised}, scheme {report.scheme}\n"
        f"weights  {format_bytes(report.weight_bytes_before)} -> {format_bytes(report.weight_bytes_after)}, "
        f"compression ratio {report.weight_ratio:.3f}\n"
        f"package  {_package_sizes(report)}\n"
        f"written  {output}"
    )


def _package_sizes(report: Report) -> str:
    """What became of the package; a model that came as text was none."""
    after = format_bytes(report.package_bytes_after or 0)
    if not report.package_bytes_before:
        return after
    return f"{format_bytes(report.package_bytes_before)} -> {after}, compression ratio {report.package_ratio or 1:.3f}"

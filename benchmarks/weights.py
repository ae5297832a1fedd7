"""`python -m benchmarks.weights`: int8 weight quantization of a package, end to end, beside coremltools."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import jobs, reporting
from .measuring import JobError, Usage, figures, median_ratios, medians

IMPORT = "import coremltools"


def alternate(source: Path, target: str, runs: int) -> dict[str, list[Usage]]:
    """Runs milopt, coremltools, milopt, ... on a package; the results stay beside it."""
    series: dict[str, list[Usage]] = {tool: [] for tool in jobs.TOOLS}
    for turn in range(runs):
        for tool, usages in series.items():
            reporting.progress(f"run {turn + 1} of {runs}: {tool}")
            usages.append(jobs.quantize(tool, source, target))
    return series


def measure(folder: Path, *, parameters: int, runs: int, target: str) -> dict[str, Any]:
    """The whole benchmark in a folder, as a record of plain values.

    Raises:
        JobError: one of the processes failed.
    """
    source = folder / "source.mlpackage"
    reporting.progress(f"building a model of {parameters / 1e6:g} million parameters")
    count = jobs.build("dense", source, target, parameters=parameters)
    imports = [jobs.import_coremltools(folder) for _ in range(runs)]
    series = alternate(source, target, runs)
    packages = {"source": source, **{tool: jobs.result_of(tool, source) for tool in series}}
    return {
        "environment": reporting.environment(),
        "target": target,
        "parameters": count,
        "package_bytes": {name: reporting.package_bytes(package) for name, package in packages.items()},
        "ratios": median_ratios(series["milopt"], series["coremltools"]),
        **_summary({**series, IMPORT: imports}),
    }


def _summary(series: dict[str, list[Usage]]) -> dict[str, Any]:
    return {
        "medians": {name: medians(usages) for name, usages in series.items()},
        "runs": {name: [figures(usage) for usage in usages] for name, usages in series.items()},
    }


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{record['parameters']:,} parameters, fp16, {record['target']}")
    print(reporting.in_words(record["environment"]))
    print(f"medians of {len(record['runs'][IMPORT])}, ratios pair by pair\n")
    rows: list[tuple[str, ...]] = [(name, *_columns(record, name)) for name in record["medians"]]
    rows.append(("milopt / coremltools", *(f"{ratio:.2f}" for ratio in record["ratios"].values()), ""))
    reporting.print_table(("", "wall", "CPU", "peak memory", "package"), rows)
    print(f"package before: {reporting.megabytes(record['package_bytes']['source'])}")


def _columns(record: dict[str, Any], name: str) -> tuple[str, ...]:
    found, size = record["medians"][name], record["package_bytes"].get(name)
    return (
        f"{found['wall_seconds']:.2f} s",
        f"{found['cpu_seconds']:.2f} s",
        reporting.megabytes(found["peak_bytes"]),
        reporting.megabytes(size) if size else "",
    )


@click.command()
@click.option("--parameters", default=100.0, show_default=True, help="Size of the model in millions.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each.")
@reporting.target_option
@reporting.json_option
def main(*, parameters: float, runs: int, target: str, as_json: bool) -> None:
    """Quantize a model's weights to int8 with milopt and with coremltools, in turns, and compare the cost."""
    try:
        with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
            record = measure(Path(folder), parameters=int(parameters * 1e6), runs=runs, target=target)
    except JobError as error:
        sys.exit(f"error: {error}")
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

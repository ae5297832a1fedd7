"""`python -m benchmarks.runtime_memory`: the memory that running a large fp16 package takes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import jobs, reporting
from .measuring import JobError, figures

WIDTH = 4096
FP32_BYTES = 4


def measure(folder: Path, *, parameters: int, target: str) -> dict[str, Any]:
    """The whole benchmark in a folder, as a record of plain values.

    Raises:
        JobError: one of the processes failed.
    """
    package = folder / "dense.mlpackage"
    reporting.progress(f"building a model of {parameters / 1e6:g} million parameters")
    count = jobs.build("dense", package, target, parameters=parameters, width=WIDTH)
    reporting.progress("running it")
    imports = jobs.import_runtime(folder)
    usage, seconds = jobs.run_dense(package)
    return {
        "environment": {**reporting.environment(), "onnxruntime": version("onnxruntime")},
        "target": target,
        "parameters": count,
        "package_bytes": reporting.package_bytes(package),
        "fp32_bytes": FP32_BYTES * count,
        "imports": figures(imports),
        "process": figures(usage),
        "seconds": seconds,
        "ratio": usage.peak_bytes / (FP32_BYTES * count),
    }


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{record['parameters']:,} parameters, fp16, {record['target']}")
    print(f"{reporting.in_words(record['environment'])}\n")
    rows = [
        ("package", reporting.megabytes(record["package_bytes"])),
        ("weights in fp32", reporting.megabytes(record["fp32_bytes"])),
        ("peak memory, imports only", reporting.megabytes(record["imports"]["peak_bytes"])),
        ("peak memory, opened and run", reporting.megabytes(record["process"]["peak_bytes"])),
        ("peak memory / weights in fp32", f"{record['ratio']:.2f}"),
        ("opening it", f"{record['seconds']['open_seconds']:.2f} s"),
        ("the first run", f"{record['seconds']['run_seconds']:.2f} s"),
    ]
    reporting.print_table(("", ""), rows)


@click.command()
@click.option("--parameters", default=1000.0, show_default=True, help="Size of the model in millions.")
@reporting.target_option
@reporting.json_option
def main(*, parameters: float, target: str, as_json: bool) -> None:
    """Open and run a large model in a process of its own, and compare its peak memory with its weights' size."""
    try:
        with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
            record = measure(Path(folder), parameters=int(parameters * 1e6), target=target)
    except JobError as error:
        sys.exit(f"error: {error}")
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

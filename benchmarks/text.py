"""`python -m benchmarks.text`: the time and memory that printing and parsing MIL text take."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import jobs, reporting
from .measuring import JobError, figures

SIZES = (1_000, 3_000, 10_000, 30_000)
WEIGHTS = (10, 1_000)  # megabytes


def measure(folder: Path, *, rounds: int) -> dict[str, Any]:
    """The whole benchmark in a folder, as a record of plain values.

    Raises:
        JobError: one of the processes failed.
    """
    reporting.progress("printing and parsing")
    sizes = jobs.text_times(SIZES, rounds)
    weights = []
    for megabytes in WEIGHTS:
        reporting.progress(f"parsing a text that refers to {megabytes} MB of weights")
        usage = jobs.parse_references(megabytes, folder)
        weights.append({"weight_megabytes": megabytes, **figures(usage)})
    return {"environment": reporting.environment(), "sizes": sizes, "weights": weights}


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{reporting.in_words(record['environment'])}\n")
    headers = ("ops", "text", "print", "per op", "parse", "per op", "text to protobuf")
    reporting.print_table(headers, [_row(each) for each in record["sizes"]])
    rows = [(f"{each['weight_megabytes']} MB", reporting.megabytes(each["peak_bytes"])) for each in record["weights"]]
    reporting.print_table(("weights in the file", "peak memory"), rows)


def _row(found: dict[str, Any]) -> tuple[str, ...]:
    ops = found["ops"]
    times = [found[what] for what in ("print_seconds", "parse_seconds")]
    shown = [words for seconds in times for words in (f"{seconds:.2f} s", f"{1e6 * seconds / ops:.0f} us")]
    return f"{ops:,}", reporting.megabytes(found["characters"]), *shown, f"{found['protobuf_seconds']:.2f} s"


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often to print and parse each program; best counts.")
@reporting.json_option
def main(*, rounds: int, as_json: bool) -> None:
    """Print and parse programs of several sizes, and parse text whose weights lie in a file."""
    try:
        with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
            record = measure(Path(folder), rounds=rounds)
    except JobError as error:
        sys.exit(f"error: {error}")
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

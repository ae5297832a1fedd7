"""`python -m benchmarks.calibration`: what calibrating costs beside running the samples, and beside coremltools."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import calibration_jobs as calibrating
from . import jobs, reporting
from .calibration_jobs import COREMLTOOLS, HISTOGRAMS, MIN_MAX, ROOT
from .measuring import JobError

_TARGET = "iOS17"
_TOOLS = (MIN_MAX, HISTOGRAMS, COREMLTOOLS)


def measure(folder: Path, *, samples: int, rounds: int, memory: tuple[int, int], theirs: bool) -> dict[str, Any]:
    """The whole benchmark in a folder, as a record of plain values.

    Args:
        folder: for packages and temporary files.
        samples: of ResNet-50 whose time is taken.
        rounds: how often it is everyone's turn.
        memory: the numbers of samples that memory is measured with.
        theirs: whether coremltools takes part.

    Raises:
        JobError: one of the processes failed.
    """
    packages = _packages(folder)
    reporting.progress("taking times")
    counts = {"resnet50": samples, "digits": 256}
    taken = {
        name: {"samples": count, **calibrating.run("times", name, packages[name], count, rounds, _yes(theirs))[1]}
        for name, count in counts.items()
    }
    return {
        "environment": {**reporting.environment(), "onnxruntime": version("onnxruntime")},
        "rounds": rounds,
        "times": taken,
        "memory": {
            tool: {count: _calibration(tool, packages["resnet50"], count, folder) for count in memory}
            for tool in (MIN_MAX, HISTOGRAMS)
        },
        "theirs": {memory[0]: _calibration(COREMLTOOLS, packages["resnet50"], memory[0], folder)} if theirs else {},
    }


def _packages(folder: Path) -> dict[str, Path]:
    """ResNet-50 of random weights and the example, written to a folder: coremltools changes packages that it opens."""
    reporting.progress("building ResNet-50")
    resnet50 = folder / "resnet50.mlpackage"
    jobs.build("resnet50", resnet50, _TARGET)
    digits = shutil.copytree(ROOT / "examples" / "digits" / "digits.mlpackage", folder / "digits.mlpackage")
    return {"resnet50": resnet50, "digits": Path(digits)}


def _yes(choice: bool) -> str:  # noqa: FBT001 - it has no other argument
    return "yes" if choice else "no"


def _calibration(tool: str, package: Path, count: int, folder: Path) -> dict[str, Any]:
    """The peak memory of a process that calibrates, and the temporary files at its end and after it."""
    reporting.progress(f"{tool}, {count} samples")
    place = folder / f"{tool}-{count}"
    place.mkdir()
    usage, at_the_end = calibrating.run("calibration", tool, "resnet50", package, count, place)
    found = {"peak_bytes": usage.peak_bytes, "at_the_end": at_the_end, "afterwards": calibrating.files_in(place)}
    shutil.rmtree(place)
    return found


def print_record(record: dict[str, Any]) -> None:
    """Prints what `measure` gave as text."""
    print(f"{reporting.in_words(record['environment'])}; medians of {record['rounds']} rounds\n")
    for name, found in record["times"].items():
        print(f"{name}, {found['samples']} samples; running them takes a session that is open, or opens one\n")
        headers = ("", "time", "/ running", "/ opening and running", "coremltools / this")
        reporting.print_table(headers, [_times_row(tool, found) for tool in found["seconds"]])
    print("ResNet-50, one calibration in a process of its own\n")
    measured = {**record["memory"], COREMLTOOLS: record["theirs"]}
    rows = [_memory_row(tool, count, found) for tool in _TOOLS for count, found in measured[tool].items()]
    reporting.print_table(("", "samples", "peak memory", "temporary files at its end", "", "after it", ""), rows)


def _times_row(tool: str, found: dict[str, Any]) -> tuple[str, ...]:
    faster = found["coremltools_by"].get(tool)
    return (
        tool,
        f"{found['seconds'][tool]:.3f} s",
        f"{found['by_plain'][tool]:.2f}",
        f"{found['by_opened'][tool]:.2f}",
        "" if faster is None else f"{faster:.1f}",
    )


def _memory_row(tool: str, count: int, found: dict[str, Any]) -> tuple[str, ...]:
    left = [found[when] for when in ("at_the_end", "afterwards")]
    sizes = [text for each in left for text in (str(each["files"]), reporting.megabytes(each["bytes"]))]
    return (tool, str(count), reporting.megabytes(found["peak_bytes"]), *sizes)


@click.command()
@click.option("--samples", default=32, show_default=True, help="Samples of ResNet-50 whose time is taken.")
@click.option("--rounds", default=3, show_default=True, help="How often it is everyone's turn.")
@click.option(
    "--memory", nargs=2, type=int, default=(8, 256), show_default=True, help="Samples when memory is measured."
)
@click.option("--coremltools/--no-coremltools", "theirs", default=True, help="Whether coremltools takes part.")
@reporting.json_option
def main(*, samples: int, rounds: int, memory: tuple[int, int], theirs: bool, as_json: bool) -> None:
    """Time calibration beside running the samples and beside coremltools, and measure memory and temporary files."""
    try:
        with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
            record = measure(Path(folder), samples=samples, rounds=rounds, memory=memory, theirs=theirs)
    except JobError as error:
        sys.exit(f"error: {error}")
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

"""Time and memory of a job in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# ru_maxrss counts bytes on macOS and kilobytes on Linux. Source: getrusage(2) of both.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class JobError(Exception):
    """A job's process ended with an error; the message holds the end of what it wrote to stderr."""


@attrs.frozen(kw_only=True)
class Usage:
    """What one process took, as its parent accounts for it.

    Attributes:
        wall_seconds: from start to end.
        cpu_seconds: user and system time of all its threads.
        peak_bytes: the largest resident set, mapped files included.
        stdout: what it printed.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    stdout: str = attrs.field(default="", eq=False, repr=False)


def run_job(name: str, script: str, *arguments: str, folder: Path) -> Usage:
    """Runs a Python script in a fresh interpreter, in `folder`.

    On Linux a process begins with the peak of the one that started it, so the caller must be small itself.

    Raises:
        JobError: it ended with another exit code than 0.
    """
    command = [sys.executable, "-c", script, *arguments]
    with TemporaryFile() as output, TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        wall_seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise JobError(f"{name} ended with {_reason(process.returncode)}:\n{_end_of(errors)}")
        return Usage(
            wall_seconds=wall_seconds,
            cpu_seconds=used.ru_utime + used.ru_stime,
            peak_bytes=used.ru_maxrss * _RSS_UNIT,
            stdout=_end_of(output),
        )


def _reason(returncode: int) -> str:
    return f"exit code {returncode}" if returncode > 0 else f"signal {-returncode}"


def _end_of(stream: IO[bytes], lines: int = 25) -> str:
    stream.seek(0)
    return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


QUANTITIES = ("wall_seconds", "cpu_seconds", "peak_bytes")


def figures(run: Usage) -> dict[str, float]:
    """Each of `QUANTITIES` of a run."""
    return {quantity: getattr(run, quantity) for quantity in QUANTITIES}


def medians(runs: Sequence[Usage]) -> dict[str, float]:
    """The median over runs of each of `QUANTITIES`."""
    return {quantity: median(getattr(run, quantity) for run in runs) for quantity in QUANTITIES}


def median_ratios(first: Sequence[Usage], second: Sequence[Usage]) -> dict[str, float]:
    """The median over pairs of the first's by the second's, for each of `QUANTITIES`."""
    pairs = [(figures(one), figures(other)) for one, other in zip(first, second, strict=True)]
    return {quantity: median(one[quantity] / other[quantity] for one, other in pairs) for quantity in QUANTITIES}

"""What a worker does for a calibration, in whatever process it is: opens the model once, and measures chunks."""

from __future__ import annotations

import functools
import os
import threading

import attrs

from .batching import Sample
from .gathering import Gathering
from .job import Job
from .running import Chunk, FunctionRun, Part


@attrs.frozen
class Errand:
    """What a worker has to know beside the samples.

    Attributes:
        path: of the model; every worker must see it.
        model_hash: which model that is; another one may stand at the path the next time.
        is_program: whether its program runs without a description.
        job: what is measured, and how.
        threads: how many a worker computes with.
    """

    path: str
    model_hash: str
    is_program: bool
    job: Job
    threads: int | None


@attrs.frozen
class Found:
    """What a worker gives back.

    Attributes:
        part: what it found in a chunk.
        unbatched: see `FunctionRun`.
    """

    part: Part
    unbatched: str | None


class _Opened:
    """The function that a process measured last, which stays open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errand: Errand | None = None
        self._run: FunctionRun | None = None

    def run_of(self, errand: Errand) -> FunctionRun:
        """The function that an errand is about; opened once, also if several threads ask."""
        with self._lock:
            if self._run is None or self._errand != errand:
                self._run = None  # two are never open at once
                self._run, self._errand = _open(errand), errand
            return self._run

    def close(self) -> None:
        """Lets go of it."""
        with self._lock:
            self._run = self._errand = None


@functools.cache
def _opened(process: int) -> _Opened:  # noqa: ARG001 - a forked process must not use, nor close, what its parent opened
    return _Opened()


def _open(errand: Errand) -> FunctionRun:
    from ....ir.opening import load

    model = load(errand.path)
    return FunctionRun(model.program if errand.is_program else model, errand.job, errand.threads)


def measure(errand: Errand, first: int, samples: list[Sample]) -> Found:
    """What a worker does with a chunk: its statistics.

    Raises:
        RunError: the model does not take a sample.
        PackageError: the worker does not find the model.
    """
    run, gathering = _opened(os.getpid()).run_of(errand), Gathering(errand.job)
    run.gather(Chunk(first, samples), gathering)
    return Found(Part(first, gathering.finish()), run.unbatched)


def close() -> None:
    """Lets go of what threads of this process opened to measure."""
    _opened(os.getpid()).close()

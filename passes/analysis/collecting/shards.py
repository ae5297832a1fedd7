"""Chunks of samples that are measured by others: processes of a pool, threads, or the workers of a cluster.

Each worker opens the model once, from its path, and keeps it. Chunks are dealt as they are read, a few for each worker,
and their statistics come back in order: the result is that of one process.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from ....ir.errors import OptionError, RunError
from .errands import Errand, Found, close, measure
from .running import Chunk, Part

_CHUNKS_AHEAD = 2  # for each worker: one in work, one at hand


class Shards:
    """Deals chunks to the workers of an executor.

    Args:
        executor: any of `concurrent.futures`.
        errand: what the workers have to know.
        workers: how many there are.
        on_sample: called with the number of samples that have run, each time that some have.

    Attributes:
        unbatched: see `FunctionRun`.
    """

    def __init__(
        self, executor: Executor, errand: Errand, workers: int, on_sample: Callable[[int], None] | None = None
    ) -> None:
        self._executor, self._errand, self._on_sample = executor, errand, on_sample
        self._most = workers * _CHUNKS_AHEAD
        self._pending: deque[Future[Found]] = deque()
        self.unbatched: str | None = None

    def results(self, chunks: Iterable[Chunk]) -> Iterator[Part]:
        """What was found in each chunk, in order.

        Raises:
            RunError: a worker died, or the model does not take a sample.
        """
        for chunk in chunks:
            self._pending.append(self._dealt(chunk))
            if len(self._pending) >= self._most:
                yield from self._next()
        while self._pending:
            yield from self._next()

    def left_over(self) -> list[Part]:
        """What had come back when `results` was broken off, up to the first gap; the rest is called off."""
        found = []
        while self._pending and _is_good(self._pending[0]):
            found.append(self._pending.popleft().result().part)
        while self._pending:
            self._pending.pop().cancel()
        return found

    def close(self) -> None:
        """Lets go of what threads of this process opened."""
        close()

    def _dealt(self, chunk: Chunk) -> Future[Found]:
        samples = list(chunk.samples)
        with _explained():
            return self._executor.submit(measure, self._errand, chunk.first, samples)

    def _next(self) -> Iterator[Part]:
        with _explained():
            found = self._pending[0].result()
        self.unbatched = self.unbatched or found.unbatched
        yield found.part
        self._pending.popleft()
        if self._on_sample is not None:
            self._on_sample(found.part.statistics.samples)


def _is_good(future: Future[Found]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


@contextmanager
def _explained() -> Iterator[None]:
    """What becomes of a worker's death: an error of one line."""
    try:
        yield
    except Exception as error:
        is_clusters = type(error).__module__.partition(".")[0] == "distributed"
        if not is_clusters and not isinstance(error, BrokenExecutor | CancelledError):
            raise
        hint = "fewer workers need less memory; with a checkpoint the next run goes on from here"
        text = str(error).partition("\n")[0] or type(error).__name__
        raise RunError(f"a worker died: {text}", hint=hint) from error


def worker_count(executor: Executor, shards: int | None) -> int:
    """How many workers an executor has.

    Args:
        executor: pools tell it, and so do Dask's clients.
        shards: what the caller says; it is believed.

    Raises:
        OptionError: the caller says that there is none.
    """
    if shards is not None:
        if shards < 1:
            raise OptionError(f"{shards} shards can not do anything")
        return shards
    cores = getattr(getattr(executor, "_client", None), "ncores", None)
    if cores is not None:
        return max(1, sum(map(int, cores().values())))
    return int(getattr(executor, "_max_workers", 0)) or os.cpu_count() or 1


def threads_each(workers: int) -> int:
    """How many threads each worker computes with, where all of them share this machine."""
    return max(1, (os.cpu_count() or 1) // workers)


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Processes that work for `calibrate`; Ctrl-C ends the calibration and lets them finish what they do.

    Raises:
        OptionError: there are to be none.
    """
    if workers < 1:
        raise OptionError(f"{workers} workers can not do anything")
    # Forked processes would have this one's memory, but not the threads that compute in it.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_ignore_interrupts)
    with _interrupts_blocked():
        for _ in range(workers):  # each piece of work starts a process, as long as none is idle
            pool.submit(os.getpid)
    return pool


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Lets no Ctrl-C through to processes that start: they inherit that, and are deaf from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)

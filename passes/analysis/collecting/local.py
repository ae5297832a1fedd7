"""Chunks of samples that are measured in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .gathering import Gathering
from .job import Job
from .running import Chunk, FunctionRun, Part


class Local:
    """Measures one function here.

    Args:
        model: what `Session` takes.
        job: what is measured, and how.
        threads: how many to compute with.
        on_sample: called with the number of samples that have run, each time that some have.

    Attributes:
        unbatched: see `FunctionRun`.
    """

    def __init__(
        self, model: Any, job: Job, threads: int | None = None, on_sample: Callable[[int], None] | None = None
    ) -> None:
        self._job, self._on_sample = job, on_sample
        self._run = FunctionRun(model, job, threads)
        self._begun: tuple[int, Gathering] | None = None

    @property
    def unbatched(self) -> str | None:
        """Why samples do not run together though that was asked for; None if they do."""
        return self._run.unbatched

    def results(self, chunks: Iterable[Chunk]) -> Iterator[Part]:
        """What was found in each chunk, in order."""
        for chunk in chunks:
            self._begun = chunk.first, Gathering(self._job)
            self._run.gather(chunk, self._begun[1], self._on_sample)
            yield from self.left_over()

    def left_over(self) -> list[Part]:
        """What was found in the chunk that `results` was broken off in; nothing if a sample was broken off."""
        if self._begun is None or not self._begun[1].is_whole:
            return []
        first, gathering = self._begun
        return [Part(first, gathering.finish())]

    def close(self) -> None:
        """Nothing: what was opened here goes with this object."""

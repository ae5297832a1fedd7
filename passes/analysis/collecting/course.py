"""How far a calibration has come."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from typing import Protocol

import attrs

from ....ir.errors import RunError, quoted
from ..calibration.merging import merge_functions
from ..calibration.statistics import CalibrationStatistics
from .batching import Sample
from .running import Chunk, Part

# Statistics are merged chunk by chunk, whoever measured a chunk, so that the result is the same to the last bit.
CHUNK = 8


class Workers(Protocol):
    """Who measures chunks: this process, or others."""

    @property
    def unbatched(self) -> str | None:
        """Why samples do not run together though that was asked for; None if they do."""

    def results(self, chunks: Iterable[Chunk]) -> Iterator[Part]:
        """What was found in each chunk, in order."""

    def left_over(self) -> list[Part]:
        """What is known when `results` was broken off; parts that it has given already may be among them."""

    def close(self) -> None:
        """Lets go of what is open."""


class Course:
    """Statistics that grow chunk by chunk.

    Args:
        begun: statistics to go on from; those of no functions at the beginning.
    """

    def __init__(self, begun: CalibrationStatistics) -> None:
        self.statistics = begun

    @property
    def done(self) -> int:
        """How many samples are done, of all functions."""
        return sum(each.samples for each in self.statistics.functions.values())

    def done_of(self, function: str) -> int:
        """How many samples of a function are done."""
        found = self.statistics.functions.get(function)
        return 0 if found is None else found.samples

    def take(self, function: str, part: Part) -> None:
        """Adds the next part of a function's samples; one that it has taken before leaves things as they are."""
        if part.first < self.done_of(function) or not part.statistics.samples:
            return
        functions = self.statistics.functions
        before = functions.get(function)
        after = part.statistics if before is None else merge_functions(function, before, part.statistics)
        self.statistics = attrs.evolve(self.statistics, functions={**functions, function: after})


def chunk_size(batch_size: int, *, whole: bool) -> int:
    """How many samples make a chunk: whole batches, or everything where the order of samples matters."""
    return sys.maxsize if whole else -(-CHUNK // batch_size) * batch_size


def chunks_of(samples: Iterable[Sample], size: int, done: int) -> Iterator[Chunk]:
    """Samples in chunks, which are walked one after the other.

    Args:
        samples: those that are not done.
        size: of a chunk.
        done: how many are done; the first chunk ends where it would have ended without a break.
    """
    iterator, first = iter(samples), done
    for sample in iterator:
        length = size - first % size
        yield Chunk(first, itertools.chain([sample], itertools.islice(iterator, length - 1)))
        first += length


def without(samples: Iterable[Sample], done: int, function: str) -> Iterator[Sample]:
    """The samples behind those that are done.

    Raises:
        RunError: there are not as many.
    """
    iterator = iter(samples)
    skipped = sum(1 for _ in itertools.islice(iterator, done))
    if skipped < done:
        raise RunError(
            f"the checkpoint has {done} samples done, and there are only {skipped}",
            where=f"function {quoted(function)}",
            hint="give the samples of the run that it is of, or another checkpoint",
        )
    return iterator

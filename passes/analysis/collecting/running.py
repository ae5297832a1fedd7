"""Runs samples through one function, opened once, and hands what it observes to be counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs

from ....ir.errors import MiloptError, RunError, quoted
from ....runtime.session import ObservedEntries, Session
from ....runtime.state import State
from ..calibration.function_statistics import FunctionStatistics
from .batching import Call, Sample, Together, differs, groups_of, joined
from .beside import Beside
from .gathering import Gathering, all_finite
from .job import Job

# What is observed of values whose ranges are kept only. A mean is finite only if all elements are; only if one is not,
# the rest of the samples runs with what tells finite elements from others, which costs more.
_QUICK = ("elements", "min", "max", "mean")
_CLOSE = ("elements", "finite_min", "finite_max", "not_finite")


@attrs.frozen
class Chunk:
    """Samples that stand one behind the other.

    Attributes:
        first: the index of the first among all.
        samples: the samples; an iterable that is walked once.
    """

    first: int
    samples: Iterable[Sample]


@attrs.frozen
class Part:
    """What was found in some samples.

    Attributes:
        first: the index of the first among all.
        statistics: of them; it knows how many they are.
    """

    first: int
    statistics: FunctionStatistics


class FunctionRun:
    """One function of a model, ready to be measured.

    Args:
        model: what `Session` takes.
        job: the function, what is measured in it, and how.
        threads: how many to compute with.

    Attributes:
        unbatched: why samples do not run together though that was asked for; None as long as they do.

    Raises:
        RunError: the function can not be run.
    """

    def __init__(self, model: Any, job: Job, threads: int | None = None) -> None:
        self._model, self._job, self._threads = model, job, threads
        self._session = self._opened(("value",) if job.settings.takes_values else _QUICK)
        if self._session.states and not job.settings.takes_values:
            self._session = self._opened(_CLOSE)  # a call can not be repeated: its state has changed
        self._size = 1 if self._session.states else job.settings.batch_size
        self._proven = False
        self.unbatched = "the model has states" if self._size < job.settings.batch_size else None

    def _opened(self, statistics: tuple[str, ...]) -> Session:
        return Session(
            self._model,
            self._job.function,
            precision=self._job.settings.precision,
            threads=self._threads,
            observe={each.name: statistics for each in self._job.measured},
        )

    def gather(self, chunk: Chunk, gathering: Gathering, on_sample: Callable[[int], None] | None = None) -> None:
        """Runs samples, and adds what they hold to a gathering, on another thread while the next one runs.

        Args:
            chunk: the samples.
            gathering: takes it; whatever ends the run, samples are in it as a whole or not at all, but for a sequence
                of calls that is broken off, see `Gathering.is_whole`.
            on_sample: called with the number of samples that have run, each time that some have.

        Raises:
            RunError: the model does not take a sample.
        """
        at = chunk.first
        with Beside() as beside:
            for group in groups_of(chunk.samples, self._size):
                with _within(f"function {quoted(self._job.function)}, {_named(at, len(group))}"):
                    self._run(group, gathering, beside)
                at += len(group)
                if on_sample is not None:
                    on_sample(len(group))

    def _run(self, group: list[Sample], gathering: Gathering, beside: Beside) -> None:
        together = joined(self._session.inputs, group) if len(group) > 1 else None
        if isinstance(together, Together) and self._proven:
            _, observed = self._observed(together.call)
            beside.do(partial(gathering.add, observed, together.samples))
            return
        outputs = [self._run_alone(sample, gathering, beside) for sample in group]
        if isinstance(together, Together):
            self._prove(together, outputs)
        elif together is not None:
            self.unbatched = together

    def _prove(self, together: Together, alone: list[Mapping[str, Any]]) -> None:
        """Finds out whether samples give the same together as alone; the first axis need not be that of a batch."""
        difference = differs(self._session.run(together.call), alone)
        self._proven = difference is None
        self._size = self._size if self._proven else 1
        self.unbatched = difference

    def _run_alone(self, sample: Sample, gathering: Gathering, beside: Beside) -> Mapping[str, Any]:
        state = self._session.make_state() if self._session.states else None
        if isinstance(sample, Mapping):
            outputs, observed = self._observed(sample, state)
            beside.do(partial(gathering.add, observed))
            return outputs
        _check_sequence(sample)
        for index, call in enumerate(sample):
            is_last = index + 1 == len(sample)
            with _within(f"call {index}"):
                outputs, observed = self._observed(call, state)
            beside.do(partial(gathering.add_call, observed, is_last=is_last))
        return {}

    def _observed(self, call: Call, state: State | None = None) -> tuple[dict[str, Any], ObservedEntries]:
        """Runs once; anew, and every time from then on, with a closer look if something is not finite."""
        outputs, observed = self._session.run_entries(call, state)
        if not all_finite(observed):
            self._session = self._opened(_CLOSE)
            return self._session.run_entries(call, state)
        return outputs, observed


def _check_sequence(sample: Any) -> None:
    if not isinstance(sample, Sequence) or isinstance(sample, str) or not sample:
        found = "an empty sequence" if isinstance(sample, Sequence) else f"a {type(sample).__name__}"
        hint = "a sample is a mapping, {input: value}, or a list of such mappings: calls that share a state"
        raise RunError(f"it is {found}", hint=hint)


def _named(first: int, count: int) -> str:
    return f"sample {first}" if count == 1 else f"samples {first} to {first + count - 1}"


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Says in errors where among the samples they happened."""
    try:
        yield
    except MiloptError as error:
        error.where = ", ".join(filter(None, (place, error.where)))
        raise

"""What a program gave for samples before it was changed, as the reference for what it gives later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from ...ir.errors import RunError
from .comparing.pairs import renaming
from .fidelity import OutputDistance, Values, compared

if TYPE_CHECKING:
    from ...runtime.samples import Samples
    from ...runtime.session import Session
    from ...runtime.types import Precision


@attrs.frozen
class Random:
    """Random samples, made for each function from the types of its inputs; see `runtime/random_samples.py`.

    Attributes:
        count: how many.
        seed: of the random numbers.
    """

    count: int = 4
    seed: int = 0

    def candidates(self, function: Any) -> Iterator[Samples]:
        """Samples for a PyMIL function, with other sizes each time where it leaves sizes open.

        Each is followed by its magnitudes: of a negative number, a logarithm or a root gives NaN.
        """
        from ...runtime.random_samples import UNKNOWN_SIZES, RandomSamples

        for size in UNKNOWN_SIZES:
            samples = RandomSamples(function, self.count, seed=self.seed, size=size)
            yield from (samples, _Magnitudes(samples))
            if not samples.depends_on_size:
                return


Source: TypeAlias = "Samples | Random"
"""Samples for every function that is run, or random ones."""


@attrs.frozen
class _Magnitudes:
    """Samples without their signs."""

    samples: Samples

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return ({name: np.abs(value) for name, value in each.items()} for each in self.samples)


@attrs.frozen(eq=False)
class _Recorded:
    """What a function gave for samples."""

    samples: Samples
    inputs: tuple[str, ...]
    outputs: dict[str, Values]


class Reference:
    """What the functions of a program give for samples, to compare later states of the program with.

    Args:
        program: PyMIL; it is run now, and not kept.
        samples: what to run it on.
        function: the only one to run; every function without it.
        precision: of float math; see `Session`.

    Raises:
        RunError: the program can not be run, or does not take the samples.
        PackageError: its weights are missing.
    """

    def __init__(
        self, program: Any, samples: Source, *, function: str | None = None, precision: Precision = "float32"
    ) -> None:
        self._precision: Precision = precision
        names = [function] if function is not None else list(program.functions)
        self._recorded = {name: self._record(program, name, samples) for name in names}

    def _record(self, program: Any, name: str, samples: Source) -> _Recorded:
        session = self._open(program, name)
        inputs = tuple(feature.name for feature in session.inputs)
        fitting, outputs = _first_that_runs(session, program.functions[name], samples, name)
        return _Recorded(fitting, inputs, outputs)

    def _open(self, program: Any, name: str) -> Session:
        from ...runtime.session import Session

        return Session(program, name, precision=self._precision)

    @property
    def blind(self) -> list[tuple[str, str]]:
        """The functions and outputs of which nothing can be compared: they are nowhere finite on these samples."""
        return [
            (name, output)
            for name, recorded in self._recorded.items()
            for output, values in recorded.outputs.items()
            if values.tells_nothing
        ]

    def distances(self, program: Any, function: str | None = None) -> list[OutputDistance]:
        """How far each output of a program is from what it was.

        Args:
            program: a later state of the program; functions and outputs are the same ones, in the same order.
            function: the only one that can have changed, if that is known.

        Raises:
            RunError: the program can not be run any more.
        """
        names = [name for name in self._recorded if function in (None, name)]
        return [each for name in names for each in self._distances(program, name)]

    def _distances(self, program: Any, name: str) -> Iterator[OutputDistance]:
        before = self._recorded[name]
        if name not in program.functions:
            yield from (OutputDistance(name, output, -math.inf, problem="is gone") for output in before.outputs)
            return
        session = self._open(program, name)
        names = renaming(before.inputs, [feature.name for feature in session.inputs])
        samples = ({names.get(key, key): value for key, value in each.items()} for each in before.samples)
        after = _run(session, samples, name)
        found = renaming(list(before.outputs), list(after))
        for output, values in before.outputs.items():
            yield compared(name, output, values, after.get(found.get(output, output)))


def _first_that_runs(session: Session, function: Any, samples: Source, name: str) -> tuple[Samples, dict[str, Values]]:
    """The first random samples whose every output has a finite element; without such, the first that run at all."""
    if not isinstance(samples, Random):
        return samples, _run(session, samples, name)
    failure: RunError | None = None
    blind: tuple[Samples, dict[str, Values]] | None = None
    for candidate in samples.candidates(function):
        try:
            outputs = _run(session, candidate, name)
        except RunError as error:
            failure = failure or error
            continue
        if not any(each.tells_nothing for each in outputs.values()):
            return candidate, outputs
        blind = blind or (candidate, outputs)
    if blind is not None:
        return blind
    message = failure.message if failure else "it does not run"
    raise RunError(message, where=f"function {name!r} on random samples", hint="give samples in a file") from failure


def _run(session: Session, samples: Iterable[Mapping[str, Any]], name: str) -> dict[str, Values]:
    """Each output, and each state after the run, over all samples; every sample starts with states of zeros."""
    known = {feature.name for feature in session.inputs}
    arrays: dict[str, list[np.ndarray]] = {}
    for index, sample in enumerate(samples):
        given = {key: value for key, value in sample.items() if key in known}
        try:
            for key, value in _run_once(session, given).items():
                arrays.setdefault(key, []).append(value)
        except RunError as error:
            place = ", ".join(filter(None, (f"function {name!r}, sample {index}", error.where)))
            raise RunError(error.message, where=place, hint=error.hint) from error
    if not arrays:
        raise RunError("there are no samples", where=f"function {name!r}")
    return {key: Values.of(values) for key, values in arrays.items()}


def _run_once(session: Session, sample: Mapping[str, Any]) -> dict[str, np.ndarray]:
    from ...runtime.results import as_arrays

    if not session.states:
        return as_arrays(session.run(sample))
    state = session.make_state()
    outputs = as_arrays(session.run(sample, state))
    return outputs | {f"state {name!r}": state[name] for name in state}

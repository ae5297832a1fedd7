"""How far a program's outputs are from what they were: the ratio of signal to noise, and the largest error."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

from ...ir.errors import Subject


@attrs.frozen
class OutputDistance:
    """How far an output, or a state after the run, is from what it was, over all samples.

    Attributes:
        function: the function.
        output: the output's name before the pipeline; `state 'x'` for a state.
        sqnr_db: the power of what it was over that of the difference, in decibels; inf for equal values, -inf where
            there is a difference from zeros, something that is not finite, or nothing that can be compared.
        max_abs: the largest difference of two finite elements.
        not_finite: how many elements are infinite or NaN, and were not, or the other way round.
        problem: why it can not be compared, or says nothing; empty if it can.
    """

    function: str
    output: str
    sqnr_db: float
    max_abs: float = 0.0
    not_finite: int = 0
    problem: str = ""

    @property
    def subject(self) -> Subject:
        """The function, for errors."""
        return Subject(self.function)

    @property
    def words(self) -> str:
        """`output 'y' is at 12.3 dB, its largest error is 0.25`."""
        name = self.output if self.output.startswith("state ") else f"output {self.output!r}"
        if self.problem:
            return f"{name} {self.problem}"
        elements = f"{self.not_finite} element{'' if self.not_finite == 1 else 's'}"
        more = f", and {elements} changed between finite and not" if self.not_finite else ""
        return f"{name} is at {decibels(self.sqnr_db)}, its largest error is {self.max_abs:.4g}{more}"

    def __str__(self) -> str:
        """The words, and whose output it is."""
        return f"in function {self.function!r}, {self.words}"

    def as_json(self) -> dict[str, Any]:
        """The attributes; JSON has no infinite numbers, so that `sqnr_db` is null and `equal` tells which it is."""
        finite = math.isfinite(self.sqnr_db)
        values = attrs.asdict(self)
        return values | {"sqnr_db": self.sqnr_db if finite else None, "equal": self.sqnr_db == math.inf}


NOWHERE_FINITE = "is nowhere finite on these samples, before and after: nothing was compared"


def decibels(value: float) -> str:
    """A ratio for people: `41.3 dB`, `inf dB`."""
    return f"{value:.1f} dB"


def worst_of(distances: Iterable[OutputDistance]) -> OutputDistance | None:
    """The one with the least SQNR, of equals the one with the largest error; None if there are none."""
    return min(distances, key=lambda each: (each.sqnr_db, -each.max_abs), default=None)


@attrs.frozen(eq=False)
class Values:
    """One output over all samples.

    Attributes:
        shapes: of each sample's array.
        elements: of all samples behind each other.
    """

    shapes: tuple[tuple[int, ...], ...]
    elements: np.ndarray

    @classmethod
    def of(cls, arrays: list[np.ndarray]) -> Values:
        """The values of one array for each sample."""
        return cls(tuple(each.shape for each in arrays), np.concatenate([each.reshape(-1) for each in arrays]))

    @property
    def tells_nothing(self) -> bool:
        """Whether there are elements, and all are infinite or NaN: what comes after them is so too, mostly."""
        return self.elements.dtype.kind == "f" and self.elements.size > 0 and not np.isfinite(self.elements).any()


def compared(function: str, output: str, before: Values, after: Values | None) -> OutputDistance:
    """The distance of an output from what it was; `after` is None if it is gone."""
    if after is None:
        return OutputDistance(function, output, -math.inf, problem="is gone")
    if before.shapes != after.shapes:
        was, now = next(pair for pair in zip(before.shapes, after.shapes, strict=True) if pair[0] != pair[1])
        problem = f"has the shape {list(now)}, and had {list(was)}"
        return OutputDistance(function, output, -math.inf, problem=problem)
    if any(each.elements.dtype.kind not in "biuf" for each in (before, after)):  # labels
        equal = np.array_equal(before.elements, after.elements)
        return OutputDistance(function, output, math.inf if equal else -math.inf)
    found = _number_distance(function, output, before.elements, after.elements)
    is_blind = before.tells_nothing and after.tells_nothing
    return attrs.evolve(found, sqnr_db=-math.inf, problem=NOWHERE_FINITE) if is_blind else found


def _number_distance(function: str, output: str, before: np.ndarray, after: np.ndarray) -> OutputDistance:
    from ...ir.diffing.distances import distance

    found = distance(*(each if each.dtype.kind == "f" else each.astype(np.float64) for each in (before, after)))
    return OutputDistance(function, output, found.sqnr_db, found.max_abs, found.not_finite)

"""What a comparison of two models says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from ....ir.errors import CheckFailure, OptionError, quoted
from ..fidelity import decibels

Criterion: TypeAlias = Literal["label", "argmax", "equality"]


@attrs.frozen
class Agreement:
    """How often both models decide the same.

    Attributes:
        same: how many decisions are the same.
        total: how many there are.
        criterion: what was looked at: a classifier's `label`, the class with the highest score (`argmax`), or the
            `equality` of whole numbers.
    """

    same: int
    total: int
    criterion: Criterion

    @property
    def percent(self) -> float:
        """The share of decisions that are the same, from 0 to 100."""
        return 100 * self.same / self.total if self.total else 100.0

    def __str__(self) -> str:
        """`449/450 = 99.78% (argmax)`."""
        return f"{self.same}/{self.total} = {self.percent:.2f}% ({self.criterion})"

    def as_json(self) -> dict[str, Any]:
        """The attributes, and the percentage."""
        return attrs.asdict(self) | {"percent": self.percent}


@attrs.frozen(kw_only=True)
class ValueComparison:
    """How far a value of B is from the same value of A, over all samples.

    Attributes:
        name: in A; `state 'x'` for a state after the run.
        other: in B, spelt in the same way.
        op_type: of the op that makes it, for values inside; empty for outputs.
        elements: how many were compared.
        sqnr_db: the power of A's value over that of the difference, in decibels; inf for equal values, -inf where
            there is a difference from zeros, something that is not finite, or nothing that can be compared; None for
            labels and whole numbers.
        cosine: of the angle between both as vectors; None where one is all zeros.
        max_abs: the largest difference of two finite elements.
        mean_abs: the mean of these differences.
        not_finite: how many elements are infinite or NaN, and were not, or the other way round.
        agreement: how often both decide the same, for values that are decisions.
        problem: why it can not be compared, or says nothing; empty if it can.
    """

    name: str
    other: str
    op_type: str = ""
    elements: int = 0
    sqnr_db: float | None = None
    cosine: float | None = None
    max_abs: float | None = None
    mean_abs: float | None = None
    not_finite: int = 0
    agreement: Agreement | None = None
    problem: str = ""

    @property
    def label(self) -> str:
        """The name for people: `y`, or `y (B: z)` where B calls it otherwise."""
        return self.name if self.name == self.other or not self.other else f"{self.name} (B: {self.other})"

    @property
    def words(self) -> str:
        """`'y' is at 12.3 dB, its largest error is 0.25`."""
        name = self.name if self.name.startswith("state ") else quoted(self.name)
        if self.problem or self.sqnr_db is None:
            return f"{name} {self.problem or 'has no SQNR'}"
        count = f"{self.not_finite} element{'' if self.not_finite == 1 else 's'}"
        more = f", and {count} changed between finite and not" if self.not_finite else ""
        return f"{name} is at {decibels(self.sqnr_db)}, its largest error is {self.max_abs:.4g}{more}"

    def as_json(self) -> dict[str, Any]:
        """The attributes; JSON has no infinite numbers, so that `sqnr_db` is null and `equal` tells which it is."""
        values = attrs.asdict(self, recurse=False)
        finite = self.sqnr_db is not None and math.isfinite(self.sqnr_db)
        agreement = self.agreement.as_json() if self.agreement else None
        values |= {"sqnr_db": self.sqnr_db if finite else None, "agreement": agreement, "equal": self.is_equal}
        return values

    @property
    def is_equal(self) -> bool:
        """Whether there is no difference at all."""
        if self.sqnr_db is None:
            return not self.problem and (self.agreement is None or self.agreement.same == self.agreement.total)
        return self.sqnr_db == math.inf


@attrs.frozen(kw_only=True)
class Comparison:
    """How far model B is from model A on some samples.

    Attributes:
        a: the name of A.
        b: the name of B.
        samples: how many there were.
        outputs: each output of A, and each state after the run, in A's order.
        layers: each value that is inside of both, in the order of A's program; None if they were not asked for.
        notes: what else is to be said, a line each: values that are called otherwise, outputs of B alone.
    """

    a: str
    b: str
    samples: int
    outputs: tuple[ValueComparison, ...]
    layers: tuple[ValueComparison, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> ValueComparison | None:
        """The output with the least SQNR; None if all are equal or none has one."""
        return worst_of(self.outputs)

    @property
    def worst_layer(self) -> ValueComparison | None:
        """The value inside with the least SQNR; None if all are equal or none was compared."""
        return worst_of(self.layers or ())

    def require(self, *, min_sqnr: float | None = None, min_agreement: float | None = None) -> None:
        """Checks every output; one that can not be compared misses any threshold.

        Args:
            min_sqnr: in decibels; for outputs and states that hold floats or images.
            min_agreement: in percent; for outputs that are decisions.

        Raises:
            CheckFailure: an output misses a threshold; names all that do.
            OptionError: no output has what a threshold is about.
        """
        # What can not be compared misses both, and is named once.
        missed = list(dict.fromkeys([*self._below_sqnr(min_sqnr), *self._below_agreement(min_agreement)]))
        if missed:
            raise CheckFailure("; ".join(missed), where=f"{self.b} against {self.a}")

    def as_json(self) -> dict[str, Any]:
        """The attributes, and the names of the worst."""
        layers = None if self.layers is None else [each.as_json() for each in self.layers]
        return {
            "a": self.a,
            "b": self.b,
            "samples": self.samples,
            "outputs": [each.as_json() for each in self.outputs],
            "worst": self.worst and self.worst.name,
            "layers": layers,
            "worst_layer": self.worst_layer and self.worst_layer.name,
            "notes": list(self.notes),
        }

    def _below_sqnr(self, limit: float | None) -> Iterator[str]:
        if limit is None:
            return
        found = [each for each in self.outputs if each.sqnr_db is not None or each.problem]
        if not found:
            raise OptionError("no output has an SQNR", where="min_sqnr", hint="labels and whole numbers have none")
        for each in found:
            if each.problem:
                yield each.words
            elif each.sqnr_db is not None and each.sqnr_db < limit:
                yield f"{each.words} (at least {decibels(limit)} are asked for)"

    def _below_agreement(self, limit: float | None) -> Iterator[str]:
        if limit is None:
            return
        found = [each for each in self.outputs if each.agreement is not None or each.problem]
        if not found:
            hint = "scores, --scores choose one"
            raise OptionError("no output looks like class scores", where="min_agreement", hint=hint)
        for each in found:
            if each.problem:
                yield each.words
            elif each.agreement is not None and each.agreement.percent < limit:
                yield f"{quoted(each.name)} agrees in {each.agreement} (at least {limit:g}% are asked for)"


def worst_of(values: Sequence[ValueComparison]) -> ValueComparison | None:
    """The one with the least SQNR, of equals the one with the largest error; None if all are equal."""
    rated = [
        (each.sqnr_db, -(each.max_abs or 0.0), index) for index, each in enumerate(values) if each.sqnr_db is not None
    ]
    least = min(rated, default=None)
    return None if least is None or least[0] == math.inf else values[least[2]]

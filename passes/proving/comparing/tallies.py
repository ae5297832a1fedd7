"""What is summed up of one value of both models, sample by sample; memory does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np

from ....ir.diffing.distances import DistanceSums
from ....ir.errors import OptionError
from ..fidelity import NOWHERE_FINITE
from .records import Agreement, Criterion, ValueComparison
from .scores import best, decided, looks_like_scores, score_rows

Scores: TypeAlias = Literal["guess", "yes", "no"]
"""Whether a value holds class scores; `guess` looks at its shape."""


@attrs.define
class Tally:
    """The sums of one value.

    Attributes:
        name: in A.
        other: in B.
        op_type: of the op that makes it; empty for outputs.
        scores: whether it holds class scores.
        axis: the one that counts the classes, if that was chosen.
        is_image: whether it holds pixels: whole numbers that are more or less bright, and no decisions.
    """

    name: str
    other: str
    op_type: str = ""
    scores: Scores = "no"
    axis: int | None = None
    is_image: bool = False
    _sums: DistanceSums = attrs.field(factory=DistanceSums, init=False)
    _same: int = attrs.field(default=0, init=False)
    _total: int = attrs.field(default=0, init=False)
    _criterion: Criterion | None = attrs.field(default=None, init=False)
    _problem: str = attrs.field(default="", init=False)

    def add(self, ours: Any, theirs: Any) -> None:
        """Adds what both models gave for a sample.

        Raises:
            OptionError: it is said to hold scores, and does not.
        """
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            if set(ours) != set(theirs):
                self._fail("has other labels than in A")
                return
            theirs = [theirs[label] for label in ours]
            ours = list(ours.values())
        is_label = isinstance(ours, int | str)
        left, right = (np.atleast_1d(np.asarray(each)) for each in (ours, theirs))
        if left.shape != right.shape:
            self._fail(f"has the shape {list(right.shape)}, and {list(left.shape)} in A")
        elif any(each.dtype.kind not in "biuf" for each in (left, right)):
            self._decide(left == right if left.dtype.kind == right.dtype.kind else np.zeros(left.shape, bool), "label")
        elif self.is_image or "f" in (left.dtype.kind, right.dtype.kind):
            self._add_numbers(left, right)
        else:
            self._decide(left == right, "label" if is_label else "equality")

    def add_each(self, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> None:
        """Adds what a value in a branch or loop was each time that it was computed."""
        if len(ours) != len(theirs):
            self._fail(f"was computed {len(theirs)} times in a call, and {len(ours)} times in A")
            return
        for left, right in zip(ours, theirs, strict=True):
            self.add(left, right)

    @property
    def is_guessed(self) -> bool:
        """Whether it was taken for class scores, and nobody has said so."""
        return self.scores == "guess" and self._criterion == "argmax"

    def gone(self) -> None:
        """Says that B has no such value."""
        self._fail("is gone: B has no such output")

    def finish(self) -> ValueComparison:
        """What the sums say."""
        criterion = self._criterion
        found = ValueComparison(
            name=self.name,
            other=self.other,
            op_type=self.op_type,
            elements=self._sums.elements or self._total,
            agreement=Agreement(self._same, self._total, criterion) if criterion else None,
            problem=self._problem or self._blind,
        )
        return self._with_distance(found) if self._sums.elements or found.problem else found

    def _with_distance(self, found: ValueComparison) -> ValueComparison:
        apart = self._sums.distance()
        sums = self._sums
        return attrs.evolve(
            found,
            sqnr_db=-math.inf if found.problem else apart.sqnr_db,
            cosine=sums.cosine,
            max_abs=apart.max_abs if sums.elements else None,
            mean_abs=sums.mean_abs if sums.elements else None,
            not_finite=apart.not_finite,
        )

    @property
    def _blind(self) -> str:
        return NOWHERE_FINITE if self._sums.elements and not self._sums.finite and not self._sums.not_finite else ""

    def _fail(self, problem: str) -> None:
        self._problem = self._problem or problem

    def _add_numbers(self, left: np.ndarray, right: np.ndarray) -> None:
        self._sums.add(*(each if each.dtype.kind == "f" else each.astype(np.float64) for each in (left, right)))
        if self.scores == "yes" or (self.scores == "guess" and looks_like_scores(left)):
            rows = [score_rows(each, self.axis) for each in (left, right)]
            same = best(rows[0])[:, 0] == best(rows[1])[:, 0]
            self._decide(same & decided(rows[0]) & decided(rows[1]), "argmax")

    def _decide(self, same: np.ndarray, criterion: Criterion) -> None:
        if self.scores == "yes" and criterion != "argmax":
            raise OptionError(f"the output {self.name!r} holds no scores", where="scores", hint="floats, one a class")
        self._criterion = criterion
        self._same += int(np.count_nonzero(same))
        self._total += same.size

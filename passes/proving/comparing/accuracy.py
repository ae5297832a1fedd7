"""What an evaluation of models on labelled samples says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ....ir.errors import CheckFailure, OptionError

# What percentages that are equal on paper may differ by in floats.
_ROUNDING = 1e-9


@attrs.frozen
class Accuracy:
    """How many answers of a model are right.

    Attributes:
        model: its name.
        output: that holds the answers.
        right: how many are right.
        total: how many there are.
    """

    model: str
    output: str
    right: int
    total: int

    @property
    def percent(self) -> float:
        """The share of right answers, from 0 to 100."""
        return 100 * self.right / self.total

    def __str__(self) -> str:
        """`444/450 = 98.67%`."""
        return f"{self.right}/{self.total} = {self.percent:.2f}%"


@attrs.frozen
class Evaluation:
    """How many answers of each model are right, on the same labelled samples.

    Attributes:
        accuracies: of each model, in the order that they were given.
        top: an answer counts as right if the label is among so many classes with the highest scores.
        notes: what else is to be said, a line each.
    """

    accuracies: tuple[Accuracy, ...]
    top: int = 1
    notes: tuple[str, ...] = ()

    def points(self, accuracy: Accuracy) -> float:
        """How many points of percent a model is above the first; below 0 where it is worse."""
        return 100 * (accuracy.right - self.accuracies[0].right) / accuracy.total

    def require(self, *, min_accuracy: float | None = None, max_loss: float | None = None) -> None:
        """Checks every model.

        Args:
            min_accuracy: what each has to reach, in percent.
            max_loss: how many points of percent each may be below the first.

        Raises:
            CheckFailure: a model misses a threshold; names all that do.
            OptionError: there is no second model that could lose.
        """
        if max_loss is not None and len(self.accuracies) == 1:
            raise OptionError("a loss is that of a second model against the first", where="max_loss")
        missed = [*self._below(min_accuracy), *self._lost(max_loss)]
        if missed:
            raise CheckFailure("; ".join(missed))

    def as_json(self) -> dict[str, Any]:
        """The attributes, with percentages and points."""
        rows = [attrs.asdict(each) | {"percent": each.percent, "points": self.points(each)} for each in self.accuracies]
        return {"top": self.top, "models": rows, "notes": list(self.notes)}

    def _below(self, limit: float | None) -> Iterator[str]:
        for each in self.accuracies if limit is not None else ():
            if each.percent < (limit or 0.0) - _ROUNDING:
                yield f"{each.model}: {each} are right (at least {limit:g}% are asked for)"

    def _lost(self, limit: float | None) -> Iterator[str]:
        for each in self.accuracies if limit is not None else ():
            loss = -self.points(each)
            if loss > (limit or 0.0) + _ROUNDING:
                yield f"{each.model}: it loses {loss:.2f} points against the first (at most {limit:g} are allowed)"

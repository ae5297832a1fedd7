"""Which answers of a model are right: a classifier's labels, class scores, or classes as whole numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from ....ir.errors import OptionError, RunError, did_you_mean
from .scores import best, decided, score_rows

if TYPE_CHECKING:
    from ....runtime.surface.features import Feature

_LABELS = ("string", "int64")


@attrs.frozen
class Question:
    """Which answer is looked at, and what counts as right.

    Attributes:
        output: that holds it.
        top: an answer is right if the label is among so many classes with the highest scores.
        axis: the one that counts the classes of scores; the only one that is longer than 1 without it, or the last.
    """

    output: str
    top: int = 1
    axis: int | None = None

    def right(self, answer: Any, label: Any) -> tuple[int, int]:
        """How many answers of one call are right, and how many there are.

        Args:
            answer: the value of the output: a label, probabilities by label, scores, or classes as whole numbers.
            label: the right one, or one for each answer, in the order of the axes that count no classes.

        Raises:
            RunError: the label does not fit the answer.
            OptionError: the top classes of something without scores are asked for.
        """
        labels = np.asarray(label).reshape(-1)
        if isinstance(answer, Mapping):
            return self._of_names(sorted(answer, key=lambda name: -_number(answer[name]))[: self.top], answer, labels)
        if isinstance(answer, str | int):
            return self._of_names([answer], (), labels)
        array = np.asarray(answer)
        if array.dtype.kind == "f":
            return self._of_scores(np.atleast_1d(array), _classes(labels))
        self._require_top_1()
        return _counted(array.reshape(-1), _classes(labels))

    def _of_names(self, named: list[Any], known: Any, labels: np.ndarray) -> tuple[int, int]:
        if labels.size != 1:
            raise RunError(f"there are {labels.size} labels, and the classifier gives one", hint=_ONE)
        label, example = labels[0].item(), named[0]
        if isinstance(label, str) != isinstance(example, str):
            raise RunError(f"the label is {label!r}, and the classifier's are such as {example!r}")
        if known and label not in known:
            hint = did_you_mean(str(label), map(str, known))
            raise RunError(f"{label!r} is no label of the classifier", hint=hint)
        return int(label in named), 1

    def _of_scores(self, scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
        rows = score_rows(scores, self.axis)
        if len(rows) != labels.size:
            raise RunError(f"the scores of shape {list(scores.shape)} are {len(rows)} answers for {labels.size} labels")
        if self.top >= rows.shape[1]:
            raise OptionError(f"of {rows.shape[1]} classes the top {self.top} are always right", where="top")
        outside = labels[(labels < 0) | (labels >= rows.shape[1])]
        if outside.size:
            raise RunError(f"the label {outside[0]} is none of {rows.shape[1]} classes", hint=_FROM_0)
        found = (best(rows, self.top) == labels[:, None]).any(axis=-1) & decided(rows)
        return int(np.count_nonzero(found)), labels.size

    def _require_top_1(self) -> None:
        if self.top > 1:
            hint = "choose an output that holds scores"
            raise OptionError(f"the output {self.output!r} gives a class, and no scores", where="top", hint=hint)


_ONE = "a sample has one label"
_FROM_0 = "classes are counted from 0"


@attrs.frozen
class Asked:
    """What is asked of models of which each may call its outputs otherwise.

    Attributes:
        output: that holds the answer; without it, a classifier's label (its probabilities, where the `top` classes
            count), or the only output.
        top: see `Question`.
        axis: see `Question`.
    """

    output: str | None = None
    top: int = 1
    axis: int | None = None

    def of(self, outputs: tuple[Feature, ...]) -> Question:
        """The question that is put to a model with these outputs.

        Raises:
            OptionError: there is no such output, none was chosen of several, or it has no `top` classes.
        """
        chosen = self._chosen(outputs)
        if self.top > 1 and chosen.kind in _LABELS:
            hint = "choose the output that holds the probabilities"
            raise OptionError(f"the output {chosen.name!r} gives one label", where="top", hint=hint)
        return Question(chosen.name, self.top, self.axis)

    def _chosen(self, outputs: tuple[Feature, ...]) -> Feature:
        names = [feature.name for feature in outputs]
        if self.output is not None:
            if self.output not in names:
                hint = did_you_mean(self.output, names) or f"the outputs are {', '.join(names)}"
                raise OptionError(f"there is no output {self.output!r}", hint=hint)
            return outputs[names.index(self.output)]
        kinds = ("dictionary",) if self.top > 1 else _LABELS
        answering = [feature for feature in outputs if feature.kind in kinds] or list(outputs)
        if len(answering) > 1:
            raise OptionError("it has several outputs", hint=f"choose one: --output, one of {', '.join(names)}")
        return answering[0]


def _classes(labels: np.ndarray) -> np.ndarray:
    """Labels as whole numbers."""
    if labels.dtype.kind in "iub":
        return labels.astype(np.int64)
    if labels.dtype.kind == "f" and np.all(np.isfinite(labels)) and np.all(labels == np.floor(labels)):
        return labels.astype(np.int64)
    raise RunError(f"the label {labels[0].item()!r} is no number of a class" if labels.size else "there is no label")


def _counted(answers: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    if answers.size != labels.size:
        raise RunError(f"there are {answers.size} answers for {labels.size} labels")
    return int(np.count_nonzero(answers == labels)), labels.size


def _number(probability: Any) -> float:
    """A probability to sort by; NaN is behind all others."""
    value = float(probability)
    return value if value == value else -np.inf  # noqa: PLR0124 - NaN

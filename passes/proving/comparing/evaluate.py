"""`evaluate`: how many answers of models are right, on labelled samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....ir.errors import MiloptError, OptionError, RunError, did_you_mean
from .accuracy import Accuracy, Evaluation
from .answers import Asked
from .running import AnyModel, Contestant, RunSettings, Sample, calls_of, opened, samples_of, titles_of

if TYPE_CHECKING:
    from ....runtime.surface.features import Feature
    from ....runtime.types import Precision


class Evaluator:
    """Models that answer the same questions; only how many answers were right is kept.

    Args:
        models: each a `milopt.Model`, the path of one, or a PyMIL program.
        labels: what samples call the right answer. Of a sequence of calls, those without it are not counted.
        settings: how to run the models.
        output: that holds the answer; without it, a classifier's label, or the only output.
        top: an answer is right if the label is among so many classes with the highest scores.
        axis: the one that counts the classes of scores; the only one that is longer than 1 without it, or the last.

    Attributes:
        samples: how many were added.

    Raises:
        MiloptError: a model can not be read or run.
        OptionError: there are no models, or `output` and `top` do not fit their outputs.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        models: Sequence[AnyModel],
        labels: str,
        settings: RunSettings | None = None,
        *,
        output: str | None = None,
        top: int = 1,
        axis: int | None = None,
    ) -> None:
        if not models or top < 1:
            raise OptionError("there are no models" if not models else f"the top {top} classes are none")
        self._labels, self._top = labels, top
        models = [opened(each) for each in models]
        question = Asked(output, top, axis)
        self._candidates = [
            _Candidate(model, title, settings or RunSettings(), question)
            for model, title in zip(models, titles_of(models), strict=True)
        ]
        self._unused: dict[str, None] = {}
        self.samples = 0

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What a sample has to hold, beside the label."""
        return self._candidates[0].contestant.session.inputs

    def add(self, sample: Sample) -> None:
        """Puts a sample to every model; it is forgotten thereafter.

        Raises:
            RunError: it is no sample, has no label, or a model does not take it.
        """
        calls = list(calls_of(sample, self.samples))
        if all(self._labels not in call for _, call in calls):
            given = list(dict.fromkeys(name for _, call in calls for name in call))
            hint = did_you_mean(self._labels, given) or f"it holds {', '.join(given)}"
            raise RunError(f"it has no label {self._labels!r}", where=f"sample {self.samples}", hint=hint)
        for candidate in self._candidates:
            candidate.contestant.begin()
            for place, call in calls:
                candidate.answer(call, self._labels, place)
        known = {self._labels, *(name for each in self._candidates for name in each.contestant.input_names)}
        self._unused.update(dict.fromkeys(name for _, call in calls for name in call if name not in known))
        self.samples += 1

    def finish(self) -> Evaluation:
        """What was found on the samples so far.

        Raises:
            RunError: there were none.
        """
        if not self.samples:
            raise RunError("there are no samples")
        notes = tuple(f"{name!r} is no input of the models, and not used" for name in self._unused)
        return Evaluation(tuple(each.accuracy for each in self._candidates), self._top, notes)


class _Candidate:
    """One model and its right answers."""

    def __init__(self, model: AnyModel, title: str, settings: RunSettings, asked: Asked) -> None:
        self.contestant = Contestant(model, title, settings)
        try:
            self._question = asked.of(self.contestant.session.outputs)
        except MiloptError as error:
            error.where = f"{title}, {error.where}" if error.where else title
            raise
        self._right = self._total = 0

    def answer(self, call: Mapping[str, Any], labels: str, place: str) -> None:
        """Runs a call, and looks whether the answer is right if the call has a label."""
        outputs, _ = self.contestant.run({name: call[name] for name in call if name != labels}, place)
        if labels not in call:
            return
        try:
            right, total = self._question.right(outputs[self._question.output], call[labels])
        except MiloptError as error:
            error.where = ", ".join(filter(None, (self.contestant.title, place, error.where)))
            raise
        self._right += right
        self._total += total

    @property
    def accuracy(self) -> Accuracy:
        """How many were right so far."""
        return Accuracy(self.contestant.title, self._question.output, self._right, self._total)


def evaluate(  # noqa: PLR0913 - each is a choice of its own
    models: Sequence[AnyModel] | AnyModel,
    samples: Iterable[Sample] | str | os.PathLike[str],
    labels: str = "label",
    *,
    output: str | None = None,
    top: int = 1,
    axis: int | None = None,
    function: str | None = None,
    precision: Precision = "float32",
    carry_state: bool = False,
    threads: int | None = None,
    allow_missing_weights: bool = False,
) -> Evaluation:
    """Tells how many answers of models are right, on labelled samples.

    One pass over the samples, whose number memory does not depend on.

    Args:
        models: one model, or several: each a `milopt.Model`, the path of one (see `milopt.load`), or a PyMIL program.
        samples: mappings of inputs and the label to values; a list of such mappings is a sequence of calls that share
            their states. Or the path of an `.npz` or of a folder; see `milopt.runtime.samples`.
        labels: what samples call the right answer: a classifier's label, or the number of the class, from 0.
        output: that holds the answer; see `Evaluator` for this and what follows.
        top: how many classes with the highest scores are looked at.
        axis: the one that counts the classes of scores.
        function: the one to run; the default ones without it.
        precision: of float math; see `Session`.
        carry_state: whether each sample goes on with the state that the one before left.
        threads: how many to compute with; as many as the machine has without it.
        allow_missing_weights: whether zeros may stand for weights that were missing.

    Raises:
        MiloptError: a model can not be read or run, or does not take the samples, or the labels do not fit.
    """
    settings = RunSettings(
        function=function,
        precision=precision,
        threads=threads,
        carry_state=carry_state,
        allow_missing_weights=allow_missing_weights,
    )
    several = models if isinstance(models, list | tuple) else (models,)
    evaluator = Evaluator(several, labels, settings, output=output, top=top, axis=axis)
    for sample in samples_of(samples, evaluator.inputs):
        evaluator.add(sample)
    return evaluator.finish()

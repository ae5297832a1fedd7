"""`Comparer`: two models on the same samples, and the sums of their differences."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ....ir.errors import RunError
from .outputs import output_tallies, state_tallies
from .pairs import renaming
from .records import Comparison, ValueComparison
from .running import AnyModel, Contestant, RunSettings, Sample, calls_of, name_of, opened
from .tallies import Tally

if TYPE_CHECKING:
    from ....runtime.surface.features import Feature
    from ....runtime.types import Precision


class Comparer:
    """Two models that run on the same samples, and the sums of their differences.

    Outputs, inputs and states are the same where they have the same name. Where that leaves as many over in A as in B,
    those are paired in their order, which a note says.

    Args:
        a: the reference: a `milopt.Model`, the path of one, or a PyMIL program.
        b: what is measured.
        settings: how to run both.
        other_precision: of float math in B; that of `settings` without it.
        layers: whether to compare the values inside that are in both, by name and shape.
        scores: the outputs of A that hold class scores, whatever their shape. Without it, a classifier's label tells
            what it decides; of a model without labels, the only output that is floats along a single axis is scores.
        axis: the one that counts the classes in `scores`; the only one that is longer than 1 without it, or the last.

    Attributes:
        a: the first model, ready to run.
        b: the second.
        samples: how many were added.

    Raises:
        MiloptError: a model can not be read or run.
        OptionError: `scores` names no output.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        a: AnyModel,
        b: AnyModel,
        settings: RunSettings | None = None,
        *,
        other_precision: Precision | None = None,
        layers: bool = False,
        scores: Collection[str] = (),
        axis: int | None = None,
    ) -> None:
        settings = settings or RunSettings()
        first, second = opened(a), opened(b)
        self._names = name_of(first), name_of(second)
        self._layers = _layer_tallies(first, second, settings.function) if layers else None
        inside = list(self._layers or ())
        theirs = attrs.evolve(settings, precision=other_precision or settings.precision)
        self.a = Contestant(first, f"A ({self._names[0]})", settings, inside)
        self.b = Contestant(second, f"B ({self._names[1]})", theirs, inside)
        self._inputs = renaming(self.a.input_names, self.b.input_names)
        self._outputs = output_tallies(self.a, self.b, scores, axis)
        self._states = state_tallies(self.a, self.b)
        self._unused: dict[str, None] = {}
        self.samples = 0

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What a sample has to hold."""
        return self.a.session.inputs

    def add(self, sample: Sample) -> None:
        """Runs both models on a sample, which is forgotten thereafter.

        Raises:
            RunError: it is no sample, or a model does not take it.
        """
        self.a.begin()
        self.b.begin()
        for place, call in calls_of(sample, self.samples):
            self._add_call(call, place)
        for tally in self._states:
            tally.add(self.a.states[tally.name], self.b.states[tally.other])
        self.samples += 1

    def finish(self) -> Comparison:
        """What was found on the samples so far.

        Raises:
            RunError: there were none.
        """
        if not self.samples:
            raise RunError("there are no samples")
        outputs = [each.finish() for each in self._outputs]
        if len(self._guessed) > 1:
            outputs = [attrs.evolve(each, agreement=None) if each.name in self._guessed else each for each in outputs]
        states = [_of_state(each.finish()) for each in self._states]
        return Comparison(
            a=self._names[0],
            b=self._names[1],
            samples=self.samples,
            outputs=(*outputs, *states),
            layers=None if self._layers is None else tuple(each.finish() for each in self._layers.values()),
            notes=tuple(self._notes()),
        )

    def _add_call(self, call: Mapping[str, Any], place: str) -> None:
        ours, inside = self.a.run(call, place)
        theirs, other_inside = self.b.run({self._inputs.get(name, name): value for name, value in call.items()}, place)
        known = {*self.a.input_names, *self.b.input_names}
        self._unused.update(dict.fromkeys(name for name in call if name not in known))
        for tally in self._outputs:
            if tally.other in theirs:
                tally.add(ours[tally.name], theirs[tally.other])
        for name, tally in (self._layers or {}).items():
            tally.add_each(inside[name], other_inside[name])

    @property
    def _guessed(self) -> list[str]:
        """Outputs that look like class scores; of several nobody knows which are."""
        return [each.name for each in self._outputs if each.is_guessed]

    def _notes(self) -> Iterator[str]:
        for name in self._unused:
            yield f"{name!r} is no input of the models, and not used"
        for old, new in self._inputs.items():
            yield f"input {old!r} of A is {new!r} in B"
        for tally in self._outputs:
            if tally.name != tally.other:
                yield f"output {tally.name!r} of A is compared with {tally.other!r} of B"
        if len(self._guessed) > 1:
            names = ", ".join(map(repr, self._guessed))
            yield f"each of {names} may be class scores: choose them with --scores, scores=[...]"
        paired = {tally.other for tally in self._outputs}
        for feature in self.b.session.outputs:
            if feature.name not in paired:
                yield f"output {feature.name!r} is only in B"
        ours, theirs = len(self.a.session.states), len(self.b.session.states)
        if ours != theirs:
            yield f"A has {ours} states, B has {theirs}: those of both are compared"
        if self._layers is not None and not self._layers:
            yield "no value inside has the same name and shape in both models"


def _layer_tallies(a: AnyModel, b: AnyModel, function: str | None) -> dict[str, Tally]:
    from .layers import common_layers

    return {each.name: Tally(each.name, each.name, each.op_type) for each in common_layers(a, b, function)}


def _of_state(found: ValueComparison) -> ValueComparison:
    return attrs.evolve(found, name=f"state {found.name!r}", other=f"state {found.other!r}")

"""What two models say of their inputs, outputs and states: images, possible sizes, defaults, labels."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

import attrs

from ..descriptions.features import full_feature_words, function_part, is_special
from .records import Change
from .signatures import Border

# The lists of a description in which the inputs and the outputs of a function stand.
_SECTIONS = {"input": ("input", "state"), "output": ("output",)}
_PREDICTIONS = {"predictedFeatureName": "feature", "predictedProbabilitiesName": "probabilities"}


@attrs.frozen(eq=False)
class Described:
    """The descriptions of one function.

    Attributes:
        old: the protobuf `ModelDescription` or `FunctionDescription` of the old function.
        new: that of the new one.
    """

    old: Any
    new: Any

    def changes(self, inputs: Border, outputs: Border) -> Iterator[Change]:
        """How they differ; what the functions themselves differ in is not told again.

        Args:
            inputs: which input is which, states included.
            outputs: which output is which.
        """
        for side in (inputs, outputs):
            implied = [(old, new) for (old, _), (new, _) in side.retyped()]
            for old, new in ((old, new) for (old, _), (new, _) in side.pairs()):
                yield from self.feature_changes(side.kind, old, new, is_implied=(old, new) in implied)
        yield from self.predictions([(old, new) for (old, _), (new, _) in outputs.pairs()])

    def feature_changes(self, side: str, old: str, new: str, *, is_implied: bool = False) -> Iterator[Change]:
        """How an input or output differs, of which a side may say nothing.

        Args:
            side: `input` or `output`.
            old: its old name.
            new: its new name.
            is_implied: its type differs, and with it a description that says no more than the type.
        """
        found = [_features(part, side).get(name) for part, name in ((self.old, old), (self.new, new))]
        words = [None if each is None else full_feature_words(each) for each in found]
        if words[0] == words[1] or (is_implied and not any(each and is_special(each) for each in found)):
            return
        is_state = any(each and each.type.WhichOneof("Type") == "stateType" for each in found)
        yield Change(f"{'state' if is_state else side} description", new, *words)

    def names(self, side: str) -> Iterator[str]:
        """The inputs or outputs that either describes."""
        yield from dict.fromkeys(name for part in (self.old, self.new) for name in _features(part, side))

    def predictions(self, outputs: Container[tuple[str, str]] = ()) -> Iterator[Change]:
        """Which outputs a classifier's label and probabilities are; `outputs` are those that have other names only."""
        for field, words in _PREDICTIONS.items():
            names = getattr(self.old, field), getattr(self.new, field)
            if names[0] != names[1] and names not in outputs:
                yield Change("prediction", words, names[0] or None, names[1] or None)


def described(name: str, sides: Sequence[tuple[Any, Any]]) -> Described | None:
    """The descriptions of the functions of one name; None where a side has none.

    Args:
        name: of the functions.
        sides: the old program and the new one, each with the protobuf `ModelDescription` of its model; none without.
    """
    parts = [function_part(description, name, program.functions) for program, description in sides]
    return Described(*parts) if parts and None not in parts else None


def model_changes(old: Any, new: Any) -> Iterator[Change]:
    """How the descriptions of two models differ, apart from those of their programs' functions.

    Args:
        old: a `Model` with a description of its own.
        new: another.
    """
    if all(len(model.stages) == 1 and not model.stages[0].label for model in (old, new)):
        yield from _default_function(old, new)
    elif all(model.stages[0].label for model in (old, new)):
        both = Described(old.specification.description, new.specification.description)
        for side in _SECTIONS:
            for name in both.names(side):
                yield from both.feature_changes(side, name, name)
        yield from both.predictions()


def _default_function(old: Any, new: Any) -> Iterator[Change]:
    programs = [model.stages[0].program for model in (old, new)]
    names = [program.default_function_name for program in programs]
    known = all(name in program.functions for name in names for program in programs)
    if known and names[0] != names[1]:
        yield Change("default function", "", *names)


def _features(part: Any, side: str) -> dict[str, Any]:
    """The described inputs or outputs by name."""
    return {feature.name: feature for section in _SECTIONS[side] for feature in getattr(part, section)}

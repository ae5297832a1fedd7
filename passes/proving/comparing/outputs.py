"""Which outputs and states of two models are compared, and which of them hold class scores."""

from __future__ import annotations

from collections.abc import Collection

from ....ir.errors import OptionError, did_you_mean
from .pairs import renaming
from .running import Contestant
from .tallies import Scores, Tally

_LABELS = ("string", "int64")


def output_tallies(a: Contestant, b: Contestant, scores: Collection[str], axis: int | None) -> list[Tally]:
    """What will sum up the differences of each output of A.

    Args:
        a: the reference.
        b: what is measured.
        scores: the outputs of A that hold class scores; see `Comparer`.
        axis: the one that counts the classes in them.

    Raises:
        OptionError: `scores` names no output.
    """
    features = {feature.name: feature for feature in a.session.outputs}
    for name in scores:
        if name not in features:
            hint = did_you_mean(name, features) or f"the outputs are {', '.join(features)}"
            raise OptionError(f"there is no output {name!r}", where=a.title, hint=hint)
    others = [feature.name for feature in b.session.outputs]
    names = renaming(features, others)
    decides_otherwise = bool(scores) or any(each.kind in _LABELS for each in features.values())
    unnamed: Scores = "no" if decides_otherwise else "guess"
    tallies = [
        Tally(
            name,
            names.get(name, name),
            scores="yes" if name in scores else unnamed,
            axis=axis if name in scores else None,
            is_image=feature.kind == "image",
        )
        for name, feature in features.items()
    ]
    for tally in tallies:
        if tally.other not in others:
            tally.gone()
    return tallies


def state_tallies(a: Contestant, b: Contestant) -> list[Tally]:
    """What will sum up the differences of each state that both have."""
    ours, theirs = ([feature.name for feature in each.session.states] for each in (a, b))
    names = renaming(ours, theirs)
    pairs = [(name, names.get(name, name)) for name in ours]
    return [Tally(name, other) for name, other in pairs if other in theirs]

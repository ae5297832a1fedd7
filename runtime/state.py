"""`State`: what a stateful model remembers from run to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..ir.errors import RunError, did_you_mean
from .surface.arrays import accepted_array
from .surface.features import Feature


class State:
    """The states of one session, by name: `state["cache"]` reads one, `state["cache"] = array` sets it.

    Made by `Session.make_state`, all zeros; each run with it leaves the new values in it.

    Args:
        features: the states' types and shapes.
        values: the arrays, in the types that the graph holds them in.
        owner: the session.
    """

    def __init__(self, features: Sequence[Feature], values: Mapping[str, np.ndarray], owner: object) -> None:
        self._features = {feature.name: feature for feature in features}
        self._values = dict(values)
        self._owner = owner

    def __getitem__(self, name: str) -> np.ndarray:
        """A copy of a state, in its described type.

        Raises:
            RunError: there is no such state.
        """
        feature = self._feature(name)
        with np.errstate(over="ignore"):
            return self._values[name].astype(feature.dtype)

    def __setitem__(self, name: str, value: object) -> None:
        """Sets a state.

        Raises:
            RunError: there is no such state, or it has another shape or type.
        """
        feature = self._feature(name)
        try:
            array = accepted_array(feature, value)
        except RunError as error:
            error.where = f"state {name!r}"
            raise
        with np.errstate(over="ignore"):
            self._values[name] = array.astype(feature.dtype).astype(self._values[name].dtype)

    def __iter__(self) -> Iterator[str]:
        """The states' names."""
        return iter(self._features)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._features)

    def __contains__(self, name: object) -> bool:
        """Whether there is a state of this name."""
        return name in self._features

    def of(self, owner: object) -> dict[str, np.ndarray]:
        """The arrays as the graph takes them.

        Raises:
            RunError: the state was made by another session.
        """
        if owner is not self._owner:
            raise RunError("the state belongs to another session", hint="make one with this session's make_state()")
        return self._values

    def replace(self, values: Mapping[str, np.ndarray]) -> None:
        """Takes over the arrays that a run gave."""
        self._values = dict(values)

    def _feature(self, name: str) -> Feature:
        if name not in self._features:
            known = list(self._features)
            hint = did_you_mean(name, known) or (f"the states are {', '.join(known)}" if known else None)
            raise RunError(f"there is no state {name!r}", hint=hint)
        return self._features[name]

"""One model of several that run on the same samples: its session, its states, and its name in messages."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import numpy as np

from ....ir.errors import MiloptError, RunError

if TYPE_CHECKING:
    from ....runtime.session import Session
    from ....runtime.state import State
    from ....runtime.surface.features import Feature
    from ....runtime.types import Precision

AnyModel: TypeAlias = "Any"
"""A `milopt.Model`, the path of one, or a PyMIL program."""
Sample: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]]"
"""Inputs by name, or several of them: calls one after the other that share their states."""


def opened(model: AnyModel) -> AnyModel:
    """The model, read if it is a path."""
    from ....ir.opening import load

    return load(model) if isinstance(model, str | os.PathLike) else model


def name_of(model: AnyModel) -> str:
    """The name of the file that an opened model came from; `program` for a PyMIL program."""
    from ....ir.model import Model

    return model.name if isinstance(model, Model) else "program"


def titles_of(models: Sequence[AnyModel]) -> list[str]:
    """What opened models are called in reports: their names, and which one it is where several have the same."""
    names = [name_of(each) for each in models]
    return [f"{name} ({index})" if names.count(name) > 1 else name for index, name in enumerate(names, start=1)]


@attrs.frozen(kw_only=True)
class RunSettings:
    """How models are run.

    Attributes:
        function: the one to run; the default one without it.
        precision: of float math.
        threads: how many to compute with; as many as the machine has without it.
        carry_state: whether each sample goes on with the state that the one before left.
        allow_missing_weights: whether zeros may stand for weights that were missing.
    """

    function: str | None = None
    precision: Precision = "float32"
    threads: int | None = None
    carry_state: bool = False
    allow_missing_weights: bool = False


class Contestant:
    """A model that is ready to run.

    Args:
        model: opened.
        title: what messages call it.
        settings: how to run it.
        observe: values inside that each run gives.

    Attributes:
        title: what messages call it.
        session: it runs the model.

    Raises:
        RunError: there is no such function, or something in it can not be run.
        PackageError: weights are missing.
    """

    def __init__(self, model: AnyModel, title: str, settings: RunSettings, observe: Sequence[str] = ()) -> None:
        from ....runtime.session import Session

        self.title, self._settings = title, settings
        try:
            self.session: Session = Session(
                model,
                settings.function,
                precision=settings.precision,
                threads=settings.threads,
                observe=list(observe),
                allow_missing_weights=settings.allow_missing_weights,
            )
        except MiloptError as error:
            error.where = f"{title}, {error.where}" if error.where else title
            raise
        self._state: State | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """What a call takes."""
        return tuple(feature.name for feature in self.session.inputs)

    def begin(self) -> None:
        """Begins a sample: with new states, unless the old ones are carried on."""
        if self.session.states and not (self._settings.carry_state and self._state is not None):
            self._state = self.session.make_state()

    def run(self, inputs: Mapping[str, Any], place: str) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
        """Runs one call, on those of the inputs that the model takes.

        Args:
            inputs: by name.
            place: which call this is, for messages.

        Returns:
            The outputs, images as arrays of pixels, and for each value inside an array for each time that it was
            computed, by name.

        Raises:
            RunError: the model does not take the inputs.
        """
        known = self.input_names
        try:
            outputs, observed = self.session.run_entries(
                {name: value for name, value in inputs.items() if name in known}, self._state
            )
        except RunError as error:
            where = ", ".join(filter(None, (self.title, place, error.where)))
            raise RunError(error.message, where=where, hint=error.hint) from error
        given = {feature.name: _pixels(feature, outputs[feature.name]) for feature in self.session.outputs}
        return given, {name: each["value"] for name, each in observed.items()}

    @property
    def states(self) -> dict[str, Any]:
        """Each state after the last call, by name."""
        return {} if self._state is None else {name: self._state[name] for name in self._state}


def _pixels(feature: Feature, value: Any) -> Any:
    """An image as an array, without the opacity that Pillow's has and the model does not give; else the value."""
    if feature.kind != "image":
        return value
    array = np.asarray(value)
    return array[..., :3] if feature.has_colors else array


def calls_of(sample: Sample, index: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The calls of a sample, and what messages call them.

    Raises:
        RunError: it is no sample.
    """
    several = not isinstance(sample, Mapping)
    calls = sample if isinstance(sample, list | tuple) else (sample,)
    for number, call in enumerate(calls):
        if not isinstance(call, Mapping):
            hint = "a sample maps names of inputs to values, or is a list of such mappings"
            raise RunError(f"it is a {type(call).__name__}", where=f"sample {index}", hint=hint)
        yield f"sample {index}, call {number}" if several else f"sample {index}", call
    if not calls:
        raise RunError("it is an empty sequence of calls", where=f"sample {index}")


def samples_of(samples: Iterable[Sample] | str | os.PathLike[str], inputs: tuple[Feature, ...]) -> Iterable[Sample]:
    """The samples; if they are a path, those at it, for a model that takes these inputs."""
    from ....runtime.surface.samples import samples_for

    return samples_for(inputs, Path(samples)) if isinstance(samples, str | os.PathLike) else samples

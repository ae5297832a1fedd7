"""`Session`: a model that is ready to run, on any machine."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np
import onnx

from ..ir.errors import OptionError, RunError
from ..ir.model import Model
from ..ir.opening import load
from ..ir.pymil import Program
from ..ir.weights.missing import require_weights
from .entries import Entries
from .export import onnx_model
from .lower import LoweredFunction
from .observation import Observe, requested
from .state import State
from .surface.features import Feature
from .surface.opening import Settings, open_model, open_program
from .surface.runners import ProgramRunner, Runner
from .surface.values import Values, accepted, delivered
from .types import Precision, check_precision

# The statistics of observed values: by the value's name, then by the statistic's.
Observations: TypeAlias = dict[str, dict[str, np.ndarray]]
ObservedEntries: TypeAlias = dict[str, dict[str, list[np.ndarray]]]


class Session:
    """Runs a model, or one function of it, as Core ML would.

    Args:
        model: a `milopt.Model`, the path of one (see `milopt.load`), or a PyMIL program. A program has no description:
            its inputs and outputs are what MIL says.
        function: the function to run; the default one without it.
        precision: `float32` computes all floats in single precision, the reference; `float16` rounds every fp16 value
            to what the device would store.
        threads: how many to compute with; as many as the machine has without it. Results do not depend on it.
        observe: what `run_observed` tells of values inside, by their MIL names: `{"conv_1": ["min", "max"]}`, see
            `observation.py`; names alone ask for the values themselves.
        allow_missing_weights: run also if weights were missing when the model was read, with zeros for them.

    Raises:
        PackageError: weights were missing when the model was read, and nothing allows that.
        RunError: there is no such function, or something in the model can not be run; nothing was run.
        OptionError: an unknown precision, no threads, or something that can not be observed.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        model: Model | Program | str | os.PathLike[str],
        function: str | None = None,
        *,
        precision: Precision = "float32",
        threads: int | None = None,
        observe: Observe | None = None,
        allow_missing_weights: bool = False,
    ) -> None:
        check_precision(precision)
        if threads is not None and threads < 1:
            raise OptionError(f"{threads} threads can not compute")
        opened = model if isinstance(model, Model | Program) else load(model)
        if not allow_missing_weights:
            _require_weights(opened)
        self._runner = _opened(opened, function, Settings(precision, threads, requested(observe)))

    @property
    def inputs(self) -> tuple[Feature, ...]:
        """What `run` takes, in the model's order."""
        return self._runner.interface.inputs

    @property
    def outputs(self) -> tuple[Feature, ...]:
        """What `run` gives, in the model's order."""
        return self._runner.interface.outputs

    @property
    def states(self) -> tuple[Feature, ...]:
        """What the model remembers from run to run."""
        return self._runner.interface.states

    @property
    def lowered(self) -> LoweredFunction:
        """The graph of the function that runs.

        Raises:
            RunError: the model is a pipeline, which has several.
        """
        if not isinstance(self._runner, ProgramRunner):
            raise RunError("a pipeline has several programs", hint="open one of model.programs")
        return self._runner.executable.lowered

    def onnx_model(self) -> onnx.ModelProto:
        """The ONNX model that runs, its weights inside; see `export.py`."""
        return onnx_model(self.lowered)

    def make_state(self) -> State:
        """New states, all zeros; to be handed to each run."""
        return State(self.states, self._runner.new_states(), self)

    def run(self, inputs: Values, state: State | None = None) -> dict[str, Any]:
        """Runs the model once.

        Args:
            inputs: by name. Arrays are converted as Core ML does, between float64, float32, float16, int32 and int8;
                images are Pillow's, or arrays of their pixels: uint8 of shape (height, width, 3) or (height, width).
                Optional inputs may be left out.
            state: of a stateful model, from `make_state`; it holds the new values afterwards.

        Returns:
            The outputs by name: arrays in their described types, images (Pillow's, in the mode that coremltools gives;
            arrays of pixels where Pillow is not installed), a classifier's label and its probabilities by label.

        Raises:
            RunError: an input or the state is missing or is not what the model takes, or the run failed.
        """
        return self._run(inputs, state)[0]

    def run_observed(self, inputs: Values, state: State | None = None) -> tuple[dict[str, Any], Observations]:
        """Runs the model once; see `run`.

        Returns:
            The outputs, and the statistics of each value that `observe` names, by the statistics' names. Those of a
            value in a branch or loop have one more axis, the first: an entry for each time that it was computed, which
            may be never.

        Raises:
            RunError: as `run`; or `value` was asked for of a value in a loop whose shape changed.
        """
        outputs, observed = self._run(inputs, state)
        return outputs, {
            value: {name: each.joined() for name, each in found.items()} for value, found in observed.items()
        }

    def run_entries(self, inputs: Values, state: State | None = None) -> tuple[dict[str, Any], ObservedEntries]:
        """Runs the model once and gives what is observed as it lies, for those who look at all of many values.

        Returns:
            The outputs, and for each statistic a list of arrays: one for each time that the value was computed, which
            is once outside of branches and loops. fp16 values are float32 arrays, not rounded with the precision
            `float32`. Where the function observes nothing in branches and loops, nothing is copied: arrays are
            read-only, and keep their memory for as long as they are there.
        """
        outputs, observed = self._run(inputs, state)
        return outputs, {
            value: {name: each.arrays for name, each in found.items()} for value, found in observed.items()
        }

    def _run(self, inputs: Values, state: State | None) -> tuple[dict[str, Any], dict[str, dict[str, Entries]]]:
        if state is None and self.states:
            names = ", ".join(repr(feature.name) for feature in self.states)
            raise RunError(f"the model needs its states {names}", hint="hand what make_state() gives to each run")
        held = {} if state is None else state.of(self)
        result = self._runner.run(accepted(self.inputs, inputs), held)
        if state is not None:
            state.replace(result.states)
        outputs = {feature.name: delivered(feature, result.outputs[feature.name]) for feature in self.outputs}
        return outputs, result.observed


def _opened(model: Model | Program, function: str | None, settings: Settings) -> Runner:
    opener = open_model if isinstance(model, Model) else open_program
    return opener(model, function, settings)


def _require_weights(model: Model | Program) -> None:
    purpose, hint = "run", "allow_missing_weights=True, --allow-missing-weights runs it with the zeros"
    if isinstance(model, Model):
        model.require_weights(purpose, hint)
    else:
        require_weights(model, purpose, hint)

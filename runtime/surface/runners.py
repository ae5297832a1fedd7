"""What runs between checked inputs and outputs: one ML program, or a step that numpy does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import attrs
import numpy as np

from ...ir.errors import RunError
from ..entries import Entries
from ..executable import Executable
from ..lower import LoweredFunction
from .features import Feature, Interface
from .images import pixels_of, tensor_of
from .values import Values, missing

# What the label of a class, and the probabilities by label, are called in descriptions.
_CLASSIFIED = ("string", "int64", "dictionary")

States: TypeAlias = "Mapping[str, np.ndarray]"


@attrs.frozen
class Result:
    """What one run gives.

    Attributes:
        outputs: the values by output, as stages hand them on; see `values.py`.
        states: the new states, in the types that the graph holds them in.
        observed: the statistics of each value that is observed.
    """

    outputs: dict[str, Any]
    states: dict[str, np.ndarray] = attrs.Factory(dict)
    observed: dict[str, dict[str, Entries]] = attrs.Factory(dict)


class Runner(Protocol):
    """A model or one stage of a pipeline."""

    @property
    def interface(self) -> Interface:
        """What it takes and gives."""

    def run(self, values: Values, states: States) -> Result:
        """Runs it once, on inputs that `values.accepted` has checked."""

    def new_states(self) -> dict[str, np.ndarray]:
        """Zeros for each state."""


class ProgramRunner:
    """An ML program behind its description.

    Args:
        executable: the program's function, ready to run.
        interface: its description.

    Raises:
        RunError: the description and the function do not have the same inputs, outputs and states.
    """

    def __init__(self, executable: Executable, interface: Interface) -> None:
        self.executable, self.interface = executable, interface
        self._inputs = {port.name: port for port in executable.lowered.inputs}
        self._labels: list[Any] = next(iter(executable.lowered.labels.values()), [])
        _check_names(interface, executable.lowered)
        for feature in interface.outputs:
            if feature.kind in _CLASSIFIED and not self._labels:
                raise RunError(f"output {feature.name!r} is a classifier's, and the program has no op 'classify'")

    def run(self, values: Values, states: States) -> Result:
        """Runs the program once."""
        inputs = {feature.name: self._tensor(feature, values) for feature in self.interface.inputs}
        outputs, new_states, observed = self.executable.run(inputs, states)
        given = {feature.name: self._value(feature, outputs[feature.name]) for feature in self.interface.outputs}
        return Result(given, new_states, observed)

    def new_states(self) -> dict[str, np.ndarray]:
        """Zeros for each state."""
        return self.executable.new_states()

    def _tensor(self, feature: Feature, values: Values) -> np.ndarray:
        if feature.name not in values:
            raise missing(feature)
        value = values[feature.name]
        if feature.kind == "image":
            return tensor_of(feature, value)
        array = np.asarray(value)
        # A description has no rank 0: what MIL calls a scalar is a number there, or an array of one element.
        shape = self._inputs[feature.name].shape
        return array.reshape([size or 1 for size in shape]) if () in (shape, array.shape) else array

    def _value(self, feature: Feature, array: np.ndarray) -> Any:
        if feature.kind == "image":
            return pixels_of(feature, array)
        if feature.kind in _CLASSIFIED:
            if feature.kind == "dictionary":
                return dict(zip(self._labels, array.reshape(-1).tolist(), strict=True))
            return self._labels[int(array.reshape(()))]
        if feature.kind == "double":
            return float(array.reshape(()))
        # The same on the way out; a MIL function without a description keeps its scalars.
        array = array.reshape(1) if array.ndim == 0 and feature.shape != () else array
        return array.astype(feature.dtype or array.dtype, copy=False)


def _check_names(interface: Interface, lowered: LoweredFunction) -> None:
    for kind, described, ports in (
        ("input", interface.inputs, lowered.inputs),
        ("output", interface.outputs, lowered.outputs),
        ("state", interface.states, lowered.states),
    ):
        names, found = {feature.name for feature in described}, {port.name for port in ports}
        # A description may leave outputs out.
        for name in sorted(names - found if kind == "output" else names ^ found):
            place = "program" if name in found else "description"
            raise RunError(f"{kind} {name!r} is only in the model's {place}")


class StepRunner:
    """A step of a pipeline that is a function of its inputs.

    Args:
        interface: its description.
        function: takes the values of the inputs by name, gives those of the outputs.
    """

    def __init__(self, interface: Interface, function: Callable[[Values], Mapping[str, Any]]) -> None:
        self.interface, self._function = interface, function

    def run(self, values: Values, states: States) -> Result:  # noqa: ARG002 - steps have no states
        """Computes the outputs, each in its described type.

        Raises:
            RunError: the step does not fit its inputs: it takes elements that are not there, or other features.
        """
        try:
            given = self._function(values)
            return Result({feature.name: typed(feature, given[feature.name]) for feature in self.interface.outputs})
        except (LookupError, ValueError) as error:
            raise RunError(f"what it says does not fit its inputs: {error}") from error

    def new_states(self) -> dict[str, np.ndarray]:
        """None: steps have no states."""
        return {}


def typed(feature: Feature, value: Any) -> Any:
    """An output of a stage in the type of its description."""
    if feature.kind == "array":
        array = np.asarray(value)
        return array.astype(feature.dtype or array.dtype, copy=False)
    return float(np.asarray(value).reshape(())) if feature.kind == "double" else value

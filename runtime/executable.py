"""A lowered function that is ready to run: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ir.errors import RunError, did_you_mean
from .engine import Engine
from .entries import Entries, as_output
from .lower import LoweredFunction
from .onnx_model import Dimensions
from .ports import Port


class Executable:
    """One function, opened in ONNX Runtime.

    Args:
        lowered: the function's graph.
        threads: how many to compute with; as many as the machine has without it.

    Raises:
        RunError: ONNX Runtime refuses the graph.
    """

    def __init__(self, lowered: LoweredFunction, *, threads: int | None = None) -> None:
        self.lowered = lowered
        self._engine = Engine(lowered.graph, dimensions(lowered), threads=threads)
        # Hundreds of values may be observed: what does not change is not computed in each run.
        self._names = [lowered.graph_name(port) for port in (*lowered.outputs, *lowered.new_states)]
        self._observed_names = [lowered.graph_name(each.port) for each in lowered.observed]
        self._in_place = frozenset(self._observed_names)

    def run(
        self, inputs: Mapping[str, np.ndarray], states: Mapping[str, np.ndarray] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, dict[str, Entries]]]:
        """Runs the function once.

        Args:
            inputs: an array for each input, of a type that converts to the input's.
            states: the value of each state; zeros without it.

        Returns:
            The outputs, the new states, and the statistics of each value that is observed.

        Raises:
            RunError: an input is missing, unknown or of another shape, or a kernel failed.
        """
        low = self.lowered
        held = self.new_states() if states is None else states
        feeds = self._feeds(inputs) | {low.graph_name(port): held[port.name] for port in low.states}
        values = iter(self._engine.run([*self._names, *self._observed_names], feeds, in_place=self._in_place))
        outputs = {port.name: as_output(next(values), port) for port in low.outputs}
        new_states = {port.name: next(values) for port in low.new_states}
        observed: dict[str, dict[str, Entries]] = {each.value: {} for each in low.observed}
        for each in low.observed:
            value = next(values)
            observed[each.value][each.statistic] = Entries(each, value if isinstance(value, list) else [value])
        return outputs, new_states, observed

    def _feeds(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        ports = self.lowered.inputs
        feeds = {self.lowered.graph_name(port): as_input(inputs, port) for port in ports}
        unknown = sorted(set(inputs) - {port.name for port in ports})
        if unknown:
            known = [port.name for port in ports]
            raise RunError(
                f"there is no input {unknown[0]!r}",
                hint=did_you_mean(unknown[0], known) or f"the inputs are {', '.join(known)}",
            )
        return feeds

    def new_states(self) -> dict[str, np.ndarray]:
        """Zeros for each state, in the type that the graph holds it in."""
        return {
            port.name: np.zeros([size or 0 for size in port.shape], port.tensor.dtype) for port in self.lowered.states
        }


def dimensions(lowered: LoweredFunction) -> dict[str, Dimensions]:
    """The shapes of the graph's inputs and outputs; an unknown dimension of an input is called `<input>_<axis>`."""
    result: dict[str, Dimensions] = {}
    for port in (*lowered.inputs, *lowered.states):
        result[port.tensor.name] = [
            f"{port.name}_{axis}" if size is None else size for axis, size in enumerate(port.shape)
        ]
    for port in (*lowered.outputs, *lowered.new_states):
        result[port.tensor.name] = list(port.shape)
    return result


def as_input(inputs: Mapping[str, Any], port: Port) -> np.ndarray:
    """The array for an input, in the type that the graph holds it in.

    Raises:
        RunError: it is missing, or of another shape.
    """
    if port.name not in inputs:
        raise RunError(f"input {port.name!r} is missing", hint=f"it is {describe(port)}")
    array = np.asarray(inputs[port.name])
    with np.errstate(over="ignore"):
        array = np.asarray(array, dtype=port.tensor.dtype, order="C")
    fits = array.ndim == len(port.shape) and all(
        known in (None, size) for known, size in zip(port.shape, array.shape, strict=True)
    )
    if not fits:
        raise RunError(f"input {port.name!r} has the shape {list(array.shape)}", hint=f"it is {describe(port)}")
    return array


def describe(port: Port) -> str:
    """An input's type and shape, such as `fp16[1, ?]`."""
    return f"{port.dtype}[{', '.join('?' if size is None else str(size) for size in port.shape)}]"

"""From a MIL function to an ONNX graph: each op through its lowering, each value in the type that it should have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np

from ..ir.pymil import ListVar, dtype_of
from ..ir.pymil import types as mil_types
from .constants import Constant
from .decoding import CONSTEXPR_OPS, constant_of, is_constant
from .graph import FLOAT, HALF, Graph, Tensor
from .op import Op, Shape, shape_of
from .registry import lowering_of, only_moves
from .types import Precision, graph_dtype


@attrs.frozen(eq=False)
class Port:
    """An input, output or state of a lowered function.

    Attributes:
        name: as the MIL function has it.
        tensor: the value in the graph.
        dtype: the MIL type's name, such as `fp16`.
        shape: None for a dimension that is not known.
    """

    name: str
    tensor: Tensor
    dtype: str
    shape: Shape


@attrs.frozen(eq=False)
class LoweredFunction:
    """A MIL function as an ONNX graph.

    Attributes:
        graph: the graph; its inputs are `inputs` and `states`, its outputs `outputs` and `new_states`.
        inputs: the function's inputs, without states.
        outputs: its outputs.
        states: its states as they come in; `new_states` in the same order as they go out.
        observed: further outputs that were asked for.
        labels: of an output that gives the index of a class, the classes' labels.
    """

    graph: Graph
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    states: tuple[Port, ...]
    new_states: tuple[Port, ...]
    observed: tuple[Port, ...]
    labels: dict[str, list[Any]]

    def graph_name(self, port: Port) -> str:
        """The name that a port has in the ONNX model."""
        return self.graph.names.get(port.tensor.name, port.tensor.name)


class BlockLowering:
    """Lowers the ops of a function and of the blocks nested in it.

    Attributes:
        graph: the graph that is being built.
        precision: of float math.
        states: the newest value of each state, by the state's name.
        labels: see `LoweredFunction`.
    """

    def __init__(self, precision: Precision) -> None:
        self.graph = Graph()
        self.precision = precision
        self.states: dict[str, Tensor] = {}
        self.labels: dict[str, list[Any]] = {}
        self._values: dict[int, Tensor] = {}
        self._named: dict[str, Tensor] = {}

    def lower(self, block: Any) -> list[Tensor]:
        """Lowers the ops of a block, which ends up in the graph's current body; gives the block's outputs."""
        for operation in block.operations:
            if operation.op_type != "const" and operation.op_type not in CONSTEXPR_OPS:
                self._lower_operation(operation)
        return [self.value(var) for var in block.outputs]

    def value(self, var: Any) -> Tensor:
        """The graph value of a PyMIL value."""
        if id(var) not in self._values:
            if not is_constant(var):
                raise KeyError(var.name)
            self._values[id(var)] = self._constant(var)
        return self._values[id(var)]

    def bind(self, var: Any, tensor: Tensor) -> None:
        """Says which graph value a PyMIL value is; values are cast to the type that they should have."""
        kind = tensor.dtype if mil_types.is_state(var.sym_type) else graph_dtype(dtype_of(var))
        # A lowering may give the int64 of ONNX's shapes and indices where MIL has int32: it fits.
        tensor = self.graph.cast(tensor, kind, fits=tensor.dtype.kind in "iu")
        self._values[id(var)] = tensor
        self._named[var.name] = tensor
        self.graph.rename(tensor, var.name)

    def rounded(self, tensor: Tensor) -> Tensor:
        """The value as fp16 holds it, where the precision asks for it."""
        if self.precision == "float32" or tensor.dtype != FLOAT:
            return tensor
        return self.graph.cast(self.graph.op("Cast", tensor, to=HALF, dtype=HALF), FLOAT)

    def values(self) -> dict[str, Tensor]:
        """The graph values by the names of their PyMIL values."""
        return dict(self._named)

    def _constant(self, var: Any) -> Tensor:
        dtype = dtype_of(var)
        kind = graph_dtype(dtype)
        # Decoding is done in fp32; only what the device stores is rounded.
        stored = HALF if dtype.name == "fp16" and self.precision == "float16" else kind
        self.graph.scope = var.name

        def read() -> np.ndarray:
            return np.asarray(constant_of(var)).astype(stored, copy=False)

        return self.graph.constant(Constant(tuple(int(size) for size in var.shape), kind, read))

    def _lower_operation(self, operation: Any) -> None:
        op = Op(operation, self)
        function = lowering_of(operation)
        self.graph.scope = op.name
        result = function(self.graph, op)
        tensors = [result] if isinstance(result, Tensor) or result is None else list(result)
        for var, tensor in zip(operation.outputs, tensors, strict=True):
            if tensor is not None:
                self.bind(var, self._as_stored(operation, var, tensor))

    def _as_stored(self, operation: Any, var: Any, tensor: Tensor) -> Tensor:
        moved = only_moves(operation.op_type) or mil_types.is_state(var.sym_type)
        if moved or dtype_of(var).name != "fp16":
            return tensor
        return self.rounded(tensor)


def lower_function(function: Any, precision: Precision = "float32") -> LoweredFunction:
    """Lowers a PyMIL function.

    Args:
        function: it is not changed.
        precision: `float32`, or `float16` to round every fp16 value to what the device would store.

    Raises:
        RunError: an op that can not be run.
    """
    lowering = BlockLowering(precision)
    graph = lowering.graph
    inputs, states = [], []
    for name, var in function.inputs.items():
        tensor = graph.input(name, graph_dtype(dtype_of(var)))
        lowering.bind(var, tensor)
        if mil_types.is_state(var.sym_type):
            lowering.states[name] = tensor
            states.append(_port(name, var, tensor))
        else:
            inputs.append(_port(name, var, tensor))
    results = lowering.lower(function)
    graph.scope = "output"
    results = [_own_name(graph, var.name, tensor) for var, tensor in zip(function.outputs, results, strict=True)]
    graph.finish([*results, *(lowering.states[port.name] for port in states)])
    made = graph.main.outputs
    outputs = [_port(var.name, var, tensor) for var, tensor in zip(function.outputs, made, strict=False)]
    new_states = [attrs.evolve(port, tensor=tensor) for port, tensor in zip(states, made[len(outputs) :], strict=True)]
    _name_ports(graph, outputs, new_states)
    return LoweredFunction(graph, tuple(inputs), tuple(outputs), tuple(states), tuple(new_states), (), lowering.labels)


def _own_name(graph: Graph, name: str, tensor: Tensor) -> Tensor:
    """The tensor, or a copy of it when it goes by the name of another value already."""
    return tensor if graph.names.get(tensor.name, name) == name else graph.op("Identity", tensor)


def _name_ports(graph: Graph, outputs: Sequence[Port], new_states: Sequence[Port]) -> None:
    for port in outputs:
        graph.rename(port.tensor, port.name)
    for port in new_states:
        graph.rename(port.tensor, f"{port.name}_out")


def _port(name: str, var: Any, tensor: Tensor) -> Port:
    if isinstance(var, ListVar):
        return Port(name, tensor, dtype_of(var).name, ())
    return Port(name, tensor, dtype_of(var).name, shape_of(var))

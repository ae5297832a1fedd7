"""From a MIL function to an ONNX graph: each op through its lowering, each value in the type that it should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..ir.pymil import dtype_of
from ..ir.pymil import types as mil_types
from ..ir.walking import walk
from .constants import Constant
from .decoding import CONSTEXPR_OPS, constant_of, is_constant
from .graph import FLOAT, HALF, Graph, Tensor
from .observation import Statistic
from .op import Key, Op, Shape, shape_of
from .ports import Observed, Port, port_of
from .registry import lowering_of, only_moves
from .types import Precision, graph_dtype
from .watching import Watch


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
    observed: tuple[Observed, ...]
    labels: dict[str, list[Any]]

    def graph_name(self, port: Port) -> str:
        """The name that a port has in the ONNX model."""
        return self.graph.names.get(port.tensor.name, port.tensor.name)


# Values that have no type of their own in the graph: states, and the labels and probabilities of a classifier.
_TYPED_BY_LOWERING = (mil_types.is_state, mil_types.is_str, mil_types.is_dict)


class BlockLowering:
    """Lowers the ops of a function and of the blocks nested in it.

    Attributes:
        graph: the graph that is being built.
        precision: of float math.
        carried: the newest value of each state, by the state's name, and what was observed so far inside of blocks.
        labels: see `LoweredFunction`.

    Args:
        function: the function, to know its values by.
        precision: see above.
        observe: statistics of values by name.
    """

    def __init__(self, function: Any, precision: Precision, observe: Mapping[str, Sequence[Statistic]]) -> None:
        self.graph = Graph()
        self.precision = precision
        self._watch = Watch(self.graph, function, observe)
        self.carried: dict[Key, Tensor] = dict(self._watch.entries)
        self.labels: dict[str, list[Any]] = {}
        self._values: dict[int, Tensor] = {}

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

    def bind(self, var: Any, tensor: Tensor, *, is_watched: bool = True) -> None:
        """Says which graph value a PyMIL value is; values are cast to the type that they should have.

        Args:
            var: the PyMIL value.
            tensor: the graph value.
            is_watched: it is observed there, if that was asked for.
        """
        given = any(test(var.sym_type) for test in _TYPED_BY_LOWERING)
        kind = tensor.dtype if given else graph_dtype(dtype_of(var))
        # A lowering may give the int64 of ONNX's shapes and indices where MIL has int32: it fits.
        tensor = self.graph.cast(tensor, kind, fits=tensor.dtype.kind in "iu")
        self._values[id(var)] = tensor
        self.graph.rename(tensor, var.name)
        if is_watched:
            self._watch.see(var, tensor, self.carried)

    def rounded(self, tensor: Tensor) -> Tensor:
        """The value as fp16 holds it, where the precision asks for it."""
        return tensor if self.precision == "float32" else halved(self.graph, tensor)

    def changed_by(self, operation: Any) -> dict[Key, Shape | None]:
        """What of `carried` the blocks of an op may change, with the shapes that are known."""
        inside = (each for block in operation.blocks for each in walk(block))
        states = (each.state for each in inside if each.op_type == "coreml_update_state")
        known: dict[Key, Shape | None] = {str(state.name): shape_of(state) for state in states}
        return known | dict.fromkeys(self._watch.inside(operation))

    def observed(self) -> list[Observed]:
        """What comes out beside the function's own outputs, once all its ops are lowered."""
        return self._watch.observed(self.carried)

    def _constant(self, var: Any) -> Tensor:
        dtype = dtype_of(var)
        self.graph.scope = var.name

        def read() -> np.ndarray:
            array = np.asarray(constant_of(var))
            # Decoding is done in fp32; what the device stores is rounded.
            return array.astype(HALF, copy=False) if dtype.name == "fp16" and self.precision == "float16" else array

        return self.graph.constant(Constant(tuple(int(size) for size in var.shape), graph_dtype(dtype), read))

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


def halved(graph: Graph, tensor: Tensor) -> Tensor:
    """The values of a float tensor as fp16 holds them; what is too large becomes infinite."""
    return graph.cast(graph.op("Cast", tensor, to=HALF, dtype=HALF), FLOAT) if tensor.dtype == FLOAT else tensor


def lower_function(
    function: Any, precision: Precision = "float32", observe: Mapping[str, Sequence[Statistic]] | None = None
) -> LoweredFunction:
    """Lowers a PyMIL function.

    Args:
        function: it is not changed.
        precision: `float32`, or `float16` to round every fp16 value to what the device would store.
        observe: statistics of values by name, as `observation.requested` gives them.

    Raises:
        RunError: an op that can not be run.
        OptionError: a value to observe is not there, or is a constant.
    """
    lowering = BlockLowering(function, precision, observe or {})
    graph = lowering.graph
    inputs, states = [], []
    for name, var in function.inputs.items():
        tensor = graph.input(name, graph_dtype(dtype_of(var)))
        if mil_types.is_state(var.sym_type):
            lowering.bind(var, tensor)
            lowering.carried[name] = tensor
            states.append(port_of(name, var, tensor))
        else:
            # A caller's numbers are rounded in both precisions: the input's type says that they are fp16.
            lowering.bind(var, halved(graph, tensor) if dtype_of(var).name == "fp16" else tensor)
            inputs.append(port_of(name, var, tensor))
    results = lowering.lower(function)
    graph.scope = "output"
    results = [graph.claim(tensor, var.name) for var, tensor in zip(function.outputs, results, strict=True)]
    new_states = [graph.claim(lowering.carried[port.name], f"{port.name}_out") for port in states]
    observed = lowering.observed()
    graph.finish([*results, *new_states, *(each.port.tensor for each in observed)])
    made = iter(graph.main.outputs)
    outputs = [port_of(var.name, var, next(made)) for var in function.outputs]
    written = [attrs.evolve(port, tensor=next(made)) for port in states]
    return LoweredFunction(
        graph=graph,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        states=tuple(states),
        new_states=tuple(written),
        observed=tuple(each.of(tensor) for each, tensor in zip(observed, made, strict=True)),
        labels=lowering.labels,
    )

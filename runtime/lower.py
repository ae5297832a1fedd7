"""From a MIL function to an ONNX graph: each op through its lowering, each value in the type that it should have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from ..ir.errors import OptionError, did_you_mean
from ..ir.pymil import ListVar, dtype_of
from ..ir.pymil import types as mil_types
from ..ir.walking import blocks_of, names_in
from .constants import Constant
from .decoding import CONSTEXPR_OPS, constant_of, is_constant
from .graph import FLOAT, HALF, Graph, Tensor
from .observation import Statistic, statistic_of
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
class Observed:
    """An output that was asked for beside the function's own.

    Attributes:
        value: the name of the MIL value that it is about.
        statistic: `value`, or the name of a reduction.
        port: where it comes out.
    """

    value: str
    statistic: str
    port: Port


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
        states: the newest value of each state, by the state's name.
        labels: see `LoweredFunction`.
        observed: the statistics that were asked for and could be computed so far.
    """

    def __init__(self, precision: Precision, observe: Mapping[str, Sequence[Statistic]]) -> None:
        self.graph = Graph()
        self.precision = precision
        self.observed: list[Observed] = []
        self._observe = observe
        self.states: dict[str, Tensor] = {}
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

    def bind(self, var: Any, tensor: Tensor) -> None:
        """Says which graph value a PyMIL value is; values are cast to the type that they should have."""
        given = any(test(var.sym_type) for test in _TYPED_BY_LOWERING)
        kind = tensor.dtype if given else graph_dtype(dtype_of(var))
        # A lowering may give the int64 of ONNX's shapes and indices where MIL has int32: it fits.
        tensor = self.graph.cast(tensor, kind, fits=tensor.dtype.kind in "iu")
        self._values[id(var)] = tensor
        self.graph.rename(tensor, var.name)
        if var.name in self._observe and not self.graph.is_nested:
            self._watch(var, tensor)

    def rounded(self, tensor: Tensor) -> Tensor:
        """The value as fp16 holds it, where the precision asks for it."""
        return tensor if self.precision == "float32" else halved(self.graph, tensor)

    def _watch(self, var: Any, tensor: Tensor) -> None:
        """Adds the statistics of a value where it is made, so that nothing keeps it alive for them."""
        for statistic in self._observe[var.name]:
            made = statistic_of(self.graph, tensor, statistic)
            is_value = made is tensor
            name = f"{var.name}:{statistic}"
            port = _port(name, var, made) if is_value else Port(name, made, made.dtype.name, ())
            self.observed.append(Observed(var.name, str(statistic), port))

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
        OptionError: a value to observe is not there, or only inside a branch or loop.
    """
    # Ops inside of a block may be lowered more than once, and at the top when a loop's condition is first asked.
    inside = {name for block in blocks_of(function) if block is not function for name in names_in(block)}
    lowering = BlockLowering(precision, {name: each for name, each in (observe or {}).items() if name not in inside})
    graph = lowering.graph
    inputs, states = [], []
    for name, var in function.inputs.items():
        tensor = graph.input(name, graph_dtype(dtype_of(var)))
        if mil_types.is_state(var.sym_type):
            lowering.bind(var, tensor)
            lowering.states[name] = tensor
            states.append(_port(name, var, tensor))
        else:
            # A caller's numbers are rounded in both precisions: the input's type says that they are fp16.
            lowering.bind(var, halved(graph, tensor) if dtype_of(var).name == "fp16" else tensor)
            inputs.append(_port(name, var, tensor))
    results = lowering.lower(function)
    graph.scope = "output"
    results = [graph.claim(tensor, var.name) for var, tensor in zip(function.outputs, results, strict=True)]
    new_states = [graph.claim(lowering.states[port.name], f"{port.name}_out") for port in states]
    graph.finish([*results, *new_states, *(each.port.tensor for each in lowering.observed)])
    made = iter(graph.main.outputs)
    outputs = [_port(var.name, var, next(made)) for var in function.outputs]
    written = [attrs.evolve(port, tensor=next(made)) for port in states]
    return LoweredFunction(
        graph=graph,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        states=tuple(states),
        new_states=tuple(written),
        observed=_observed(lowering, observe or {}, made),
        labels=lowering.labels,
    )


def _observed(lowering: BlockLowering, observe: Mapping[str, Any], made: Iterator[Tensor]) -> tuple[Observed, ...]:
    found, known = {each.value for each in lowering.observed}, set(lowering.graph.names.values())
    for name in observe:
        if name not in found:
            raise OptionError(
                f"there is no value {name!r} to observe",
                hint=(None if name in known else did_you_mean(name, known))
                or "constants and what is inside of branches and loops can not be observed",
            )
    return tuple(
        attrs.evolve(each, port=attrs.evolve(each.port, tensor=tensor))
        for each, tensor in zip(lowering.observed, made, strict=True)
    )


def _port(name: str, var: Any, tensor: Tensor) -> Port:
    if mil_types.is_dict(var.sym_type):  # of a classifier, which gives its probabilities as they are
        var = var.op.inputs["probabilities"]
    if isinstance(var, ListVar):
        return Port(name, tensor, dtype_of(var).name, ())
    return Port(name, tensor, dtype_of(var).name, shape_of(var))

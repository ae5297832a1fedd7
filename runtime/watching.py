"""Adds what observes values to a graph: where a value is made, so that nothing keeps it alive for that.

What stands in a branch or loop is computed any number of times in a run. Its statistics gather in sequences, one entry
for each time, which control flow carries along as it carries states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..ir.errors import OptionError, did_you_mean
from ..ir.pymil import dtype_of
from ..ir.walking import blocks_of
from .decoding import CONSTEXPR_OPS
from .graph import Graph, Tensor
from .observation import Statistic, dtype_of_statistic, statistic_of
from .op import Key
from .ports import Observed, observed_port
from .types import graph_dtype


class Watch:
    """The values of a function that are observed, and their statistics.

    Args:
        graph: that of the function, still empty.
        function: the PyMIL function.
        observe: statistics of values by name, as `observation.requested` gives them.

    Attributes:
        entries: for each statistic of a value in a branch or loop, the sequence that it starts with.

    Raises:
        OptionError: a value is not there, or is a constant.
    """

    def __init__(self, graph: Graph, function: Any, observe: Mapping[str, Sequence[Statistic]]) -> None:
        self._graph = graph
        self._observed: dict[Key, Observed] = {}
        self.entries: dict[Key, Tensor] = {}
        values = _values_of(function) if observe else {}
        self._wanted = {id(_found(values, name)): statistics for name, statistics in observe.items()}
        outside = {id(var) for var in _made_in(function)}
        for name, statistics in observe.items():
            if id(values[name]) not in outside:
                for statistic in statistics:
                    self._begin(values[name], statistic)

    def see(self, var: Any, tensor: Tensor, carried: dict[Key, Tensor]) -> None:
        """Adds the statistics of a value that was just made, if any were asked for."""
        for statistic in self._wanted.get(id(var), ()):
            made = statistic_of(self._graph, tensor, statistic)
            key = var.name, str(statistic)
            if key in self.entries:
                carried[key] = self._graph.appended(carried[key], made)
            else:
                self._observed[key] = observed_port(var, statistic, made)

    def inside(self, operation: Any) -> Iterator[Key]:
        """The statistics of values in the blocks of an op."""
        if not self.entries:
            return
        for var in (var for block in operation.blocks for nested in blocks_of(block) for var in _made_in(nested)):
            yield from ((var.name, str(statistic)) for statistic in self._wanted.get(id(var), ()))

    def observed(self, carried: Mapping[Key, Tensor]) -> list[Observed]:
        """What comes out beside the function's own outputs, once all its ops are lowered."""
        return [each.of(carried[key]) if key in self.entries else each for key, each in self._observed.items()]

    def _begin(self, var: Any, statistic: Statistic) -> None:
        key = var.name, str(statistic)
        self._graph.scope = var.name
        self.entries[key] = self._graph.sequence(dtype_of_statistic(statistic, graph_dtype(dtype_of(var))))
        self._observed[key] = observed_port(var, statistic, self.entries[key])


def _found(values: Mapping[str, Any], name: str) -> Any:
    if name not in values:
        hint = did_you_mean(name, values) or "constants can not be observed"
        raise OptionError(f"there is no value {name!r} to observe", hint=hint)
    return values[name]


def _values_of(function: Any) -> dict[str, Any]:
    """The values that ops compute, inputs of the function and of blocks included, by name.

    Of several that share a name, as the variables of a loop's condition and of its body do, the last one counts, and
    one outside of all blocks before all others.
    """
    outermost, *nested = blocks_of(function)
    return {var.name: var for block in (*nested, outermost) for var in _made_in(block)}


def _made_in(block: Any) -> Iterator[Any]:
    """The inputs of a block, and what its own ops compute."""
    yield from block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
    for operation in block.operations:
        if operation.op_type != "const" and operation.op_type not in CONSTEXPR_OPS:
            yield from operation.outputs

"""Where values enter and leave a lowered function, and what the MIL function says of them."""

from __future__ import annotations

from typing import Any

import attrs

from ..ir.pymil import ListVar, dtype_of
from ..ir.pymil import types as mil_types
from .graph import Tensor
from .observation import Statistic, shape_of_statistic
from .op import Shape, shape_of


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
        port: where it comes out; a value in a branch or loop gives a sequence, one entry for each time it was computed.
    """

    value: str
    statistic: str
    port: Port

    def of(self, tensor: Tensor) -> Observed:
        """The same, coming out as another value of the graph."""
        return attrs.evolve(self, port=attrs.evolve(self.port, tensor=tensor))


def port_of(name: str, var: Any, tensor: Tensor) -> Port:
    """The port of a PyMIL value."""
    if mil_types.is_dict(var.sym_type):  # of a classifier, which gives its probabilities as they are
        var = var.op.inputs["probabilities"]
    if isinstance(var, ListVar):
        return Port(name, tensor, dtype_of(var).name, ())
    return Port(name, tensor, dtype_of(var).name, shape_of(var))


def observed_port(var: Any, statistic: Statistic, tensor: Tensor) -> Observed:
    """The output of a statistic of a PyMIL value."""
    name = f"{var.name}:{statistic}"
    shape = shape_of_statistic(statistic)
    port = port_of(name, var, tensor) if shape is None else Port(name, tensor, tensor.dtype.name, shape)
    return Observed(var.name, str(statistic), port)

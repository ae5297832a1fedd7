"""What a lowering sees of the MIL op that it lowers: its inputs as graph values, constants, shapes and types."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np

from ..ir.errors import RunError
from ..ir.pymil import dtype_of, is_symbolic
from ..ir.pymil import types as mil_types
from ..ir.type_words import type_words
from .decoding import constant_of
from .graph import Graph, Tensor
from .types import Precision, graph_dtype

Shape = tuple["int | None", ...]
# A state's name, or the name of an observed value and that of the statistic.
Key: TypeAlias = "str | tuple[str, str]"


class Lowerer(Protocol):
    """What lowers the block around an op; control flow and states need it.

    Attributes:
        graph: the graph that is being built.
        precision: of float math.
        carried: what goes along with the ops beside their values: the newest value of each state, by the state's name,
            and what was observed so far inside of blocks.
        labels: the classes' labels of an output that gives the index of a class.
    """

    graph: Graph
    precision: Precision
    carried: dict[Key, Tensor]
    labels: dict[str, list[Any]]

    def lower(self, block: Any) -> list[Tensor]:
        """Lowers a block's ops into the graph's current body; gives the block's outputs."""

    def value(self, var: Any) -> Tensor:
        """The graph value of a PyMIL value."""

    def bind(self, var: Any, tensor: Tensor, *, is_watched: bool = True) -> None:
        """Says which graph value a PyMIL value is, and whether it is observed there if that was asked for."""

    def rounded(self, tensor: Tensor) -> Tensor:
        """The value as fp16 holds it, where the precision asks for it."""

    def changed_by(self, operation: Any) -> dict[Key, Shape | None]:
        """What of `carried` the blocks of an op may change, with the shapes that are known."""


class Op:
    """A MIL op that is being lowered.

    Attributes:
        operation: the PyMIL operation.
        type: its op type.
        name: its name.
        lowering: what lowers the block around it; control flow needs it.
    """

    def __init__(self, operation: Any, lowering: Lowerer) -> None:
        self.operation, self.lowering = operation, lowering
        self.type, self.name = str(operation.op_type), str(operation.name)

    # --- inputs

    def var(self, parameter: str) -> Any:
        """The PyMIL value of an input, or its default's, or None."""
        value = self.operation.inputs.get(parameter)
        return value if value is not None else getattr(self.operation, parameter, None)

    def has(self, parameter: str) -> bool:
        """Whether an input is given or has a default."""
        return self.var(parameter) is not None

    def __getitem__(self, parameter: str) -> Tensor:
        """The graph value of an input."""
        return self.lowering.value(self.var(parameter))

    def get(self, parameter: str) -> Tensor | None:
        """The graph value of an optional input."""
        return self[parameter] if self.has(parameter) else None

    def each(self, parameter: str) -> list[Tensor]:
        """The graph values of a variadic input."""
        return [self.lowering.value(var) for var in self.var(parameter)]

    # --- what is known before anything runs

    def const(self, parameter: str, default: Any = None) -> Any:
        """The value of an input, where it is constant; `default` where it is absent or not constant."""
        var = self.var(parameter)
        constant = None if var is None else constant_of(var)
        return default if constant is None else constant

    def number(self, parameter: str, default: float = 0.0) -> float:
        """The value of a constant scalar input as a Python float."""
        return float(np.asarray(self.const(parameter, default)).reshape(()))

    def flag(self, parameter: str, *, default: bool = False) -> bool:
        """The value of a constant boolean input."""
        return bool(self.const(parameter, default))

    def text(self, parameter: str, default: str = "") -> str:
        """The value of a constant string input."""
        return str(self.const(parameter, default))

    def ints(self, parameter: str) -> list[int] | None:
        """The values of a constant integer input, one or many, as a list; None where it is absent or not constant."""
        value = self.const(parameter)
        return None if value is None else [int(item) for item in np.asarray(value).reshape(-1)]

    def axis(self, parameter: str = "axis", *, of: str = "x", default: int = 0) -> int:
        """A constant axis, counted from the front."""
        (axis,) = self.ints(parameter) or [default]
        return axis % max(self.rank(of), 1)

    # --- shapes and types

    def shape(self, parameter: str) -> Shape:
        """The shape of an input; None for a dimension that is not known."""
        return shape_of(self.var(parameter))

    def rank(self, parameter: str) -> int:
        """The rank of an input."""
        return len(self.shape(parameter))

    def dtype(self, parameter: str) -> np.dtype[Any]:
        """The type that the graph holds an input in."""
        return graph_dtype(dtype_of(self.var(parameter)))

    @property
    def output_shape(self) -> Shape:
        """The shape of the first output; None for a dimension that is not known."""
        return shape_of(self.operation.outputs[0])

    @property
    def output_dtype(self) -> np.dtype[Any]:
        """The type that the graph holds the first output in."""
        return graph_dtype(dtype_of(self.operation.outputs[0]))

    # --- refusals

    def refusal(self, reason: str, *, hint: str | None = None) -> RunError:
        """The error to raise when the op can not be run; names the op and its inputs."""
        return RunError(f"can not run {self.type!r}: {reason}; {self._inputs()}", where=f"op {self.name!r}", hint=hint)

    def _inputs(self) -> str:
        """The inputs as MIL text types them: `x: tensor<fp16, [1, 3]>`."""
        described = []
        for parameter, value in self.operation.inputs.items():
            variables = value if isinstance(value, list | tuple) else [value]
            described.append(f"{parameter}: {', '.join(type_words(var.sym_type) for var in variables)}")
        return "its inputs are " + "; ".join(described) if described else "it has no inputs"


def shape_of(var: Any) -> Shape:
    """The shape of a PyMIL value; None for a dimension that is not known."""
    if mil_types.is_state(var.sym_type):
        return tuple(int(size) for size in var.shape)
    # PyMIL gives topk with k = -1, which is all elements, a size of -1.
    return tuple(None if is_symbolic(size) or size < 0 else int(size) for size in var.shape)

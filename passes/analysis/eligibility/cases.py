"""What the rules look at: each op of a program with its weights and the values that it computes with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
import numpy as np

from ....ir.constants import is_compressed, is_constant
from ....ir.value_types import Value, value_of
from ....ir.walking import input_values
from ..activations.classes import origin
from ..activations.sites import Site, find_sites
from ..refusal import Refusal
from ..weight_inventory import WEIGHT_OPERANDS, Constant
from ..weight_plan import plan_weights
from .schemes import LARGEST_LEFT_ALONE

_WEIGHT_INPUTS = frozenset((operand.op_type, operand.parameter) for operand in WEIGHT_OPERANDS)


@attrs.frozen
class Place:
    """Where an op stands.

    Attributes:
        function: its name.
        blocks: the nested blocks around it, the outermost first: `choice[0]`.
        owners: the types of the ops that own these blocks.
    """

    function: str
    blocks: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@attrs.frozen
class WeightCase:
    """One weight of one op.

    Attributes:
        op: that takes it.
        parameter: the input that it is.
        value: the PyMIL value that stands there.
        constant: that it is, or is decoded from; None when it is computed.
        refusal: why the plan of `quantize-weights` leaves it alone; None when it quantizes it.
        refusal_of_tensor: the same for one scale in all, where the plan finds no gain in a scale for each channel.
    """

    op: Any = attrs.field(eq=id)
    parameter: str
    value: Any = attrs.field(eq=id)
    constant: Constant | None
    refusal: Refusal | None = None
    refusal_of_tensor: Refusal | None = None

    @property
    def channel_axis(self) -> int:
        """The axis that output channels run along; of a constant that has one."""
        return next(iter(self._constant.channel_axes), 0)

    @property
    def input_axis(self) -> int:
        """The axis that is summed over, which blocks run along; of a constant of rank 2 or more.

        Source: the layouts of `WEIGHT_OPERANDS`.
        """
        rank = self.array.ndim
        pair = (rank - 2, rank - 1) if self.op.op_type == "matmul" else (0, 1)
        return pair[1] if self.channel_axis == pair[0] else pair[0]

    @property
    def array(self) -> np.ndarray:
        """The constant's elements."""
        return self._constant.value

    @property
    def _constant(self) -> Constant:
        if self.constant is None:
            raise ValueError("a weight that is computed has no axes")
        return self.constant


@attrs.frozen
class OpCase:
    """One op.

    Attributes:
        op: the op.
        place: where it stands.
        weights: those that are weights by nature before others, such as biases.
        site: where quantized activations may go around it; None when it is no such place.
        fused_with: the op that it is computed together with, such as a relu behind a convolution.
        refusal: why the plan of `insert-quantize-dequantize` leaves it alone, as far as that was asked.
    """

    op: Any = attrs.field(eq=id)
    place: Place
    weights: tuple[WeightCase, ...] = ()
    site: Site | None = attrs.field(default=None, eq=lambda site: site is None)
    fused_with: Any = attrs.field(default=None, eq=id)
    refusal: Refusal | None = None

    @property
    def origins(self) -> list[Any]:
        """The values that its activations come from, in front of ops that only move them."""
        return [] if self.site is None else [origin(value) for value in self.site.inputs]

    @property
    def values(self) -> list[Value]:
        """The activations that it takes, and what it gives."""
        taken = () if self.site is None else self.site.inputs
        return [value_of(var) for var in (*taken, *self.op.outputs)]


def cases_of(program: Any, constants: Iterable[Constant]) -> list[OpCase]:
    """Every op of a program, nested blocks included, in order; of constants only those that no op takes.

    Args:
        program: PyMIL.
        constants: of its `WeightInventory`.
    """
    weights = _weights_by_op(tuple(constants))
    return [
        case
        for name, function in program.functions.items()
        for case in _cases(Place(name), function, weights)
        if case.weights or not is_constant(case.op.op_type)
    ]


def _cases(place: Place, function: Any, weights: Mapping[Any, list[WeightCase]]) -> Iterator[OpCase]:
    sites = {site.op: site for site in find_sites(function)}
    fused = {part: op for op, site in sites.items() for part in site.fused.parts}
    for where, op in _placed(function, place):
        taken = _in_order(op, [*_computed_weights(op), *weights.get(op, ())])
        yield OpCase(op, where, tuple(taken), sites.get(op), fused.get(op))


def _placed(block: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    for op in block.operations:
        yield place, op
        for index, nested in enumerate(op.blocks):
            inner = Place(place.function, (*place.blocks, f"{op.name}[{index}]"), (*place.owners, op.op_type))
            yield from _placed(nested, inner)


def _is_constant(value: Any) -> bool:
    return value.op is not None and is_constant(value.op.op_type)


def _in_order(op: Any, weights: list[WeightCase]) -> list[WeightCase]:
    """Inputs that are weights by nature before others, such as biases."""
    return sorted(weights, key=lambda weight: (op.op_type, weight.parameter) not in _WEIGHT_INPUTS)


def _computed_weights(op: Any) -> Iterator[WeightCase]:
    for parameter, value in input_values(op):
        if (op.op_type, parameter) in _WEIGHT_INPUTS and value is not None and not _is_constant(value):
            yield WeightCase(op, parameter, value, None)


def _weights_by_op(constants: tuple[Constant, ...]) -> dict[Any, list[WeightCase]]:
    """The cases of constants by the op that takes them, by the constant's own where none does."""
    found: dict[Any, list[WeightCase]] = {}
    for constant, refusals in zip(constants, _refusals(constants), strict=True):
        users = list(_users(constant.op.outputs[0])) or [(constant.op, "val", constant.op.outputs[0])]
        for op, parameter, value in users:
            found.setdefault(op, []).append(WeightCase(op, parameter, value, constant, *refusals))
    return found


def _refusals(constants: tuple[Constant, ...]) -> Iterator[tuple[Refusal | None, Refusal | None]]:
    """What the plan says of each constant; weights are read once, or twice where channels are too short for scales."""
    for decision in plan_weights(constants, granularity="per-channel", min_elements=LARGEST_LEFT_ALONE):
        first = second = decision.refusal
        if first is not None and first.code == "no-gain":
            (again,) = plan_weights([decision.constant], granularity="per-tensor", min_elements=LARGEST_LEFT_ALONE)
            second = again.refusal
        yield first, second


def _users(value: Any) -> Iterator[tuple[Any, str, Any]]:
    """The ops that take a value, or what is decoded from it, with the parameter and the value that they take."""
    for user in dict.fromkeys(value.child_ops):
        if is_compressed(user.op_type):
            yield from _users(user.outputs[0])
        else:
            yield from ((user, parameter, each) for parameter, each in input_values(user) if each is value)

"""The analysis `WeightInventory`: every large constant of a program, who uses it and along which channel axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from ...ir.constants import SMALLEST_WEIGHT
from ..analyses import Analysis, AnalysisManager


@attrs.frozen
class Use:
    """One use of a constant as an op's input.

    Attributes:
        op: the op that uses it.
        parameter: the input's name.
        channel_axis: the axis of the constant that the op's output channels run along; None when the op is none of
            `WEIGHT_OPERANDS`.
    """

    op: Any = attrs.field(eq=id)
    parameter: str
    channel_axis: int | None


@attrs.frozen
class Constant:
    """A constant of at least `SMALLEST_WEIGHT` elements.

    Attributes:
        op: the `const` op.
        value: its array.
        uses: in the program's order.
        is_output: whether a block returns it.
    """

    op: Any = attrs.field(eq=id)
    value: np.ndarray = attrs.field(eq=id)
    uses: tuple[Use, ...]
    is_output: bool

    @property
    def is_float(self) -> bool:
        """fp16 or fp32."""
        return self.value.dtype.kind == "f"

    @property
    def compressed_by(self) -> str | None:
        """The type of the `constexpr_*` op that it belongs to, if any."""
        return next((use.op.op_type for use in self.uses if use.op.op_type.startswith("constexpr_")), None)

    @property
    def foreign_use(self) -> Use | None:
        """The first use that is no weight of `WEIGHT_OPERANDS`, if any."""
        return next((use for use in self.uses if use.channel_axis is None), None)

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """The channel axes that its uses want: one unless they disagree."""
        return tuple(sorted({use.channel_axis for use in self.uses if use.channel_axis is not None}))


AxisRule = Callable[[Any, int], int]


def _fixed(axis: int) -> AxisRule:
    return lambda op, rank: axis  # noqa: ARG005 - a rule of the common form


def _matmul_x(op: Any, rank: int) -> int:
    return rank - 1 if _flag(op.transpose_x) else rank - 2


def _matmul_y(op: Any, rank: int) -> int:
    return rank - 2 if _flag(op.transpose_y) else rank - 1


def _gather(op: Any, rank: int) -> int:
    return int(op.axis.val) % rank if op.axis is not None else 0


def _flag(var: Any) -> bool:
    return var is not None and bool(var.val)


@attrs.frozen
class WeightOperand:
    """An input that is a weight, and the axis of it along which output channels run."""

    op_type: str
    parameter: str
    channel_axis: AxisRule


# Layouts: the docstrings of the ops in coremltools 9.0, converters/mil/mil/ops/defs/iOS15/{conv,linear,recurrent,
# scatter_gather}.py. All take constexpr_* weights from iOS 16 on (coremltools' own compression passes emit them).
WEIGHT_OPERANDS = (
    WeightOperand("conv", "weight", _fixed(0)),  # [C_out, C_in / groups, *K]
    WeightOperand("conv_transpose", "weight", _fixed(1)),  # [C_in, C_out / groups, *K]
    WeightOperand("linear", "weight", _fixed(0)),  # [D_out, D_in]
    WeightOperand("matmul", "x", _matmul_x),
    WeightOperand("matmul", "y", _matmul_y),
    WeightOperand("gather", "x", _gather),  # an embedding: one scale for each row that is looked up
    *(WeightOperand(cell, name, _fixed(0))  # [gates * H, I] and [gates * H, H]
      for cell, names in {
          "lstm": ("weight_ih", "weight_hh", "weight_ih_back", "weight_hh_back"),
          "gru": ("weight_ih", "weight_hh"),
          "rnn": ("weight_ih", "weight_hh"),
      }.items() for name in names),
)  # fmt: skip
_PAYLOADS = frozenset({"data", "quantized_data", "indices", "nonzero_data", "source_val"})
_RULES = {(operand.op_type, operand.parameter): operand.channel_axis for operand in WEIGHT_OPERANDS}


@attrs.frozen
class WeightInventory(Analysis):
    """Every constant of at least `SMALLEST_WEIGHT` elements, in the program's order, nested blocks included."""

    constants: tuple[Constant, ...]

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> WeightInventory:  # noqa: ARG003
        """Walks the program once."""
        from ...ir.walking import walk

        found = (_constant(op) for op in walk(program) if _is_large(op))
        return cls(tuple(constant for constant in found if not _is_parameter(constant)))


def _is_large(op: Any) -> bool:
    if op.op_type != "const":
        return False
    value = op.outputs[0].val
    return isinstance(value, np.ndarray) and value.size >= SMALLEST_WEIGHT and value.dtype.kind in "fiub"


def _is_parameter(constant: Constant) -> bool:
    """Scales, zero points, tables and masks are parts of a compressed weight, which its payload stands for."""
    return bool(constant.uses) and all(
        use.op.op_type.startswith("constexpr_") and use.parameter not in _PAYLOADS for use in constant.uses
    )


def _constant(op: Any) -> Constant:
    var = op.outputs[0]
    users = dict.fromkeys(var.child_ops)  # an op stands in the list once for each time it uses the value
    uses = tuple(use for user in users for use in _uses(user, var))
    return Constant(op, var.val, uses, bool(var.consuming_blocks))


def _uses(user: Any, var: Any) -> Iterator[Use]:
    from ...ir.walking import input_values

    for parameter, value in input_values(user):
        if value is var:
            rule = _RULES.get((user.op_type, parameter))
            yield Use(user, parameter, rule(user, var.rank) if rule is not None and var.rank > 1 else None)

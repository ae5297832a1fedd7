"""Where quantized activations may go: each op that takes them, what it takes, and what leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ....ir.walking import walk
from ..refusal import Refusal
from .choices import Choices
from .fusing import Fused, fused_result
from .tables import QUANTIZED_OPS, QuantizedOp
from .values import given, is_activation, is_float_tensor, stands_for_constant


@attrs.frozen(eq=False)
class Site:
    """An op that takes quantized activations.

    Attributes:
        op: the op.
        row: what is known about its type.
        inputs: the values that have to be quantized for it, each once.
        fused: what leaves it, with the activation behind it.
        constant: an operand whose being a constant, or not being one, leaves the op alone.
    """

    op: Any
    row: QuantizedOp
    inputs: tuple[Any, ...]
    fused: Fused
    constant: Any = None


def find_sites(function: Any) -> list[Site]:
    """All sites of a function, nested blocks included, in the order of its ops; parts of fused activations are none."""
    found: list[Site] = []
    parts: set[Any] = set()
    for operation in walk(function):
        row = QUANTIZED_OPS.get(operation.op_type)
        if row is None or operation in parts or not is_activation(operation.outputs[0]):
            continue
        site = _site(operation, row)
        if site is not None:
            found.append(site)
            parts |= set(site.fused.parts)
    return found


def structural_refusal(site: Site, choices: Choices) -> Refusal | None:
    """Why an op is left alone, whatever is known of its values."""
    if choices.skips(site.op):
        return Refusal("analysis", "skipped", "an override skips it")
    if site.constant is None:
        return None
    if site.row.constants == "refuse":
        message = f"its operand {site.constant.name!r} is not computed: only ops on two activations are quantized"
        return Refusal("analysis", "constant-operand", message, source=site.row.source)
    message = f"its weight {site.constant.name!r} is computed"
    return Refusal("missed", "computed-weight", message, "write it as a matmul")


def _site(operation: Any, row: QuantizedOp) -> Site | None:
    """The site of an op; None if it computes nothing from activations."""
    operands = [*dict.fromkeys(value for parameter in row.activations for value in given(operation, parameter))]
    computed = [value for value in operands if is_activation(value)]
    if not computed:
        return None
    fused = fused_result(operation) if row.fuses else Fused(operation.outputs[0])
    joined = operands if row.constants == "join" else computed
    inputs = tuple(value for value in joined if is_float_tensor(value))
    return Site(operation, row, inputs, fused, _misplaced(operation, row, operands))


def _misplaced(operation: Any, row: QuantizedOp, operands: list[Any]) -> Any | None:
    """An operand that is a constant and must not be, or that must be one and is computed."""
    constants = (value for value in operands if row.constants == "refuse" and not is_activation(value))
    return next(constants, None) or next(_computed_weights(operation, row), None)


def _computed_weights(operation: Any, row: QuantizedOp) -> Iterator[Any]:
    values = (value for parameter in row.weights for value in given(operation, parameter))
    return (value for value in values if not stands_for_constant(value))

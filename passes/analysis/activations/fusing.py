"""What is computed together with an op: the activation behind it, also one that is written out in several ops."""

from __future__ import annotations

from typing import Any

import attrs

from ....ir.pymil import Var
from ....ir.pymil_editing import following
from ....ir.walking import input_values
from .tables import ACTIVATION_PARTS, FUSED_ACTIVATIONS, RESCALERS
from .values import is_float_tensor, only_reader, readers, stands_for_constant

# Ops of an activation written out; GELU by its tanh approximation takes nine.
_MOST_PARTS = 12


@attrs.frozen(eq=False)
class Fused:
    """An op's result as the hardware gives it.

    Attributes:
        result: what is behind the activation, or the op's own output.
        parts: the ops between.
        obstacle: an op with constants behind `result` that another pass would fuse; no pair belongs in between.
    """

    result: Any
    parts: tuple[Any, ...] = ()
    obstacle: Any = None


def fused_result(operation: Any) -> Fused:
    """What leaves an op with the activation behind it."""
    output = operation.outputs[0]
    reader = only_reader(output)
    if reader is None:
        parts = _written_out(output)
        return Fused(parts[-1].outputs[0], parts) if parts else Fused(output)
    if reader.op_type in FUSED_ACTIVATIONS and _takes_nothing_else(reader, {output}):
        return Fused(reader.outputs[0], (reader,))
    return Fused(output, obstacle=reader if _rescales(reader, output) else None)


def _rescales(operation: Any, value: Any) -> bool:
    """Whether an op on a value and constants is of those that are fused into the op in front."""
    if operation.op_type not in RESCALERS or not _takes_nothing_else(operation, {value}):
        return False
    return any(isinstance(taken, Var) and taken is not value for _, taken in input_values(operation))


def _takes_nothing_else(operation: Any, values: set[Any]) -> bool:
    """Whether all that an op takes is among some values, or constant."""
    taken = (value for _, value in input_values(operation) if isinstance(value, Var))
    return all(value in values or stands_for_constant(value) for value in taken)


def _written_out(value: Any) -> tuple[Any, ...]:
    """The ops from a value with several readers to the one in which all that they compute from it alone meets."""
    if value.consuming_blocks or value.op is None:
        return ()
    parts, inside = [], {value}
    for operation in following(value.op):
        if not any(taken in inside for _, taken in input_values(operation)):
            continue
        if operation.op_type not in ACTIVATION_PARTS or not _takes_nothing_else(operation, inside):
            return ()
        parts.append(operation)
        inside.add(operation.outputs[0])
        if _meets(operation, parts, inside):
            return (*parts, *_trailing(operation))
        if len(parts) == _MOST_PARTS:
            return ()
    return ()


def _meets(last: Any, parts: list[Any], inside: set[Any]) -> bool:
    """Whether everything but the last op's output is read within the parts."""
    inner = inside - set(last.outputs)
    return all(not each.consuming_blocks and all(reader in parts for reader in readers(each)) for each in inner)


def _trailing(operation: Any) -> tuple[Any, ...]:
    """The multiplications by constants behind the last part, such as those by a sixth of a hard swish."""
    found: list[Any] = []
    while (reader := only_reader(operation.outputs[0])) is not None and reader.op_type in ("mul", "real_div"):
        if not _takes_nothing_else(reader, {operation.outputs[0]}) or not is_float_tensor(reader.outputs[0]):
            break
        found.append(reader)
        operation = reader
    return tuple(found)

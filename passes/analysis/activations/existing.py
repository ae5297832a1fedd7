"""The quantize and dequantize ops that a program has already, from training or from a run before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....ir.walking import walk
from ...canonicalization.schemes import Scheme
from .values import readers, stands_for_constant


def is_dequantized(value: Any) -> bool:
    """Whether a value is an activation that stands on codes already."""
    return value.op is not None and value.op.op_type == "dequantize" and not stands_for_constant(value)


def schemes_in(function: Any) -> Iterator[tuple[Any, Scheme]]:
    """Values with the schemes that they are quantized with, or were decoded by; one scale for the tensor only."""
    for operation in walk(function):
        if operation.op_type == "quantize" and not stands_for_constant(operation.inputs["input"]):
            value = operation.inputs["input"]
        elif operation.op_type == "dequantize" and is_dequantized(operation.outputs[0]):
            value = operation.outputs[0]
        else:
            continue
        scheme = Scheme.of(operation)
        if scheme.axis is None:
            yield value, scheme


def dequantized_twin(
    value: Any, scheme: Scheme, block: Any, takers: Iterable[Any], numbers: dict[Any, int]
) -> Any | None:
    """What a value is after quantizing and dequantizing by a scheme, if the program has that in time.

    Args:
        value: which.
        scheme: of both ops.
        block: where the takers can see it.
        takers: the ops that are to take it.
        numbers: the position of each op in the program.
    """
    first = min((numbers[each] for each in takers), default=len(numbers))
    for quantize in _agreeing(value, "quantize", scheme):
        for dequantize in _agreeing(quantize.outputs[0], "dequantize", scheme):
            if dequantize.enclosing_block is block and numbers[dequantize] < first:
                return dequantize.outputs[0]
    return None


def _agreeing(value: Any, op_type: str, scheme: Scheme) -> Iterator[Any]:
    return (each for each in readers(value) if each.op_type == op_type and Scheme.of(each).agrees(scheme))

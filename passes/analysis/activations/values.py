"""What is asked of a value: is it an activation, is it a constant, who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ....ir.constants import is_constant
from ....ir.pymil import types
from ...canonicalization.moves import MOVES

# What leaves a constant a constant: weights are moved, cast and decoded from codes.
_KEEPING = frozenset({*MOVES, "cast", "dequantize", "identity", "quantize"})


def is_activation(value: Any) -> bool:
    """Whether a value is a tensor of floats with axes that is computed when the program runs."""
    return is_float_tensor(value) and not stands_for_constant(value)


def is_float_tensor(value: Any) -> bool:
    """Whether a value is a tensor of fp16 or fp32 with axes, which `quantize` takes."""
    kind = value.sym_type
    if not types.is_tensor(kind) or not kind.get_shape():
        return False
    return kind.get_primitive() in (types.fp16, types.fp32)


def stands_for_constant(value: Any) -> bool:
    """Whether a value is a constant: compressed, quantized or moved too."""
    while value.op is not None:
        operation = value.op
        if is_constant(operation.op_type) or value.val is not None:
            return True
        if operation.op_type not in _KEEPING:
            return False
        value = operation.inputs["input" if "quantize" in operation.op_type else "x"]
    return False


def readers(value: Any) -> list[Any]:
    """The ops that take a value, each once."""
    return [*dict.fromkeys(value.child_ops)]


def only_reader(value: Any) -> Any | None:
    """The op that takes a value, if it is the only one and no block returns the value."""
    found = readers(value)
    return found[0] if len(found) == 1 and not value.consuming_blocks else None


def given(operation: Any, parameter: str) -> Iterator[Any]:
    """The values of an input, one or several; none if the op has no such input."""
    value = operation.inputs.get(parameter)
    if isinstance(value, list | tuple):
        yield from value
    elif value is not None:
        yield value


def function_inputs(block: Any) -> list[Any]:
    """The inputs of a function or a nested block."""
    return [*(block.inputs.values() if isinstance(block.inputs, dict) else block.inputs)]

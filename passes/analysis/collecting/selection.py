"""Which values of a function are measured, and what is known of each before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from ....ir.errors import OptionError, did_you_mean, quoted
from ....ir.pymil import dtype_of, is_symbolic
from ....ir.pymil import types as mil_types
from ....ir.type_words import short_type_words
from ....ir.walking import blocks_of
from ....runtime.decoding import is_constant

_FLOATS = frozenset({"fp16", "fp32"})
# Ops whose operands and results carry their channels along axis 1, and along the last one.
_CHANNELS_FIRST = frozenset({"conv", "conv_transpose", "batch_norm", "instance_norm", "avg_pool", "max_pool"})
_CHANNELS_LAST = frozenset({"linear", "matmul", "gather", "layer_norm"})
_DECIDING = _CHANNELS_FIRST | _CHANNELS_LAST


@attrs.frozen
class Measured:
    """A value that is to be measured.

    Attributes:
        name: its MIL name.
        dtype: `fp16` or `fp32`.
        shape_words: its shape in MIL's words, such as `1, 3, ?, ?`.
        channel_axis: the axis of its channels, counted from the end; None where it has none, or one whose size is not
            known.
    """

    name: str
    dtype: str
    shape_words: str
    channel_axis: int | None = None


def measured_values(function: Any) -> tuple[Measured, ...]:
    """The values of a function whose ranges quantization may ask for, in the order of the program."""
    from ..activations.selection import calibration_tensors

    wanted = frozenset(calibration_tensors(function))
    return tuple(each for each in float_values(function) if each.name in wanted)


def named_values(functions: Mapping[str, Any], names: Iterable[str]) -> dict[str, tuple[Measured, ...]]:
    """The values of these names in each of some functions.

    Raises:
        OptionError: one is in none of them, or has no range.
    """
    wanted = list(names)
    found = {name: float_values(function) for name, function in functions.items()}
    known = {each.name for values in found.values() for each in values}
    for name in wanted:
        if name not in known:
            refusal = _refusal(name, functions.values())
            raise OptionError(refusal, hint=did_you_mean(name, known) or "give names of float values")
    return {name: tuple(each for each in values if each.name in wanted) for name, values in found.items()}


def float_values(function: Any) -> tuple[Measured, ...]:
    """Every float value of a function and of the blocks inside it that is computed, its inputs included.

    Variables of a loop that share a name, in its condition and in its body, are one.
    """
    return tuple({each.name: each for each in _float_values(function)}.values())


def _float_values(function: Any) -> Iterator[Measured]:
    for block in blocks_of(function):
        for var in _values_of(block):
            if _is_float(var) and not is_constant(var):
                yield _measured(var)


def _values_of(block: Any) -> Iterator[Any]:
    yield from (block.inputs.values() if isinstance(block.inputs, dict) else block.inputs)
    for operation in block.operations:
        yield from operation.outputs


def _is_float(var: Any) -> bool:
    is_array = mil_types.is_tensor(var.sym_type) or mil_types.is_scalar(var.sym_type)
    return is_array and dtype_of(var).name in _FLOATS


def _measured(var: Any) -> Measured:
    dtype = dtype_of(var).name
    words = short_type_words(var.sym_type).removeprefix(dtype).strip("[]")
    return Measured(var.name, dtype, words, _channel_axis(var))


def _channel_axis(var: Any) -> int | None:
    """Where those who use the value, or else who makes it, have the channels; the last axis without their word."""
    users = [operation.op_type for operation in var.child_ops]
    makers = [var.op.op_type] if var.op is not None else []
    axis = next((1 if each in _CHANNELS_FIRST else -1 for each in [*users, *makers] if each in _DECIDING), None)
    if axis is None:
        axis = 1 if len(var.shape) in (4, 5) else -1
    if len(var.shape) < 2:
        return None
    axis = axis % len(var.shape) - len(var.shape)
    return None if is_symbolic(var.shape[axis]) else axis


def _refusal(name: str, functions: Iterable[Any]) -> str:
    for var in (each for function in functions for block in blocks_of(function) for each in _values_of(block)):
        if var.name == name:
            return f"{quoted(name)} is {'a constant' if is_constant(var) else 'no float'}, and has no range to measure"
    return f"there is no value {quoted(name)} to measure"

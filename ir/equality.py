"""Structural equality of programs, with a report of the first difference."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from .proto.function_reader import EXTRA_ATTRIBUTES
from .pymil import mil_list, opset_of
from .type_words import type_words
from .walking import input_values
from .weights.files import release_pages

# Bytes that are compared at once.
_STRETCH = 1 << 22


def first_difference(left: Any, right: Any) -> str | None:
    """Where two programs first differ, in words, or None when they are equal.

    Equal programs have the same functions, ops, names, types and constants (bit by bit) in the same order;
    unknown dimensions are equal to each other. Scopes and weight files do not count.
    """
    return next(_differences(left, right), None)


def _differences(left: Any, right: Any) -> Iterator[str]:
    if list(left.functions) != list(right.functions):
        yield f"functions {list(left.functions)} and {list(right.functions)}"
        return
    for name in left.functions:
        yield from (f"function {name!r}: {found}" for found in _functions(left.functions[name], right.functions[name]))


def _functions(left: Any, right: Any) -> Iterator[str]:
    if opset_of(left) != opset_of(right):
        yield f"opset {opset_of(left)} and {opset_of(right)}"
    yield from _signatures("inputs", left.inputs.values(), right.inputs.values())
    yield from _blocks(left, right)


def _blocks(left: Any, right: Any) -> Iterator[str]:
    for one, other in zip_longest(left.operations, right.operations):
        if one is None or other is None:
            missing = one or other
            yield f"op {missing.name!r} ({missing.op_type}) is in one only"
            return
        yield from (f"op {one.name!r}: {found}" for found in _operations(one, other))
    yield from _signatures("outputs", left.outputs, right.outputs)


def _operations(left: Any, right: Any) -> Iterator[str]:
    if (left.op_type, left.name) != (right.op_type, right.name):
        yield f"{left.op_type} named {left.name!r} and {right.op_type} named {right.name!r}"
        return
    ours, theirs = _input_names(left), _input_names(right)
    if ours != theirs:
        yield f"inputs {ours} and {theirs}"
    yield from _signatures("outputs", left.outputs, right.outputs)
    if left.op_type == "const" and not same_value(left.outputs[0].val, right.outputs[0].val):
        yield "the constants differ"
    if getattr(left, EXTRA_ATTRIBUTES, {}) != getattr(right, EXTRA_ATTRIBUTES, {}):
        yield "the attributes differ"
    for one, other in zip(left.blocks, right.blocks, strict=True):
        yield from _signatures("block inputs", one.inputs, other.inputs)
        yield from _blocks(one, other)


def _input_names(operation: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for parameter, var in input_values(operation):
        found.setdefault(parameter, []).append(var.name)
    return found


def _signatures(what: str, left: Any, right: Any) -> Iterator[str]:
    ours, theirs = ([(var.name, type_words(var.sym_type)) for var in side] for side in (left, right))
    if ours != theirs:
        yield f"{what} {ours} and {theirs}"


def same_value(left: Any, right: Any) -> bool:
    """Whether two constants are the same bit by bit, type and shape included."""
    if isinstance(left, list | mil_list) and isinstance(right, list | mil_list):
        ours, theirs = (side.ls if isinstance(side, mil_list) else side for side in (left, right))
        return len(ours) == len(theirs) and all(map(same_value, ours, theirs))
    if isinstance(left, str | dict) or isinstance(right, str | dict):
        return type(left) is type(right) and bool(left == right)
    one, other = np.asarray(left), np.asarray(right)
    return (one.dtype, one.shape) == (other.dtype, other.shape) and _same_bytes(one, other)


def _same_bytes(left: np.ndarray, right: np.ndarray) -> bool:
    """Whether two arrays of one type hold the same bytes; whole weights are neither copied nor kept in memory."""
    if left.ctypes.data == right.ctypes.data and left.strides == right.strides:
        return True
    if left.dtype.hasobject:
        return left.tobytes() == right.tobytes()
    ours, theirs = (np.ascontiguousarray(side).reshape(-1).view(np.uint8) for side in (left, right))
    try:
        stretches = (slice(start, start + _STRETCH) for start in range(0, ours.size, _STRETCH))
        return all(np.array_equal(ours[stretch], theirs[stretch]) for stretch in stretches)
    finally:
        for side in (left, right):
            release_pages(side)

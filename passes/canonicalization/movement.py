"""Ops that move elements, moved between `quantize` and `dequantize`, where they move a byte for each element.

A moving op in front of a `quantize` goes behind it, one behind a `dequantize` goes in front of it: pairs of both meet,
and cancel. All of it is exact.
"""

from __future__ import annotations

from typing import Any

from ...ir.pymil import Operation
from ...ir.rewriting.patterns import Pattern
from ...ir.rewriting.rewriter import Rewriter
from .matching import constant, has_one_use, producer, refused
from .moves import MOVES, SLICES, axis_after, axis_before
from .schemes import Scheme, parameters


def _between(operation: Operation, rewriter: Rewriter) -> bool:
    move = producer(operation.inputs["input"], *MOVES)
    inner = producer(move.x, "dequantize") if move else None
    if move is None or inner is None or move.enclosing_block is not operation.enclosing_block:
        return False
    before = Scheme.of(inner)
    try:
        moved = before.along(axis_after(move, before.axis))
    except LookupError:
        return False
    if not (before.is_lossless and Scheme.of(operation).agrees(moved)):
        return False
    rewriter.replace_by(operation, move.op_type, _moving(move, inner.inputs["input"]))
    return True


def _sink_dequantize(operation: Operation, rewriter: Rewriter) -> bool:
    inner = producer(operation.x, "dequantize")
    if inner is None or inner.enclosing_block is not operation.enclosing_block:
        return False
    if constant(inner.inputs["input"]) is not None:
        return False
    if not has_one_use(operation.x):
        return refused(rewriter, operation, "shared-dequantize", "what it moves is used elsewhere too")
    try:
        axis = axis_after(operation, Scheme.of(inner).axis)
    except LookupError:
        return _lost(operation, rewriter)
    moved = rewriter.new(operation.op_type, _moving(operation, inner.inputs["input"]))
    rewriter.replace_by(operation, "dequantize", _along(inner, axis) | {"input": moved.outputs[0]})
    return True


def _hoist_quantize(operation: Operation, rewriter: Rewriter) -> bool:
    move = producer(operation.inputs["input"], *_WHOLE)
    if move is None or move.enclosing_block is not operation.enclosing_block or constant(move.x) is not None:
        return False
    if not has_one_use(move.outputs[0]):
        return refused(rewriter, move, "shared-move", "what it moves is used elsewhere too, not only quantized")
    try:
        axis = axis_before(move, Scheme.of(operation).axis)
    except LookupError:
        return _lost(move, rewriter)
    quantized = rewriter.new("quantize", _along(operation, axis) | {"input": move.x})
    rewriter.replace_by(operation, move.op_type, _moving(move, quantized.outputs[0]))
    return True


def _lost(operation: Operation, rewriter: Rewriter) -> bool:
    return refused(
        rewriter,
        operation,
        "axis-lost",
        "the axis of the scales does not survive it",
        "one scale for the tensor moves through everything",
    )


def _moving(operation: Operation, value: Any) -> dict[str, Any]:
    """The inputs of a moving op that moves another value."""
    return {**operation.inputs, "x": value}


def _along(operation: Operation, axis: int | None) -> dict[str, Any]:
    """The parameters of a `quantize` or `dequantize` whose scales lie along another axis."""
    given = parameters(operation)
    # An axis that is counted from the end is another one where there are more axes, or fewer.
    return given if axis is None or axis == given["axis"].val else {**given, "axis": axis}


_WHOLE = tuple(each for each in MOVES if each not in SLICES)

EXACT = (
    Pattern(
        name="move-codes",
        ops=("quantize",),
        rewrite=_between,
        benefit=3,
        rule="quantize(move(dequantize(q, s, z)), s, z) -> move(q), unless s * (q - z) overflows for some code",
    ),
    Pattern(
        name="sink-dequantize",
        ops=tuple(MOVES),
        rewrite=_sink_dequantize,
        rule="move(dequantize(q, s, z)) -> dequantize(move(q), s, z), if the axis of the scales survives",
    ),
    Pattern(
        name="hoist-quantize",
        ops=("quantize",),
        rewrite=_hoist_quantize,
        rule="quantize(move(x), s, z) -> move(quantize(x, s, z)), if the axis of the scales survives; slices stay",
    ),
)

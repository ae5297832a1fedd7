"""Quantize and dequantize ops that undo, repeat or overstate each other.

All of it is exact: the codes and numbers that come out are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from ...ir.pymil import Operation
from ...ir.rewriting.patterns import Pattern
from ...ir.rewriting.rewriter import Rewriter
from .matching import producer, refused
from .schemes import PARAMETERS, Scheme, codes_of, parameters

_BOTH = ("quantize", "dequantize")


def _cancel(operation: Operation, rewriter: Rewriter) -> bool:
    inner = producer(operation.inputs["input"], "dequantize")
    if inner is None:
        return False
    before, after = Scheme.of(inner), Scheme.of(operation)
    if not after.agrees(before):
        return False
    if not before.is_lossless:
        reason = f"their numbers are too large for {before.scale.dtype}, or a scale is not above 0"
        return refused(rewriter, operation, "lost-codes", f"some codes do not come back: {reason}")
    rewriter.replace(operation, inner.inputs["input"])
    return True


def _merge(operation: Operation, rewriter: Rewriter) -> bool:
    twin = next((each for each in _twins(operation) if rewriter.precedes(each, operation)), None)
    if twin is None:
        return False
    rewriter.replace(operation, twin.outputs[0])
    return True


def _twins(operation: Operation) -> Iterator[Operation]:
    """Other ops that compute the same of the same value."""
    scheme = Scheme.of(operation)
    for each in operation.inputs["input"].child_ops:
        if each is not operation and each.op_type == operation.op_type and Scheme.of(each).agrees(scheme):
            yield each


def _drop_zeros(operation: Operation, rewriter: Rewriter) -> bool:
    if operation.zero_point is None or np.any(operation.zero_point.val):
        return False
    rewriter.replace_by(operation, operation.op_type, _inputs(operation, without="zero_point"))
    return True


def _inputs(operation: Operation, without: str) -> dict[str, object]:
    return {"input": operation.inputs["input"]} | {
        name: value for name, value in parameters(operation).items() if name != without
    }


def _per_tensor(operation: Operation, rewriter: Rewriter) -> bool:
    scheme = Scheme.of(operation)
    if scheme.axis is None or not scheme.scale.size or _differ(scheme.scale) or _differ(scheme.zero_point):
        return False
    uniform = attrs.evolve(scheme, scale=scheme.scale[0], zero_point=scheme.zero_point[0], axis=None)
    rewriter.replace_by(operation, operation.op_type, _with_scheme(operation, uniform))
    return True


def _differ(values: np.ndarray) -> bool:
    return bool(np.any(values != values[0]))


def _with_scheme(operation: Operation, scheme: Scheme) -> dict[str, object]:
    kept = {name: value for name, value in parameters(operation).items() if name == PARAMETERS[-1]}
    return {"input": operation.inputs["input"]} | kept | scheme.inputs()


# How codes of one type become those of the other that mean the same with a zero point of zero.
_CENTERED = {"int8": (-128, "uint8"), "uint8": (128, "int8")}


def _center(operation: Operation, rewriter: Rewriter) -> bool:
    output = operation.outputs[0]
    center, codes = _CENTERED[codes_of(operation).name]
    users = list(dict.fromkeys(output.child_ops))
    if output.consuming_blocks or not users or not all(_is_centered(each, center) for each in (operation, *users)):
        return False
    shifted = _inputs(operation, without="zero_point") | {"output_dtype": codes}
    quantized = rewriter.new("quantize", shifted, before=operation).outputs[0]
    for user in users:
        rewriter.replace_by(user, "dequantize", _inputs(user, without="zero_point") | {"input": quantized})
    return True


def _is_centered(operation: Operation, center: int) -> bool:
    """Whether an op quantizes or dequantizes around this zero point."""
    if operation.op_type not in _BOTH or operation.zero_point is None:
        return False
    return bool(np.all(operation.zero_point.val == center))


EXACT = (
    Pattern(
        name="cancel-requantize",
        ops=("quantize",),
        rewrite=_cancel,
        benefit=4,
        rule="quantize(dequantize(q, s, z), s, z) -> q, unless s * (q - z) overflows for some code",
    ),
    Pattern(
        name="merge-duplicates",
        ops=_BOTH,
        rewrite=_merge,
        benefit=2,
        rule="quantize(x, s, z), quantize(x, s, z) -> the first of both; dequantize alike",
    ),
    Pattern(
        name="drop-zero-point",
        ops=_BOTH,
        rewrite=_drop_zeros,
        benefit=5,
        rule="quantize(x, s, 0) -> quantize(x, s); dequantize alike",
    ),
    Pattern(
        name="uniform-scales",
        ops=_BOTH,
        rewrite=_per_tensor,
        benefit=5,
        rule="quantize(x, [s, s, ...], [z, z, ...], axis) -> quantize(x, s, z); dequantize alike",
    ),
    Pattern(
        name="center-zero-point",
        ops=("quantize",),
        rewrite=_center,
        rule="dequantize(quantize(x, s, -128) as int8, t, -128) -> dequantize(quantize(x, s) as uint8, t); "
        "uint8 around 128 becomes int8",
    ),
)

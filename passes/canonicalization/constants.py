"""Quantize and dequantize ops of constants, folded where that is exact.

Codes take less room than numbers, so that `quantize` is folded whatever its size, and `dequantize` only if the tensor
is small; coremltools' `common::dequantize_to_constexpr` keeps large ones compressed.
"""

from __future__ import annotations

import numpy as np

from ...ir.pymil import Operation
from ...ir.rewriting.patterns import Pattern
from ...ir.rewriting.rewriter import Rewriter
from .matching import constant, refused
from .schemes import Scheme

# Numbers of more codes than this stay codes.
_FEW = 16


def _fold_quantize(operation: Operation, rewriter: Rewriter) -> bool:
    scheme, numbers = Scheme.of(operation), constant(operation.inputs["input"])
    if numbers is None:
        return False
    if not scheme.is_positive or np.any(np.isnan(numbers)):
        return refused(rewriter, operation, "not-a-number", "the codes of NaN, or of scales below zero, are undefined")
    codes = scheme.encoded(numbers, "float32")
    if not np.array_equal(codes, scheme.encoded(numbers, scheme.scale.dtype.name)):
        return refused(rewriter, operation, "on-a-border", "some codes depend on how precisely quotients are computed")
    rewriter.replace(operation, rewriter.constant(codes[()], operation.outputs[0].name))
    return True


def _fold_dequantize(operation: Operation, rewriter: Rewriter) -> bool:
    codes = constant(operation.inputs["input"])
    if codes is None or codes.size > _FEW:
        return False
    scheme = Scheme.of(operation)
    wide = scheme.decoded(codes)
    with np.errstate(over="ignore"):
        numbers = wide.astype(scheme.scale.dtype)
    if not np.array_equal(numbers.astype(np.float32), wide):
        return refused(rewriter, operation, "rounds", f"some numbers are none of {scheme.scale.dtype}")
    rewriter.replace(operation, rewriter.constant(numbers[()], operation.outputs[0].name))
    return True


EXACT = (
    Pattern(
        name="fold-quantize",
        ops=("quantize",),
        rewrite=_fold_quantize,
        benefit=2,
        rule="quantize(constant, s, z) -> constant, unless a quotient lies so close to a border that precision decides",
    ),
    Pattern(
        name="fold-dequantize",
        ops=("dequantize",),
        rewrite=_fold_dequantize,
        benefit=3,
        rule=f"dequantize(constant, s, z) -> constant, up to {_FEW} elements, all products exact",
    ),
)

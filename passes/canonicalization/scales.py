"""Multiplications and divisions by one number, and additions of one, that a scale or a zero point can take over.

With powers of two nothing is rounded, and the result is the same to the last bit. With other factors, two roundings
take the place of two others: a number moves by at most one part in 512 if it is fp16, in 2**22 if it is fp32, and a
code by one, where its number lies that close to the border between two codes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import frexp, isfinite
from typing import Any

import attrs
import numpy as np

from ...ir.pymil import Operation
from ...ir.rewriting.patterns import Pattern
from ...ir.rewriting.rewriter import Rewriter
from .matching import constant, keeps_shape, producer, refused
from .schemes import Scheme, parameters


def uniform(value: Any) -> float | None:
    """The number that all elements of a constant are; None if they differ or it is no constant."""
    numbers = constant(value)
    if numbers is None or not numbers.size or np.any(numbers != numbers.flat[0]):
        return None
    return float(numbers.flat[0])


def is_power_of_two(number: float) -> bool:
    """Whether multiplying by a number only changes exponents."""
    return number > 0 and isfinite(number) and frexp(number)[0] == 0.5


def _split(operation: Operation, *, swaps: bool) -> tuple[Any, float] | None:
    """What an op on x and y takes beside one number, and the number; x may be the number if the op swaps."""
    for value, other in ((operation.x, operation.y), (operation.y, operation.x))[: 1 + swaps]:
        number = uniform(other)
        if number is not None and keeps_shape(value, other):
            return value, number
    return None


def _factor(operation: Operation | None) -> tuple[Any, float] | None:
    """What a `mul` or `real_div` takes, and the one number that it is multiplied by."""
    if operation is None:
        return None
    divides = operation.op_type == "real_div"
    found = _split(operation, swaps=not divides)
    if found is None or not divides:
        return found
    return (found[0], 1 / found[1]) if found[1] else None


def _into_dequantize(operation: Operation, rewriter: Rewriter, *, admits: Callable[[float], bool]) -> bool:
    found = _factor(operation)
    inner = producer(found[0], "dequantize") if found else None
    if found is None or inner is None:
        return False
    return _rescale(rewriter, operation, inner, found[1], inner.inputs["input"], admits=admits)


def _into_quantize(operation: Operation, rewriter: Rewriter, *, admits: Callable[[float], bool]) -> bool:
    found = _factor(producer(operation.inputs["input"], "mul", "real_div"))
    if found is None or not found[1] or constant(found[0]) is not None:
        return False
    return _rescale(rewriter, operation, operation, 1 / found[1], found[0], admits=admits)


def _rescale(  # noqa: PLR0913 - both directions share it
    rewriter: Rewriter,
    operation: Operation,
    scaled: Operation,
    factor: float,
    value: Any,
    *,
    admits: Callable[[float], bool],
) -> bool:
    """Puts an op like `scaled`, its scale times a factor, in the place of `operation`."""
    if not factor > 0:
        return refused(rewriter, operation, "not-positive", f"the scale times {factor:g} is not positive")
    before = Scheme.of(scaled)
    after = before.scaled(factor)
    if not (before.is_normal and after.is_normal):
        return refused(rewriter, operation, "not-normal", f"not all scales and numbers are normal {before.scale.dtype}")
    if scaled.op_type == "quantize" and not _has_normal_borders(before):
        return refused(rewriter, operation, "subnormal-border", f"half a step is no normal {before.scale.dtype}")
    if not admits(factor):
        return refused(
            rewriter, operation, "rounds", f"the scale times {factor:g} is rounded", "canonicalize{exact=false} does it"
        )
    rewriter.replace_by(operation, scaled.op_type, parameters(scaled) | {"scale": after.scale[()], "input": value})
    return True


def _has_normal_borders(scheme: Scheme) -> bool:
    """Whether numbers that are too small to be normal, and are rounded as such, all lie within the first half step."""
    return bool(np.all(scheme.scale >= 2 * np.finfo(scheme.scale.dtype).tiny))


def _into_zero_point(operation: Operation, rewriter: Rewriter) -> bool:
    found = _addend(operation)
    inner = producer(found[0], "dequantize") if found else None
    if found is None or inner is None:
        return False
    scheme, number = Scheme.of(inner), found[1]
    if not scheme.is_normal or not all(map(is_power_of_two, np.ravel(scheme.scale).tolist())):
        return refused(rewriter, operation, "rounds", "sums are rounded unless the scale is a power of two")
    steps = number / scheme.scale.astype(np.float64)
    low, high = scheme.range
    shifted = scheme.zero_point - steps
    if np.any(steps != np.rint(steps)) or np.any(shifted < low) or np.any(shifted > high):
        return refused(rewriter, operation, "no-zero-point", f"no {scheme.codes} zero point stands for {number:g}")
    moved = attrs.evolve(scheme, zero_point=shifted.astype(np.int32))
    if not moved.is_normal:
        return refused(rewriter, operation, "not-normal", f"not all sums are normal {scheme.scale.dtype}")
    rewriter.replace_by(operation, "dequantize", moved.inputs() | {"input": inner.inputs["input"]})
    return True


def _addend(operation: Operation) -> tuple[Any, float] | None:
    """What an `add` or `sub` takes, and the one number that is added to it."""
    subtracts = operation.op_type == "sub"
    found = _split(operation, swaps=not subtracts)
    return found and (found[0], -found[1] if subtracts else found[1])


def _rescaling(admits: Callable[[float], bool], words: str) -> tuple[Pattern, ...]:
    return (
        Pattern(
            name="scale-dequantize",
            ops=("mul", "real_div"),
            rewrite=partial(_into_dequantize, admits=admits),
            rule=f"mul(dequantize(q, s, z), c) -> dequantize(q, s * c, z), {words}; real_div alike",
        ),
        Pattern(
            name="scale-quantize",
            ops=("quantize",),
            rewrite=partial(_into_quantize, admits=admits),
            rule=f"quantize(mul(x, c), s, z) -> quantize(x, s / c, z), {words}; real_div alike",
        ),
    )


_SHIFT = Pattern(
    name="shift-dequantize",
    ops=("add", "sub"),
    rewrite=_into_zero_point,
    rule="add(dequantize(q, s, z), c) -> dequantize(q, s, z - c / s), s a power of two, c / s whole; sub alike",
)
EXACT = (*_rescaling(is_power_of_two, "c a power of two"), _SHIFT)
BOUNDED = (*_rescaling(lambda factor: factor > 0, "c positive, and the new scale rounded once"), _SHIFT)

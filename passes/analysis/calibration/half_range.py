"""The fp16 range audit: which values pass fp16's range, or lose themselves below it.

fp16 ends at 65504 and rounds what is 65520 and more to infinity; below 2^-14 its numbers are subnormal, and keep fewer
and fewer of their 11 bits; what is at most 2^-25 becomes 0 (IEEE 754-2019, binary16).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ....ir.walking import blocks_of
from ...remarks import Remark, RemarkKind
from .grid import GridHistogram
from .statistics import CalibrationStatistics
from .tensor_statistics import TensorStatistics

GREATEST = 65504.0
"""The greatest finite number of fp16."""
OVERFLOW = 65520.0
"""The least number that fp16 rounds to infinity."""
LEAST_NORMAL = 2.0**-14
"""The least number that fp16 holds with all its bits."""
VANISHING = 2.0**-25
"""The greatest number that fp16 rounds to 0."""
_MANY = 0.1  # share of small elements from which on it is worth a word: tails of softmax and gelu always have some
_SOURCE = "IEEE 754-2019, binary16"


@attrs.frozen
class HalfRange:
    """How a value fits fp16.

    Attributes:
        not_finite: how many elements are infinite or NaN.
        absmax: the greatest magnitude of the others.
        over: the share of these that fp16 rounds to infinity; None where there is no histogram.
        subnormal: the share of elements other than 0 that are below fp16's normal numbers, likewise.
        vanishing: the share of elements other than 0 that fp16 rounds to 0, likewise.
    """

    not_finite: int
    absmax: float
    over: float | None = None
    subnormal: float | None = None
    vanishing: float | None = None

    @classmethod
    def of(cls, tensor: TensorStatistics) -> HalfRange:
        """How a value fits, from its statistics."""
        if tensor.histogram is None:
            return cls(tensor.not_finite, tensor.absmax)
        magnitudes = tensor.histogram.magnitudes()
        kept = magnitudes.indices > 0
        others = GridHistogram(magnitudes.indices[kept], magnitudes.counts[kept])
        over = 1 - magnitudes.share_below(OVERFLOW) if tensor.absmax >= OVERFLOW else 0.0  # a bin holds both
        shares = (over, *map(others.share_below, (LEAST_NORMAL, VANISHING)))
        return cls(tensor.not_finite, tensor.absmax, *shares)


@attrs.frozen
class _Finding:
    """What is wrong with a value; the less the rank, the worse."""

    rank: int
    kind: RemarkKind
    code: str
    message: str
    suggestion: str


def audit(program: Any, statistics: CalibrationStatistics) -> list[Remark]:
    """A remark for each op whose values do not fit fp16, about the value that fits worst.

    The statistics are to be those of a run in fp32. Values of fp32 are judged as if they were to become fp16.

    Args:
        program: what the statistics are of.
        statistics: ranges tell of overflow alone; histograms also of what is lost below.
    """
    return [
        remark
        for name, function in program.functions.items()
        if name in statistics.functions
        for remark in _audited(name, function, statistics)
    ]


def _audited(name: str, function: Any, statistics: CalibrationStatistics) -> Iterator[Remark]:
    for producer, op_type, values in _producers(function):
        tensors = (statistics.tensor(name, value) for value in values)
        judged = ((tensor, HalfRange.of(tensor)) for tensor in tensors if tensor is not None)
        found = [(finding, tensor, fit) for tensor, fit in judged for finding in _findings(tensor, fit)]
        if found:
            yield _remark((name, producer, op_type), *min(found, key=lambda each: each[0].rank))


def _producers(function: Any) -> Iterator[tuple[str, str, list[str]]]:
    """The name, the type and the values of each op, and of each input of a block."""
    for block in blocks_of(function):
        inputs = block.inputs.values() if isinstance(block.inputs, dict) else block.inputs
        yield from ((var.name, "input", [var.name]) for var in inputs)
        yield from ((each.name, each.op_type, [var.name for var in each.outputs]) for each in block.operations)


def _findings(tensor: TensorStatistics, fit: HalfRange) -> Iterator[_Finding]:
    """What is wrong with a value, the worst first."""
    if fit.absmax >= OVERFLOW:
        yield _Finding(0, "missed", "fp16-overflow", _overflow_message(tensor, fit), "keep the op in fp32, or scale")
    if fit.not_finite:
        message = f"{fit.not_finite} of {tensor.elements} elements are infinite or NaN"
        yield _Finding(1, "missed", "not-finite", message, "use a large number such as -40000 for infinities in masks")
    if 0 < fit.absmax < LEAST_NORMAL:
        message = f"all elements are below fp16's normal numbers: the greatest magnitude is {fit.absmax:.3g}"
        yield _Finding(2, "missed", "fp16-underflow", message, "keep the op in fp32, or scale")
    elif fit.subnormal is not None and fit.subnormal >= _MANY:
        message = (
            f"{_percent(fit.subnormal)} of the elements other than 0 are below fp16's normal numbers, "
            f"{_percent(fit.vanishing)} become 0"
        )
        yield _Finding(3, "analysis", "fp16-small", message, "keep the op in fp32 if small elements matter")


def _overflow_message(tensor: TensorStatistics, fit: HalfRange) -> str:
    share = "" if fit.over is None else f": {_percent(fit.over)} of the elements are at least {OVERFLOW:g}"
    return f"it reaches from {tensor.minimum:.6g} to {tensor.maximum:.6g}, and fp16 ends at {GREATEST:g}{share}"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.3g} %"


def _remark(subject: tuple[str, str, str], finding: _Finding, tensor: TensorStatistics, fit: HalfRange) -> Remark:
    function, op, op_type = subject
    return Remark(
        kind=finding.kind,
        pass_name="fp16-audit",  # noqa: S106 - no secret
        function=function,
        op=op,
        op_type=op_type,
        code=finding.code,
        message=finding.message,
        suggestion=finding.suggestion,
        source=_SOURCE if finding.code.startswith("fp16") else None,
        data={"value": tensor.name, "dtype": tensor.dtype, **attrs.asdict(fit)},
    )

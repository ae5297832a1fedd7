"""Which weights to quantize, decided before anything changes: one decision for each constant, with its reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs
import numpy as np

from ...ir.weights.files import release_pages
from ..numerics import channel_peaks
from .refusal import Refusal
from .weight_inventory import Constant

Granularity = Literal["per-channel", "per-tensor"]


@attrs.frozen(eq=False)
class Decision:
    """What to do with one constant.

    Attributes:
        constant: which one.
        axis: the channel axis to quantize along; None per tensor.
        peaks: the greatest magnitude of each channel; None when it was refused unread.
        refusal: why not, or None to quantize.
    """

    constant: Constant
    axis: int | None = None
    peaks: np.ndarray | None = None
    refusal: Refusal | None = None


def plan_weights(constants: Iterable[Constant], *, granularity: Granularity, min_elements: int) -> tuple[Decision, ...]:
    """One decision for each constant, in order.

    Args:
        constants: those of a `WeightInventory`.
        granularity: one scale for each output channel, or one for each tensor.
        min_elements: constants of at most this many elements stay.
    """
    return tuple(_decide(constant, granularity, min_elements) for constant in constants)


def _decide(constant: Constant, granularity: Granularity, min_elements: int) -> Decision:
    refusal = _refusal(constant, min_elements)
    if refusal is None and granularity == "per-channel" and len(constant.channel_axes) > 1:
        refusal = _conflict(constant)
    if refusal is not None:
        return Decision(constant, refusal=refusal)
    axis = constant.channel_axes[0] if granularity == "per-channel" else None
    refusal = _no_gain(constant, axis)
    if refusal is not None:
        return Decision(constant, refusal=refusal)
    peaks = _peaks(constant.value, axis)
    if not np.isfinite(peaks).all():
        refusal = Refusal(
            "missed",
            "non-finite",
            "it holds infinities or NaN, which no scale can encode",
            "replace infinities by a large number such as -40000 in masks",
            "coremltools 9.0 _quantization_passes.py:1393",
        )
    return Decision(constant, axis, peaks, refusal)


def _no_gain(constant: Constant, axis: int | None) -> Refusal | None:
    """A scale and a zero point for each channel may take more than the codes save."""
    value = constant.value
    channels = 1 if axis is None else value.shape[axis]
    after = value.size + channels * (value.itemsize + 1)
    if after < value.nbytes:
        return None
    message = f"it takes {value.nbytes} bytes and would take {after} with a scale for each channel"
    return Refusal("analysis", "no-gain", message, "use granularity=per-tensor")


def _peaks(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """Reads a weight, and lets go of its pages: a plan must not bring the whole model into memory."""
    try:
        return channel_peaks(weight, axis)
    finally:
        release_pages(weight)


def _refusal(constant: Constant, min_elements: int) -> Refusal | None:
    """Everything that can be told without reading the weight; the first reason that holds."""
    if constant.compressed_by is not None:
        return Refusal("analysis", "compressed", f"it is part of {constant.compressed_by}: compressed already")
    if not constant.is_float:
        return Refusal("analysis", "not-float", f"it is {constant.value.dtype}, not a float")
    if constant.value.ndim <= 1:
        return Refusal(
            "analysis",
            "rank",
            "tensors of rank 1 stay: biases, norms and tables",
            source="coremltools 9.0 _quantization_passes.py:150",
        )
    if constant.value.size <= min_elements:
        return Refusal(
            "analysis",
            "small",
            f"it has {constant.value.size} elements, not more than {min_elements}",
            "lower min-elements",
            "coremltools 9.0 _config.py weight_threshold",
        )
    return _unfit_use(constant)


def _unfit_use(constant: Constant) -> Refusal | None:
    if constant.is_output:
        return Refusal("missed", "output", "a block returns it as it is")
    if not constant.uses:
        return Refusal("missed", "unused", "no op uses it", "remove it with common::dead_code_elimination")
    use = constant.foreign_use
    if use is None:
        return None
    return Refusal(
        "missed",
        "not-a-weight",
        f"it is input {use.parameter!r} of {use.op.op_type} {use.op.name!r}, which "
        "is not known to decode compressed weights",
        "fold it first with common::const_elimination"
        if len(constant.uses) == 1
        else "give that op a constant of its own",
    )


def _conflict(constant: Constant) -> Refusal:
    wants = ", ".join(f"{use.op.op_type} {use.op.name!r} axis {use.channel_axis}" for use in constant.uses)
    return Refusal(
        "missed",
        "axis-conflict",
        f"its users want different channel axes: {wants}",
        "use granularity=per-tensor, or give each user a constant of its own",
    )

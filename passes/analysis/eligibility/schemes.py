"""The quantization schemes that ops are judged by, as one table."""

from __future__ import annotations

from typing import Literal

import attrs

from ....ir.targets import IOS16, IOS17, IOS18, Opset

BLOCK_SIZE = 32  # elements of a block; coremltools docs-guides/source/opt-workflow.md searches 64, 32 and 16
LARGEST_LEFT_ALONE = 2048  # elements; the default of the pass quantize-weights
_OPS = "coremltools 9.0 converters/mil/mil/ops/defs"


@attrs.frozen(kw_only=True)
class Scheme:
    """One scheme.

    Attributes:
        name: a short one, the title of its column.
        kind: what it quantizes.
        bits: of a code.
        summary: what it means.
        since: the first opset that can encode it.
        op: what encodes it.
        source: where that op is defined.
    """

    name: str
    kind: Literal["weight", "activation"]
    bits: int
    summary: str
    since: Opset
    op: str
    source: str


SCHEMES = (
    Scheme(
        name="w-int8",
        kind="weight",
        bits=8,
        summary="8-bit weights, one scale for each output channel",
        since=IOS16,
        op="constexpr_affine_dequantize",
        source=f"{_OPS}/iOS16/constexpr_ops.py",
    ),
    Scheme(
        name="w-int4",
        kind="weight",
        bits=4,
        summary="4-bit weights, one scale for each output channel",
        since=IOS18,
        op="constexpr_blockwise_shift_scale",
        source=f"{_OPS}/iOS18/compression.py",
    ),
    Scheme(
        name="w-per-block",
        kind="weight",
        bits=4,
        summary=f"4-bit weights, one scale for each {BLOCK_SIZE} elements of an output channel's input axis",
        since=IOS18,
        op="constexpr_blockwise_shift_scale",
        source=f"{_OPS}/iOS18/compression.py",
    ),
    Scheme(
        name="a-int8",
        kind="activation",
        bits=8,
        summary="8-bit activations, signed and symmetric, one scale for each tensor",
        since=IOS17,
        op="quantize",
        source=f"{_OPS}/iOS17/quantization_ops.py",
    ),
    Scheme(
        name="a-uint8",
        kind="activation",
        bits=8,
        summary="8-bit activations, unsigned with a zero point, one scale for each tensor",
        since=IOS17,
        op="quantize",
        source=f"{_OPS}/iOS17/quantization_ops.py",
    ),
)
WEIGHT_SCHEMES = tuple(scheme.name for scheme in SCHEMES if scheme.kind == "weight")
ACTIVATION_SCHEMES = tuple(scheme.name for scheme in SCHEMES if scheme.kind == "activation")

"""The compression schemes, what each needs of a deployment target, and what is known to go wrong with it."""

from __future__ import annotations

import attrs

from ..ir.errors import TargetError, did_you_mean
from ..ir.targets import IOS15, IOS16, IOS17, IOS18, Opset


@attrs.frozen
class Scheme:
    """A compression scheme.

    Attributes:
        name: what `--scheme` takes.
        summary: one line.
        since: the first opset that can encode it.
        reason: why earlier ones can not.
        advice: what has to be known before it is used; told with each result.
        needs_samples: whether it has to see data.
    """

    name: str
    summary: str
    since: Opset
    reason: str
    advice: str = ""
    needs_samples: bool = False


SCHEMES = (
    Scheme("none", "no compression; the opset is raised to the target", IOS15, ""),
    Scheme(
        "w8",
        "8-bit weights, one scale for each output channel",
        IOS16,
        "it has no op for compressed weights: constexpr_affine_dequantize came with iOS16",
    ),
    Scheme(
        "w8a8",
        "8-bit weights and activations, for models that run mostly on the Neural Engine; needs samples",
        IOS17,
        "it has no ops for quantized activations: quantize and dequantize came with iOS17",
        "quantized activations pay when the model runs fully or mostly on the Neural Engine, and make it slower on the "
        "CPU and often on the GPU (coremltools' guide, opt-quantization-perf.md); measure on the device, "
        "--scheme w8 is the safe choice",
        needs_samples=True,
    ),
)


@attrs.frozen
class Risk:
    """A known fault of the system that runs the model.

    Attributes:
        id: a short name.
        schemes: those it concerns.
        before: it concerns opsets before this one.
        dtype: it concerns codes of this type.
        mode: it concerns codes of this mode.
        text: what happens, and the way around it.
        source: who reports it.
    """

    id: str
    schemes: tuple[str, ...]
    before: Opset
    dtype: str
    mode: str
    text: str
    source: str


KNOWN_RISKS = (
    Risk(
        "ct2114",
        ("w8", "w8a8"),
        IOS18,
        "int8",
        "symmetric",
        "int8 weights with zero point 0 are reported to decode wrongly on GPU and Neural Engine below iOS18; "
        "if outputs are wrong there, use --dtype uint8 or target iOS18",
        "https://github.com/apple/coremltools/issues/2114, pull requests 2675 and 2677",
    ),
)


def scheme_named(name: str) -> Scheme:
    """The scheme with this name.

    Raises:
        TargetError: there is none.
    """
    for scheme in SCHEMES:
        if scheme.name == name:
            return scheme
    known = [scheme.name for scheme in SCHEMES]
    raise TargetError(f"unknown scheme {name!r}", hint=did_you_mean(name, known) or f"one of {', '.join(known)}")


def require_encodable(scheme: Scheme, target: Opset) -> None:
    """Raises `TargetError` when a target can not encode a scheme."""
    if target < scheme.since:
        raise TargetError(
            f"{target} can not encode the scheme {scheme.name!r}: {scheme.reason}",
            hint=f"choose the target {scheme.since} or later, or --scheme none",
        )

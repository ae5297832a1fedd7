"""The pipelines, in Python: which passes bring a program to a deployment target in a scheme."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.targets import Opset
from ..passes.base import Pass
from ..passes.pipeline import Pipeline, program_pipeline
from ..passes.transforms.quantize_weights import QuantizeWeights
from ..passes.transforms.raise_opset import RaiseOpset
from .schemes import require_encodable, scheme_named

_Builder = Callable[[Opset, QuantizeWeights], tuple[Pass, ...]]


def _none(target: Opset, weights: QuantizeWeights) -> tuple[Pass, ...]:  # noqa: ARG001 - the common form
    return (RaiseOpset(target=target.ios),)


def _w8(target: Opset, weights: QuantizeWeights) -> tuple[Pass, ...]:
    """The opset comes first: it decides the op that encodes a weight."""
    return (RaiseOpset(target=target.ios), weights)


_BUILDERS: dict[str, _Builder] = {"none": _none, "w8": _w8}


def pipeline_for(target: Opset, scheme: str = "w8", *, weights: QuantizeWeights | None = None) -> Pipeline:
    """The pipeline for a deployment target.

    Args:
        target: the opset that the result has.
        scheme: one of `SCHEMES`.
        weights: how weights are quantized, where the scheme leaves it open.

    Raises:
        TargetError: the scheme is unknown, or the target can not encode it.
    """
    found = scheme_named(scheme)
    require_encodable(found, target)
    return program_pipeline(*_BUILDERS[found.name](target, weights or QuantizeWeights()))

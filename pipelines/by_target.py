"""The pipelines, in Python: which passes bring a program to a deployment target in a scheme."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.targets import Opset
from ..passes.pipeline import Member, Pipeline, program_pipeline
from ..passes.transforms.canonicalize import Canonicalize
from ..passes.transforms.raise_opset import RaiseOpset
from .open_options import ConfiguredPasses
from .schemes import require_encodable, scheme_named

_Builder = Callable[[Opset, ConfiguredPasses], tuple[Member, ...]]


def _none(target: Opset, passes: ConfiguredPasses) -> tuple[Member, ...]:  # noqa: ARG001 - the common form
    return (RaiseOpset(target=target.ios),)


def _w8(target: Opset, passes: ConfiguredPasses) -> tuple[Member, ...]:
    """The opset comes first: it decides the op that encodes a weight."""
    return (RaiseOpset(target=target.ios), passes.weight)


def _w8a8(target: Opset, passes: ConfiguredPasses) -> tuple[Member, ...]:
    """Activations come before weights, whose ops are found the easier the plainer they are.

    Canonicalization moves reshapes and transposes into the codes, where the Neural Engine keeps them.
    """
    return (
        RaiseOpset(target=target.ios),
        passes.activation,
        Pipeline("function", (Canonicalize(),)),
        passes.weight,
    )


_BUILDERS: dict[str, _Builder] = {"none": _none, "w8": _w8, "w8a8": _w8a8}


def pipeline_for(target: Opset, scheme: str = "w8", *, passes: ConfiguredPasses | None = None) -> Pipeline:
    """The pipeline for a deployment target.

    Args:
        target: the opset that the result has.
        scheme: one of `SCHEMES`.
        passes: those of its passes that have options; as they are by default without it.

    Raises:
        TargetError: the scheme is unknown, or the target can not encode it.
    """
    found = scheme_named(scheme)
    require_encodable(found, target)
    return program_pipeline(*_BUILDERS[found.name](target, passes or ConfiguredPasses()))

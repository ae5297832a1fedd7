"""Which activations are quantized, in groups that share a scale, with which range: decided before anything changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .selection import calibration_tensors as calibration_tensors

__all__ = ["calibration_tensors"]


def __getattr__(name: str) -> Any:
    """Imports what others ask for when it is first used: the tables beside it need no coremltools (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import selection

    return getattr(selection, name)

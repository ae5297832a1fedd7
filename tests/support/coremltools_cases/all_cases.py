"""All cases: importing this module registers them."""

from __future__ import annotations

from . import (
    activations,  # noqa: F401
    cleanup,  # noqa: F401
    convolutions,  # noqa: F401
    linear,  # noqa: F401
    normalization,  # noqa: F401
    quantization,  # noqa: F401
    states,  # noqa: F401
    tensors,  # noqa: F401
    transposes,  # noqa: F401
)
from .record import CASES, Kind, PassCase

__all__ = ["CASES", "Kind", "PassCase"]

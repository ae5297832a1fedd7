"""What a program computes: MIL lowers to ONNX and runs in ONNX Runtime, on any machine."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .coremltools_bridge import patch_coremltools as patch_coremltools
    from .registry import runnable_ops as runnable_ops
    from .session import Session as Session
    from .state import State as State

# coremltools and ONNX Runtime take seconds to import: nothing of them is imported before it is used (PEP 562).
_HOMES = {
    "Session": ".session",
    "State": ".state",
    "patch_coremltools": ".coremltools_bridge",
    "runnable_ops": ".registry",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of strings, made from the table above


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(__all__)

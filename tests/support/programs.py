"""Small PyMIL programs, one for each construct that milopt has to carry, by short name in `PROGRAMS`."""

from __future__ import annotations

from . import programs_compressed, programs_dense, programs_structured
from .program_registry import PROGRAMS, fp16, fp32, int32, integers, program, register, state, weights

__all__ = [
    "PROGRAMS",
    "fp16",
    "fp32",
    "int32",
    "integers",
    "program",
    "programs_compressed",
    "programs_dense",
    "programs_structured",
    "register",
    "state",
    "weights",
]

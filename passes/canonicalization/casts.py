"""Casts that change nothing, and casts through a type that holds everything that comes in.

What is kept is every value: fp16 -> fp32 -> fp16 goes, fp32 -> fp16 -> fp32 never does, and neither does
int32 -> fp32 -> int32, because fp32 holds whole numbers up to 2**24 only.
"""

from __future__ import annotations

from typing import Any

from ...ir.pymil import dtype_of
from ...ir.rewriting.rules import rule
from .matching import under

HOLD = {
    "bool": {"bool", "int8", "uint8", "int16", "uint16", "int32", "fp16", "fp32"},
    "int8": {"int8", "int16", "int32", "fp16", "fp32"},
    "uint8": {"uint8", "int16", "uint16", "int32", "fp16", "fp32"},
    "int16": {"int16", "int32", "fp32"},
    "uint16": {"uint16", "int32", "fp32"},
    "int32": {"int32"},
    "fp16": {"fp16", "fp32"},
    "fp32": {"fp32"},
}
"""The types that hold every value of a type."""


def _holds(x: Any, dtype: Any) -> bool:
    """Whether a type, named by a constant, holds every value of another value's type."""
    return str(dtype.val) in HOLD.get(dtype_of(x).name, ())


EXACT = (
    under(
        "d the type of x",
        rule("cast(x, d) -> x", name="cast-to-itself", benefit=2, where=lambda x, d: d.val == dtype_of(x).name),
    ),
    under(
        "d and e types that hold every x",
        rule(
            "cast(cast(x, d), e) -> cast(x, e)",
            name="merge-casts",
            where=lambda x, d, e: _holds(x, d) and _holds(x, e),
        ),
    ),
)

"""How the graph holds MIL's element types, and the two precisions of float math."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from ..ir.dtypes import DType
from ..ir.errors import OptionError

Precision: TypeAlias = Literal["float32", "float16"]
PRECISIONS: tuple[Precision, ...] = ("float32", "float16")


def check_precision(precision: str) -> None:
    """Refuses what is no precision.

    Raises:
        OptionError: it is neither `float32` nor `float16`.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"unknown precision {precision!r}", hint=f"one of {', '.join(PRECISIONS)}")


def graph_dtype(dtype: DType) -> np.dtype[Any]:
    """The type in which the graph holds values of a MIL type.

    fp16 is held in fp32, rounded where the precision asks for it; sub-byte integers are held in bytes.
    """
    return np.dtype("float32") if dtype.name == "fp16" else np.dtype(dtype.numpy)

"""Small programs for comparisons of models, and samples that they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from milopt.passes.proving.comparing.records import Comparison, ValueComparison

from .program_registry import Input, build_program, fp32

_RANDOM = np.random.default_rng(5)
ROWS = [{"x": _RANDOM.standard_normal((10, 40)).astype(np.float32)} for _ in range(4)]
STEPS = [{"x": _RANDOM.standard_normal((1, 40)).astype(np.float32)} for _ in range(3)]
SMALL = fp32(2, 3)


def made(body: Callable[..., Any], x: Input = SMALL) -> Any:
    """A program of one input."""
    return build_program(body, IOS15 if x.dtype == "fp32" else IOS17, x=x)


def named(name: str, factor: float = 1.0, shape: Input = SMALL) -> Any:
    """A program that multiplies its input by a number, in an output of a name."""
    return made(lambda x: mb.mul(x=x, y=np.float32(factor), name=name), shape)


def output(found: Comparison, index: int = 0) -> ValueComparison:
    """One of the outputs that were compared."""
    return found.outputs[index]

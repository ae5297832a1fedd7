"""Small models to calibrate, and samples of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import Program, mb
from milopt.ir.targets import IOS17

from .program_registry import Input, build_program, weights

WIDTH = 8


def layers(x: Any) -> Any:
    """Two linear layers with a ReLU between."""
    hidden = mb.linear(x=x, weight=weights(20, WIDTH, dtype="float32"), name="hidden")
    return mb.linear(x=mb.relu(x=hidden, name="active"), weight=weights(5, 20, dtype="float32"), name="y")


def layered(rows: int | None = 1, dtype: str = "fp32") -> Program:
    """`layers` on rows of `WIDTH` numbers; None for any number of rows."""
    return build_program(layers if dtype == "fp32" else half_layers, IOS17, x=Input((rows, WIDTH), dtype))


def half_layers(x: Any) -> Any:
    """`layers` in fp16."""
    hidden = mb.linear(x=x, weight=weights(20, WIDTH), name="hidden")
    return mb.linear(x=mb.relu(x=hidden, name="active"), weight=weights(5, 20), name="y")


def samples(count: int, *, seed: int = 0, rows: int = 1) -> list[dict[str, np.ndarray]]:
    """Normal random rows for `layered`."""
    generator = np.random.default_rng(seed)
    return [{"x": generator.standard_normal((rows, WIDTH), dtype=np.float32)} for _ in range(count)]

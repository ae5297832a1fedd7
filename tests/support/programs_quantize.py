"""Weights that a quantizer looks at twice: one of extreme numbers, and one for each reason to leave a weight alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17, IOS18

from .program_registry import fp16, program, weights

# Peaks 127/64, 0 and 65504 (fp16's greatest): scales 1/64, 1 (a channel of zeros), and 516, the nearest to 65504/127.
TINY = np.array([[1.984375, -0.5, 0.0078125, 0.0234375], [0, 0, 0, 0], [65504, -65504, 258, 774]], np.float16)


@program(IOS18, x=fp16(2, 4))
def tiny_linear(x: Any) -> Any:
    """Three channels of four weights: small ones, zeros, and the greatest numbers of fp16."""
    return mb.linear(x=x, weight=TINY, bias=np.zeros(3, np.float16), name="y")


@program(IOS17, x=fp16(10, 64))
def axis_conflict(x: Any) -> Any:
    """A weight whose users want scales along different axes."""
    weight = mb.const(val=weights(64, 64), name="w")
    return mb.add(x=mb.linear(x=x, weight=weight), y=mb.matmul(x=x, y=weight), name="y")


@program(IOS17, x=fp16(64, 40))
def added_constant(x: Any) -> Any:
    """A large constant that is no weight, such as an embedding of positions."""
    return mb.add(x=x, y=mb.const(val=weights(64, 40), name="w"), name="y")


@program(IOS17, x=fp16(10, 40))
def returned_weight(x: Any) -> Any:
    """A weight that the function returns as well."""
    weight = mb.const(val=weights(64, 40), name="w")
    return mb.linear(x=x, weight=weight, name="y"), weight


@program(IOS17, x=fp16(10, 40))
def unused_weight(x: Any) -> Any:
    """A large constant without any use."""
    mb.const(val=weights(64, 40), name="w")
    return mb.relu(x=x, name="y")


@program(IOS17, x=fp16(10, 40))
def infinite_weight(x: Any) -> Any:
    """A weight that holds an infinity."""
    weight = weights(64, 40)
    weight[3, 4] = np.inf
    return mb.linear(x=x, weight=weight, name="y")


@program(IOS17, x=fp16(10, 1))
def thin_weight(x: Any) -> Any:
    """A weight whose channels have one element each."""
    return mb.linear(x=x, weight=mb.const(val=weights(4000, 1), name="w"), name="y")

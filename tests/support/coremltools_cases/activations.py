"""Cases of passes that find activations in arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb

from ..program_registry import fp32, int32
from .record import case, constants, raises, scalar, wrong_shape

_LEFTOVER = "it deletes the multiplication by 0.5 although another op uses it"


def _erf_part(x: Any) -> Any:
    return mb.add(x=mb.erf(x=mb.real_div(x=x, y=scalar(2**0.5))), y=scalar(1))


@case("fuse_gelu_exact", x=fp32(3, 5))
def gelu_exact(x: Any) -> Any:
    return mb.mul(x=mb.mul(x=_erf_part(x), y=scalar(0.5)), y=x)


@case("fuse_gelu_exact", x=fp32(3, 5), fails=raises(_LEFTOVER))
def gelu_exact_half_used_twice(x: Any) -> Any:
    half = mb.mul(x=x, y=scalar(0.5))
    return mb.mul(x=_erf_part(x), y=half), mb.sin(x=half)


@case("fuse_gelu_tanh_approximation", x=fp32(3, 5, 2))
def gelu_tanh(x: Any) -> Any:
    cubed = mb.mul(x=scalar(0.044715), y=mb.pow(x=x, y=scalar(3)))
    curve = mb.tanh(x=mb.mul(x=scalar(0.79788), y=mb.add(x=x, y=cubed)))
    return mb.mul(x=mb.mul(x=scalar(0.5), y=mb.add(x=scalar(1), y=curve)), y=x)


@case("fuse_leaky_relu", x=fp32(3, 5))
def leaky_relu(x: Any) -> Any:
    return mb.maximum(x=mb.mul(x=x, y=scalar(0.3)), y=x)


@case(
    "fuse_leaky_relu", x=fp32(5), fails=wrong_shape("a slope of higher rank than the value raises the rank; it is lost")
)
def leaky_relu_slope_of_higher_rank(x: Any) -> Any:
    return mb.maximum(x=mb.mul(x=x, y=np.full((1, 1), 0.3, np.float32)), y=x)


@case("fuse_leaky_relu", x=int32(3, 5), fails=raises("integers: there is no `leaky_relu` for them"))
def leaky_relu_of_integers(x: Any) -> Any:
    return mb.maximum(x=mb.mul(x=x, y=0), y=x)


def _prelu(x: Any, slope: Any) -> Any:
    negative = mb.relu(x=mb.mul(x=x, y=scalar(-1)))
    return mb.add(x=mb.relu(x=x), y=mb.mul(x=negative, y=slope))


def _channels_last(x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, 2, 3, 1])


@case("fuse_prelu", x=fp32(2, 3, 4, 5))
def prelu(x: Any) -> Any:
    return _prelu(x, constants(3, 1, 1))


@case("fuse_prelu", x=fp32(2, 3, 4, 5), fails=raises("a slope of shape (1, 1, 1) for several channels"))
def prelu_one_slope(x: Any) -> Any:
    return _prelu(x, np.full((1, 1, 1), -0.3, np.float32))


@case("fuse_prelu", x=fp32(2, 3, 4, 5))
def prelu_channels_last(x: Any) -> Any:
    return _prelu(_channels_last(x), constants(3))


@case("fuse_prelu", x=fp32(2, 3, 4, 5), fails=raises("a slope without an axis, channels last"))
def prelu_channels_last_scalar(x: Any) -> Any:
    return _prelu(_channels_last(x), scalar(-0.3))


@case("fuse_prelu", x=fp32(2, 3, 4, 5), fails=raises("one slope for several channels, channels last"))
def prelu_channels_last_one_slope(x: Any) -> Any:
    return _prelu(_channels_last(x), np.array([-0.3], np.float32))


@case("prelu_to_lrelu", x=fp32(2, 3, 4, 5))
def prelu_of_equal_slopes(x: Any) -> Any:
    return mb.prelu(x=x, alpha=np.full(3, 0.2, np.float32))


@case("merge_consecutive_relus", x=fp32(2, 3, 4))
def relu_of_relu(x: Any) -> Any:
    return mb.relu(x=mb.relu(x=x))

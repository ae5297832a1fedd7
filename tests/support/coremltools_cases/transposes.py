"""Cases of `reduce_transposes`, which moves transposes through other ops until they cancel."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb

from ..program_registry import fp32
from .record import case, constants, raises

_POW = "`pow` counts as an op of one input: the exponent is not transposed"


def _last(x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, 2, 3, 1])


def _first(x: Any) -> Any:
    return mb.transpose(x=x, perm=[0, 3, 1, 2])


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_relu(x: Any) -> Any:
    return _first(mb.relu(x=_last(x)))


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_mean(x: Any) -> Any:
    last = _last(x)
    return mb.reduce_mean(x=last, axes=[1, -2], keep_dims=True), _first(mb.relu(x=last))


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_added_vector(x: Any) -> Any:
    return _first(mb.add(x=_last(x), y=constants(3)))


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_multiplied_matrix(x: Any) -> Any:
    return _first(mb.mul(x=_last(x), y=constants(5, 3)))


@case("reduce_transposes", x=fp32(2, 3, 4, 5), z=fp32(2, 4, 5, 3), changes=False)
def around_added_value(x: Any, z: Any) -> Any:
    return _first(mb.add(x=_last(x), y=z))


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_concat(x: Any) -> Any:
    last = _last(x)
    return _first(mb.concat(values=[last, mb.relu(x=last), np.full((2, 4, 5, 2), 0.7, np.float32)], axis=-1))


@case("reduce_transposes", x=fp32(2, 3, 4, 6))
def around_split(x: Any) -> Any:
    one, other = mb.split(x=_last(x), num_splits=2, axis=-2)
    return _first(one), _first(other)


@case("reduce_transposes", x=fp32(2, 3, 4, 5))
def around_pad(x: Any) -> Any:
    return _first(mb.pad(x=_last(x), pad=[1, 2, 0, 0], mode="reflect"))


@case("reduce_transposes", x=fp32(2, 3, 4, 5), fails=raises(f"{_POW} (a constant)"))
def around_power(x: Any) -> Any:
    return _first(mb.pow(x=_last(mb.abs(x=x)), y=constants(3)))


@case("reduce_transposes", x=fp32(2, 3, 4, 5), z=fp32(2, 4, 5, 3), fails=raises(f"{_POW} (a value)"))
def around_power_of_value(x: Any, z: Any) -> Any:
    return _first(mb.pow(x=_last(mb.abs(x=x)), y=z))


@case(
    "reduce_transposes", x=fp32(2, 3, 4, 5), fails=raises("`softplus_parametric`, whose parameters belong to an axis")
)
def around_parametric_softplus(x: Any) -> Any:
    return _first(mb.softplus_parametric(x=_last(x), alpha=constants(4), beta=constants(4)))


@case("reduce_transposes", x=fp32(2, 3, 4, 5), changes=False)
def around_several_outputs(x: Any) -> Any:
    last = _last(x)
    return last, _first(mb.sin(x=last)), mb.cos(x=last)

"""Cases of `fuse_layernorm_or_instancenorm`, which knows five spellings of normalization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from milopt.ir.pymil import mb

from ..program_registry import fp32
from .record import Failure, broken, case, constants, named, raises, scalar, wrong_numbers

_NORMALIZATION = "fuse_layernorm_or_instancenorm"
_WRONG_AXIS = "mean over {}, factors along {}: they are applied along the channels"


def _mean(x: Any, axes: list[int]) -> Any:
    return mb.reduce_mean(x=x, axes=axes, keep_dims=True)


def _factored(x: Any, axes: list[int], gamma: Any, beta: Any) -> Any:
    """`x * k + (beta - mean * k)`, with `k = gamma * rsqrt(variance + epsilon)`."""
    mean = _mean(x, axes)
    variance = _mean(mb.square(x=mb.sub(x=x, y=mean)), axes)
    factor = mb.mul(x=mb.rsqrt(x=mb.add(x=variance, y=scalar(1e-5))), y=gamma)
    scaled = mb.mul(x=x, y=factor)
    return mb.add(x=mb.sub(x=beta, y=mb.mul(x=mean, y=factor)), y=scaled)


def _divided(x: Any, axes: list[int], gamma: Any, beta: Any) -> Any:
    """`(x - mean) / sqrt(variance + epsilon) * gamma + beta`."""
    mean = _mean(x, axes)
    first, second = mb.sub(x=x, y=mean), mb.sub(x=x, y=mean)
    spread = mb.pow(x=mb.add(x=_mean(mb.square(x=first), axes), y=scalar(1e-5)), y=scalar(0.5))
    return mb.add(x=mb.mul(x=mb.real_div(x=second, y=spread), y=gamma), y=beta)


_SPELLINGS: dict[str, Callable[..., Any]] = {"factored": _factored, "divided": _divided}


@attrs.frozen
class _Variant:
    shape: tuple[int, ...]
    axes: list[int]
    factors: tuple[int, ...]
    changes: bool = True
    fails: Failure | None = None


_VARIANTS = {
    "over_last": _Variant((2, 3, 8), [-1], (8,)),
    "over_last_one_factor": _Variant((2, 3, 8), [-1], (1,), fails=raises("one factor for all elements")),
    "over_plane": _Variant((2, 3, 4, 5), [-2, -1], (1, 3, 1, 1)),
    "over_plane_all_factors": _Variant((2, 3, 4, 5), [-2, -1], (4, 5)),
    "over_plane_along_width": _Variant(
        (2, 3, 4, 5), [-2, -1], (1, 1, 1, 5), fails=broken(_WRONG_AXIS.format("height and width", "the width"))
    ),
    "over_plane_along_equal_width": _Variant(
        (2, 5, 4, 5), [-2, -1], (1, 1, 1, 5),
        fails=wrong_numbers(_WRONG_AXIS.format("height and width", "the width, as many as channels")),
    ),
    "over_plane_channels_last": _Variant((2, 3, 4, 5), [1, 2], (1, 1, 1, 5)),
    "over_plane_channels_last_along_height": _Variant(
        (2, 5, 4, 5), [1, 2], (1, 5, 1, 1),
        fails=wrong_numbers(_WRONG_AXIS.format("height and width (channels last)", "the height")),
    ),
    "over_channels": _Variant((2, 3, 4, 5), [1], (1, 3, 1, 1), changes=False),
    "over_channels_along_width": _Variant(
        (2, 5, 4, 5), [1], (5,), fails=wrong_numbers(_WRONG_AXIS.format("channels", "the width"))
    ),
}  # fmt: skip


def _add_variant(spelling: str, name: str) -> None:
    variant, formula = _VARIANTS[name], _SPELLINGS[spelling]

    def body(x: Any) -> Any:
        return formula(x, variant.axes, constants(*variant.factors, seed=1), constants(*variant.factors, seed=2))

    add = case(_NORMALIZATION, x=fp32(*variant.shape), changes=variant.changes, fails=variant.fails)
    add(named(body, f"{spelling}_{name}"))


for _spelling in _SPELLINGS:
    for _name in _VARIANTS:
        _add_variant(_spelling, _name)


# --- without factors


def _plain(x: Any, axes: list[int]) -> Any:
    mean = _mean(x, axes)
    factor = mb.rsqrt(x=mb.add(x=_mean(mb.square(x=mb.sub(x=x, y=mean)), axes), y=scalar(1e-5)))
    scaled, shift = mb.mul(x=x, y=factor), mb.mul(x=mean, y=factor)
    return mb.add(x=scaled, y=mb.mul(x=shift, y=scalar(-1)))


@case(_NORMALIZATION, x=fp32(2, 3, 4, 5))
def plain_over_plane(x: Any) -> Any:
    return _plain(x, [-2, -1])


@case(
    _NORMALIZATION,
    x=fp32(2, 3, 4, 5),
    fails=broken("without factors, channels last: as many factors as the height are made"),
)
def plain_over_plane_channels_last(x: Any) -> Any:
    return _plain(x, [1, 2])


@case(_NORMALIZATION, x=fp32(8), fails=raises("without factors, a vector"))
def plain_over_vector(x: Any) -> Any:
    return _plain(x, [-1])


# --- by sums


def _by_sums(x: Any, share: float) -> Any:
    x = mb.sin(x=x)
    squares = mb.mul(x=x, y=x)
    mean = mb.mul(x=mb.reduce_sum(x=x, axes=[-2, -1], keep_dims=True), y=scalar(share))
    square_of_mean = mb.mul(x=mean, y=mean)
    mean_of_squares = mb.mul(x=mb.reduce_sum(x=squares, axes=[-2, -1], keep_dims=True), y=scalar(share))
    spread = mb.add(x=mb.sub(x=mean_of_squares, y=square_of_mean), y=scalar(2))
    factor = mb.mul(x=mb.rsqrt(x=spread), y=constants(1, 3, 1, 1, seed=1))
    scaled = mb.mul(x=x, y=factor)
    return mb.add(x=scaled, y=mb.sub(x=constants(1, 3, 1, 1, seed=2), y=mb.mul(x=mean, y=factor)))


@case(_NORMALIZATION, x=fp32(2, 3, 4, 5))
def by_sums(x: Any) -> Any:
    return _by_sums(x, 1 / 20)


@case(_NORMALIZATION, x=fp32(2, 3, 4, 5), fails=wrong_numbers("sums times a number that is not 1/count count as means"))
def by_sums_of_other_share(x: Any) -> Any:
    return _by_sums(x, 1 / 7)


# --- over channels, by products


def _by_products(x: Any, *factors: int) -> Any:
    x = mb.sin(x=x)
    centred = mb.sub(x=x, y=_mean(x, [1]))
    spread = mb.add(x=_mean(mb.mul(x=centred, y=centred), [1]), y=scalar(1e-5))
    normal = mb.mul(x=centred, y=mb.rsqrt(x=spread))
    if not factors:
        return normal
    return mb.mul(x=mb.add(x=normal, y=constants(*factors, seed=2)), y=constants(*factors, seed=1))


@case(_NORMALIZATION, x=fp32(2, 3, 1, 5))
def by_products(x: Any) -> Any:
    return _by_products(x)


@case(_NORMALIZATION, x=fp32(2, 3, 1, 5))
def by_products_with_factors(x: Any) -> Any:
    return _by_products(x, 1, 3, 1, 1)


@case(_NORMALIZATION, x=fp32(2, 3, 4, 5), fails=raises(_WRONG_AXIS.format("channels (by products)", "the width")))
def by_products_along_width(x: Any) -> Any:
    return _by_products(x, 1, 1, 1, 5)


@case(_NORMALIZATION, x=fp32(2, 5, 4, 5),
      fails=wrong_numbers(_WRONG_AXIS.format("channels (by products)", "the width, as many as channels")))  # fmt: skip
def by_products_along_equal_width(x: Any) -> Any:
    return _by_products(x, 1, 1, 1, 5)

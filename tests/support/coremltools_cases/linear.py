"""Cases of passes that fold arithmetic into `linear` and `matmul`, and of those on single ops of arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16

from ..program_registry import fp16, fp32
from .record import case, constants, raises, scalar, wrong_numbers, wrong_shape

_RANK = "a constant of higher rank raises the rank; it is lost"


# --- fuse_linear_bias


def _linear(x: Any, outputs: int = 7) -> Any:
    return mb.linear(x=x, weight=constants(outputs, 5), bias=constants(outputs))


@case("fuse_linear_bias", x=fp32(3, 5))
def minus_linear(x: Any) -> Any:
    return mb.sub(x=constants(7, seed=3), y=_linear(x))


@case("fuse_linear_bias", x=fp32(3, 5), fails=raises("one output plus a number"))
def linear_of_one_output_plus_number(x: Any) -> Any:
    return mb.add(x=_linear(x, 1), y=scalar(0.3))


@case("fuse_linear_bias", x=fp32(3, 5), fails=wrong_shape(_RANK))
def linear_plus_higher_rank(x: Any) -> Any:
    return mb.add(x=_linear(x), y=constants(1, 1, 7))


# --- fuse_matmul_weight_bias


def _matmul(x: Any) -> Any:
    return mb.matmul(x=x, y=constants(5, 7))


@case("fuse_matmul_weight_bias", x=fp32(3, 5))
def matmul_plus(x: Any) -> Any:
    return mb.add(x=_matmul(x), y=constants(7))


@case("fuse_matmul_weight_bias", x=fp32(3, 5))
def matmul_minus(x: Any) -> Any:
    return mb.sub(x=_matmul(x), y=constants(7))


@case(
    "fuse_matmul_weight_bias",
    x=fp32(3, 5),
    fails=wrong_numbers("a constant minus a product: the product keeps its sign"),
)
def minus_matmul(x: Any) -> Any:
    return mb.sub(x=constants(7), y=_matmul(x))


@case("fuse_matmul_weight_bias", x=fp32(5, 5),
      fails=wrong_numbers("the weight comes first, all is square: the constant goes along the other axis"))  # fmt: skip
def weight_times_value(x: Any) -> Any:
    return mb.add(x=mb.matmul(x=constants(5, 5), y=x), y=constants(5))


@case("fuse_matmul_weight_bias", x=fp32(3, 5), fails=raises("the product is an output, too"))
def matmul_is_an_output(x: Any) -> Any:
    product = _matmul(x)
    return product, mb.add(x=product, y=constants(7))


@case("fuse_matmul_weight_bias", x=fp32(3, 5), fails=wrong_shape(_RANK))
def matmul_plus_higher_rank(x: Any) -> Any:
    return mb.add(x=_matmul(x), y=constants(1, 1, 7))


# --- fuse_transpose_matmul, expand_dynamic_linear


@case("fuse_transpose_matmul", x=fp32(2, 5, 3), z=fp32(2, 5, 7))
def transpose_then_matmul(x: Any, z: Any) -> Any:
    return mb.matmul(x=mb.transpose(x=x, perm=[0, 2, 1]), y=z)


@case("fuse_transpose_matmul", x=fp32(5, 2, 3), z=fp32(2, 3, 7), changes=False)
def other_transpose_then_matmul(x: Any, z: Any) -> Any:
    return mb.matmul(x=mb.transpose(x=x, perm=[1, 0, 2]), y=z)


@case("expand_dynamic_linear", IOS16, x=fp32(3, 5))
def linear_of_computed_weight(x: Any) -> Any:
    codes = np.arange(35, dtype=np.uint8).reshape(5, 7)
    weight = mb.constexpr_affine_dequantize(quantized_data=codes, zero_point=np.uint8(9), scale=scalar(0.02), axis=0)
    return mb.linear(x=x, weight=mb.transpose(x=weight, perm=[1, 0]), bias=constants(7))


@case("expand_dynamic_linear", IOS16, x=fp32(3, 5))
def linear_of_computed_bias(x: Any) -> Any:
    codes = np.arange(7, dtype=np.uint8)
    bias = mb.constexpr_affine_dequantize(quantized_data=codes, zero_point=np.uint8(3), scale=scalar(0.2), axis=0)
    return mb.linear(x=x, weight=constants(7, 5), bias=mb.exp(x=bias))


# --- divide_to_multiply, select_optimization


@case("divide_to_multiply", x=fp16(3, 5))
def divided_by_large_number(x: Any) -> Any:
    return mb.real_div(x=x, y=np.float16(40000))


@case("divide_to_multiply", x=fp32(3, 5), changes=False)
def divided_by_zero(x: Any) -> Any:
    return mb.real_div(x=x, y=np.array([1, 2, 0, 3, 4], np.float32))


@case("select_optimization", x=fp32(3, 4), z=fp32(3, 4))
def select_always(x: Any, z: Any) -> Any:
    return mb.select(cond=np.ones((3, 4), np.bool_), a=x, b=z)


@case("select_optimization", x=fp32(1, 4), z=fp32(1, 4), fails=wrong_shape("only the condition has all rows"))
def select_always_by_larger_condition(x: Any, z: Any) -> Any:
    return mb.select(cond=np.ones((3, 4), np.bool_), a=x, b=z)


@case("select_optimization", x=fp32(3, 4))
def select_infinity(x: Any) -> Any:
    return mb.select(cond=np.tri(3, 4).astype(np.bool_), a=x, b=scalar(-np.inf))


# --- rank0_expand_dims_swap


def _number(x: Any) -> Any:
    return mb.sub(x=scalar(2), y=mb.gather(x=x, indices=1, axis=0))


@case("rank0_expand_dims_swap", x=fp32(3))
def number_expanded(x: Any) -> Any:
    return mb.expand_dims(x=_number(x), axes=[0])


@case("rank0_expand_dims_swap", x=fp32(3))
def number_expanded_and_multiplied(x: Any) -> Any:
    number = _number(x)
    return mb.expand_dims(x=number, axes=[0]), mb.mul(x=x, y=number)


@case("rank0_expand_dims_swap", x=fp32(3), fails=raises("the number is an item of a `stack`, too"))
def number_expanded_and_stacked(x: Any) -> Any:
    number = _number(x)
    return mb.expand_dims(x=number, axes=[0]), mb.stack(values=[number, number], axis=0)

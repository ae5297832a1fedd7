"""Cases of passes on `quantize`, `dequantize` and compressed weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16, IOS17

from ..program_registry import fp32
from .record import case, constants, raises, scalar, wrong_numbers

_PAIR = {"x": fp32(3, 4), "z": fp32(3, 4)}


def _codes(x: Any, scale: float, zero_point: Any = None, dtype: str = "int8") -> Any:
    return mb.quantize(input=x, scale=scalar(scale), zero_point=zero_point, output_dtype=dtype)


def _values(codes: Any, scale: float, zero_point: Any = None) -> Any:
    return mb.dequantize(input=codes, scale=scalar(scale), zero_point=zero_point)


def _rounded(x: Any, scale: float, zero_point: Any = None, dtype: str = "int8") -> Any:
    return _values(_codes(x, scale, zero_point, dtype), scale, zero_point)


# --- int_op_canonicalization


@case("int_op_canonicalization", IOS17, x=fp32(3, 4))
def reshaped_between(x: Any) -> Any:
    return _rounded(mb.reshape(x=_rounded(x, 0.02), shape=[4, 3]), 0.02)


@case("int_op_canonicalization", IOS17, x=fp32(3, 4), fails=wrong_numbers("the scales in front and behind differ"))
def reshaped_between_scales(x: Any) -> Any:
    return _rounded(mb.reshape(x=_rounded(x, 0.02), shape=[4, 3]), 0.05)


@case("int_op_canonicalization", IOS17, x=fp32(3, 4), fails=raises("int8 in front, uint8 behind"))
def reshaped_between_types(x: Any) -> Any:
    return _rounded(mb.reshape(x=_rounded(x, 0.02), shape=[4, 3]), 0.02, np.uint8(128), "uint8")


# --- nullify_redundant_quantization_zero_point


@case("nullify_redundant_quantization_zero_point", IOS17, x=fp32(3, 4))
def zero_point_0(x: Any) -> Any:
    return _rounded(x, 0.02, np.int8(0))


@case("nullify_redundant_quantization_zero_point", IOS17, x=fp32(3, 4))
def zero_point_minus_128(x: Any) -> Any:
    return _rounded(x, 0.02, np.int8(-128))


@case("nullify_redundant_quantization_zero_point", IOS17, x=fp32(3, 4))
def zero_point_128(x: Any) -> Any:
    return _rounded(x, 0.02, np.uint8(128), "uint8")


# --- dequantize_quantize_pair_elimination


@case("dequantize_quantize_pair_elimination", IOS17, x=fp32(3, 4))
def rounded_twice(x: Any) -> Any:
    return _rounded(_rounded(x, 0.02), 0.02)


@case("dequantize_quantize_pair_elimination", IOS17, x=fp32(3, 4))
def rounded_to_two_scales(x: Any) -> Any:
    values = _rounded(x, 0.02)
    return _rounded(values, 0.02), _rounded(values, 0.5)


@case("dequantize_quantize_pair_elimination", IOS17, x=fp32(3, 4), fails=raises("uint8 in front, int8 behind"))
def rounded_to_two_types(x: Any) -> Any:
    return _values(_codes(_values(_codes(x, 0.02, dtype="uint8"), 0.02), 0.02), 0.02)


# --- distributive_quantized_binary_op_scale_normalization


@case("distributive_quantized_binary_op_scale_normalization", IOS17, **_PAIR)
def difference_of_rounded(x: Any, z: Any) -> Any:
    return _rounded(mb.sub(x=_rounded(x, 0.02), y=_rounded(z, 0.03, np.int8(5))), 0.05)


@case("distributive_quantized_binary_op_scale_normalization", IOS17, **_PAIR)
def relu_of_sum_of_rounded(x: Any, z: Any) -> Any:
    return _rounded(mb.relu(x=mb.add(x=_rounded(x, 0.02), y=_rounded(z, 0.03))), 0.05)


@case("distributive_quantized_binary_op_scale_normalization", IOS17, **_PAIR)
def sum_of_rounded_used_elsewhere(x: Any, z: Any) -> Any:
    second = _rounded(z, 0.03)
    return _rounded(mb.add(x=_rounded(x, 0.02), y=second), 0.05), mb.sin(x=second)


@case("distributive_quantized_binary_op_scale_normalization", IOS17, x=fp32(3, 4))
def rounded_plus_itself(x: Any) -> Any:
    values = _rounded(x, 0.02)
    return _rounded(mb.add(x=values, y=values), 0.05)


# --- dequantize_to_constexpr, merge_affine_dequantize_with_consecutive_ops


@case("dequantize_to_constexpr", IOS17, x=fp32(3, 4))
def dequantized_constant(x: Any) -> Any:
    codes = np.arange(12, dtype=np.int8).reshape(3, 4)
    return mb.add(x=x, y=mb.dequantize(input=codes, scale=constants(3), axis=0))


def _weight(scale: Any) -> Any:
    codes = np.arange(12, dtype=np.uint8).reshape(3, 4)
    return mb.constexpr_affine_dequantize(quantized_data=codes, zero_point=np.uint8(9), scale=scale, axis=0)


@case("merge_affine_dequantize_with_consecutive_ops", IOS16, x=fp32(4, 3))
def compressed_then_transposed(x: Any) -> Any:
    return mb.add(x=x, y=mb.transpose(x=_weight(np.abs(constants(3))), perm=[1, 0]))


@case("merge_affine_dequantize_with_consecutive_ops", IOS16, x=fp32(4, 3),
      fails=raises("a scale for each channel, then `transpose` with axes that are counted from the end"))  # fmt: skip
def compressed_then_transposed_from_the_end(x: Any) -> Any:
    return mb.add(x=x, y=mb.transpose(x=_weight(np.abs(constants(3))), perm=[-1, -2]))


@case("merge_affine_dequantize_with_consecutive_ops", IOS16, x=fp32(4, 3))
def compressed_then_reshaped_and_transposed(x: Any) -> Any:
    return mb.add(x=x, y=mb.transpose(x=mb.reshape(x=_weight(scalar(0.3)), shape=[3, 4]), perm=[1, 0]))

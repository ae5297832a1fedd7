"""Programs whose weights are compressed, in each encoding of iOS 16 and iOS 18, and quantized activations."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb, types
from milopt.ir.targets import IOS16, IOS17, IOS18

from .program_registry import fp16, integers, program, weights

# --- compressed weights


@program(IOS16, x=fp16(10, 40))
def affine_int8(x: Any) -> Any:
    """Signed bytes with a scale and a zero point for each output channel."""
    weight = mb.constexpr_affine_dequantize(
        quantized_data=integers("int8", 64, 40), zero_point=integers("int8", 64), axis=0,
        scale=np.abs(weights(64)) + np.float16(0.01), name="weight",
    )  # fmt: skip
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS16, x=fp16(10, 40))
def affine_uint8(x: Any) -> Any:
    """Unsigned bytes with one scale and one zero point."""
    weight = mb.constexpr_affine_dequantize(
        quantized_data=integers("uint8", 64, 40), zero_point=np.uint8(127), axis=0, scale=np.float16(0.01),
        name="weight",
    )  # fmt: skip
    return mb.linear(x=x, weight=weight, name="linear")


def lut_ios16(x: Any, bits: int, shape: tuple[int, ...] = (64, 40)) -> Any:
    """A linear layer whose weight is packed indices into one table."""
    elements = int(np.prod(shape))
    weight = mb.constexpr_lut_to_dense(
        indices=integers("uint8", -(-elements * bits // 8), seed=bits), lut=weights(1 << bits),
        shape=np.array(shape, np.uint32), name="weight",
    )  # fmt: skip
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS16, x=fp16(10, 40))
def lut_1_bit_ios16(x: Any) -> Any:
    """Indices of 1 bit."""
    return lut_ios16(x, 1)


@program(IOS16, x=fp16(10, 43))
def lut_2_bits_ios16(x: Any) -> Any:
    """Indices of 2 bits that do not fill their last byte."""
    return lut_ios16(x, 2, (61, 43))


@program(IOS16, x=fp16(10, 40))
def lut_4_bits_ios16(x: Any) -> Any:
    """Indices of 4 bits."""
    return lut_ios16(x, 4)


@program(IOS16, x=fp16(10, 43))
def lut_6_bits_ios16(x: Any) -> Any:
    """Indices of 6 bits that do not fill their last byte."""
    return lut_ios16(x, 6, (61, 43))


@program(IOS16, x=fp16(10, 40))
def lut_8_bits_ios16(x: Any) -> Any:
    """Indices of whole bytes."""
    return lut_ios16(x, 8)


@program(IOS16, x=fp16(10, 43))
def sparse_ios16(x: Any) -> Any:
    """Packed mask bits, the last byte not full, and the values where they are set."""
    mask = np.random.default_rng(7).random((61, 43)) < 0.25
    weight = mb.constexpr_sparse_to_dense(
        nonzero_data=weights(int(mask.sum())), mask=np.packbits(mask.reshape(-1), bitorder="little"),
        shape=np.array(mask.shape, np.uint32), name="weight",
    )  # fmt: skip
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS17, x=fp16(1, 12, 17, 23))
def quantized_activations(x: Any) -> Any:
    """A convolution between pairs of quantize and dequantize."""
    scale = np.float16(0.05)
    x = mb.quantize(input=x, scale=scale, output_dtype="int8", name="quantize_in")
    x = mb.dequantize(input=x, scale=scale, name="dequantize_in")
    x = mb.conv(x=x, weight=weights(20, 12, 3, 3), name="conv")
    x = mb.quantize(input=x, scale=scale, output_dtype="int8", name="quantize_out")
    return mb.dequantize(input=x, scale=scale, name="dequantize_out")


@program(IOS18, x=fp16(10, 64))
def blockwise_int4(x: Any) -> Any:
    """Signed 4-bit numbers with a scale for each block of 32 on the input axis."""
    weight = mb.constexpr_blockwise_shift_scale(
        data=integers("int4", 40, 64), scale=np.abs(weights(40, 2)) + np.float16(0.01), name="weight"
    )
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 40))
def blockwise_uint4(x: Any) -> Any:
    """Unsigned 4-bit numbers with a scale and an offset for each output channel."""
    weight = mb.constexpr_blockwise_shift_scale(
        data=integers("uint4", 64, 40), scale=np.abs(weights(64, 1)) + np.float16(0.01),
        offset=integers("uint4", 64, 1), name="weight",
    )  # fmt: skip
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 33))
def blockwise_small(x: Any) -> Any:
    """Offsets too few for a weight file, and data whose last byte is not full."""
    weight = mb.constexpr_blockwise_shift_scale(
        data=integers("uint4", 5, 33), scale=np.abs(weights(5, 3)), offset=integers("uint4", 5, 3),
        name="weight",
    )  # fmt: skip
    y = mb.constexpr_blockwise_shift_scale(
        data=integers("int4", 3, 33), scale=np.abs(weights(3, 1)), offset=integers("int4", 3, 1), name="other"
    )
    return mb.linear(x=x, weight=weight, name="linear"), mb.linear(x=x, weight=y, name="second")


@program(IOS18, x=fp16(10, 40))
def blockwise_int8(x: Any) -> Any:
    """Signed bytes with a scale for each output channel."""
    weight = mb.constexpr_blockwise_shift_scale(
        data=integers("int8", 64, 40), scale=np.abs(weights(64, 1)) + np.float16(0.01), name="weight"
    )
    return mb.linear(x=x, weight=weight, name="linear")


def lut_ios18(x: Any, bits: int, groups: int = 1, width: int = 40) -> Any:
    """A linear layer whose weight is indices into a table for each group of output channels."""
    weight = mb.constexpr_lut_to_dense(
        indices=integers(f"uint{bits}", 66, width, seed=bits),
        lut=weights(groups, 1, 1 << bits, 1),
        name="weight",
    )
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 41))
def lut_1_bit(x: Any) -> Any:
    """Indices of 1 bit that do not fill their last byte."""
    return lut_ios18(x, 1, width=41)


@program(IOS18, x=fp16(10, 41))
def lut_2_bits(x: Any) -> Any:
    """Indices of 2 bits that do not fill their last byte, a table for each three channels."""
    return lut_ios18(x, 2, groups=22, width=41)


@program(IOS18, x=fp16(10, 41))
def lut_3_bits(x: Any) -> Any:
    """Indices of 3 bits that do not fill their last byte."""
    return lut_ios18(x, 3, width=41)


@program(IOS18, x=fp16(10, 40))
def lut_4_bits(x: Any) -> Any:
    """Indices of 4 bits, a table for each eleven channels."""
    return lut_ios18(x, 4, groups=6)


@program(IOS18, x=fp16(10, 41))
def lut_6_bits(x: Any) -> Any:
    """Indices of 6 bits that do not fill their last byte."""
    return lut_ios18(x, 6, width=41)


@program(IOS18, x=fp16(10, 40))
def lut_8_bits(x: Any) -> Any:
    """Indices of whole bytes."""
    return lut_ios18(x, 8)


@program(IOS18, x=fp16(10, 41))
def sub_byte_types(x: Any) -> Any:
    """A weight of each type narrower than a byte, the last byte of most not full, and a dense one."""
    layers = [mb.linear(x=x, weight=weights(66, 41), name="dense")]
    for bits in (1, 2, 3, 4, 6):
        weight = mb.constexpr_lut_to_dense(
            indices=integers(f"uint{bits}", 61 + bits, 41),
            lut=weights(1, 1, 1 << bits, 1),
            name=f"weight_{bits}",
        )
        layers.append(mb.linear(x=x, weight=weight, name=f"linear_{bits}"))
    weight = mb.constexpr_blockwise_shift_scale(
        data=integers("int4", 61, 41), scale=np.abs(weights(61, 1)) + np.float16(0.01), name="weight_int4"
    )
    return (*layers, mb.linear(x=x, weight=weight, name="linear_int4"))


@program(IOS18, x=fp16(10, 80))
def lut_vectors(x: Any) -> Any:
    """Indices into a table of pairs that lie on the input axis."""
    weight = mb.constexpr_lut_to_dense(
        indices=integers("uint4", 64, 40), lut=weights(1, 1, 16, 2), vector_axis=1, name="weight"
    )
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 40))
def lut_of_int8(x: Any) -> Any:
    """Indices into a table of bytes, and a scale for what comes out of it."""
    table = integers("int8", 1, 1, 16, 1)
    bytes_ = mb.constexpr_lut_to_dense(indices=integers("uint4", 64, 40), lut=table, name="bytes")
    scale = np.abs(weights(64, 1)) + np.float16(0.01)
    weight = mb.constexpr_blockwise_shift_scale(data=bytes_, scale=scale, name="weight")
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 41))
def sparse(x: Any) -> Any:
    """A mask of single bits and the values where they are set."""
    mask = (np.random.default_rng(7).random((61, 41)) < 0.25).astype(types.np_uint1_dtype)
    weight = mb.constexpr_sparse_to_dense(nonzero_data=weights(int(mask.sum())), mask=mask, name="weight")
    return mb.linear(x=x, weight=weight, name="linear")


@program(IOS18, x=fp16(10, 41))
def sparse_int4(x: Any) -> Any:
    """A mask, and values of 4 bits with scales of their own: two ops that hand two values on."""
    mask = (np.random.default_rng(7).random((61, 41)) < 0.25).astype(types.np_uint1_dtype)
    mask_out, values = mb.constexpr_sparse_blockwise_shift_scale(
        data_mask=mask, nonzero_data=integers("int4", int(mask.sum())), scale=np.abs(weights(61, 1)),
        offset=integers("int4", 61, 1), name="values",
    )  # fmt: skip
    weight = mb.constexpr_sparse_to_dense(nonzero_data=values, mask=mask_out, name="weight")
    return mb.linear(x=x, weight=weight, name="linear")

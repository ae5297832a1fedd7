"""Cases of passes that fold arithmetic into convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16

from ..program_registry import fp16, fp32
from .record import broken, case, constants, named, raises, scalar, wrong_numbers, wrong_shape

_GROUPS = "a transposed convolution in groups: channels get each other's factors"
_HIGH_KERNEL = "the kernel is higher than 1, and padding makes the result 1 high: `squeeze` of the kernel fails"


def _conv(x: Any, **more: Any) -> Any:
    return mb.conv(x=x, weight=constants(6, 4, 3, 3), **more)


# --- compose_conv1d


def _conv_1d(x: Any, kernel: tuple[int, ...], **more: Any) -> Any:
    return mb.squeeze(x=mb.conv(x=mb.expand_dims(x=x, axes=[2]), weight=constants(*kernel), **more), axes=[2])


def _conv_1d_channels_last(x: Any, kernel: tuple[int, ...], **more: Any) -> Any:
    first = mb.transpose(x=mb.expand_dims(x=x, axes=[1]), perm=[0, 3, 1, 2])
    last = mb.transpose(x=mb.conv(x=first, weight=constants(*kernel), **more), perm=[0, 2, 3, 1])
    return mb.squeeze(x=last, axes=[1])


@case("compose_conv1d", x=fp32(2, 3, 9))
def conv_1d(x: Any) -> Any:
    return _conv_1d(x, (4, 3, 1, 3), pad_type="valid")


@case("compose_conv1d", x=fp32(2, 3, 9))
def conv_1d_strides_dilations_groups(x: Any) -> Any:
    steps = {"strides": [2, 3], "dilations": [1, 2], "groups": 3}
    return _conv_1d(x, (6, 1, 1, 3), pad_type="custom", pad=[0, 0, 2, 1], **steps)


@case("compose_conv1d", x=fp32(2, 3, 9), fails=raises(_HIGH_KERNEL))
def conv_1d_high_kernel(x: Any) -> Any:
    return _conv_1d(x, (4, 3, 3, 3), pad_type="same")


@case("compose_conv1d", x=fp32(2, 9, 3))
def conv_1d_channels_last(x: Any) -> Any:
    return _conv_1d_channels_last(x, (4, 3, 1, 3), pad_type="valid", bias=constants(4))


@case("compose_conv1d", x=fp32(2, 9, 3), fails=raises(f"{_HIGH_KERNEL} (channels last)"))
def conv_1d_channels_last_high_kernel(x: Any) -> Any:
    return _conv_1d_channels_last(x, (4, 3, 3, 3), pad_type="same")


# --- fuse_conv_batchnorm, fuse_conv_scale


def _batch_norm(x: Any) -> Any:
    variance = np.abs(constants(6, seed=2)) + scalar(0.3)
    return mb.batch_norm(
        x=x, mean=constants(6, seed=1), variance=variance, gamma=constants(6, seed=3), beta=constants(6, seed=4)
    )


def _transposed(x: Any, groups: int) -> Any:
    kernel = constants(4, 6 // groups, 3, 3)
    return mb.conv_transpose(x=x, weight=kernel, groups=groups, bias=constants(6, seed=5))


@case("fuse_conv_batchnorm", x=fp32(1, 4, 5, 6))
def batch_norm_after_conv_in_groups(x: Any) -> Any:
    return _batch_norm(mb.conv(x=x, weight=constants(6, 2, 3, 3), groups=2))


@case("fuse_conv_batchnorm", x=fp32(1, 4, 5))
def batch_norm_after_conv_1d(x: Any) -> Any:
    return _batch_norm(mb.conv(x=x, weight=constants(6, 4, 3)))


@case("fuse_conv_batchnorm", x=fp32(1, 4, 5, 6))
def batch_norm_after_transposed(x: Any) -> Any:
    return _batch_norm(_transposed(x, 1))


@case("fuse_conv_batchnorm", x=fp32(1, 4, 5, 6), fails=wrong_numbers(_GROUPS))
def batch_norm_after_transposed_in_groups(x: Any) -> Any:
    return _batch_norm(_transposed(x, 2))


@case("fuse_conv_scale", x=fp32(1, 4, 5, 6))
def conv_divided(x: Any) -> Any:
    return mb.real_div(x=_conv(x), y=constants(6, 1, 1, seed=9))


@case(
    "fuse_conv_scale", x=fp32(1, 4, 5, 6), fails=wrong_numbers("a constant divided by a convolution becomes a product")
)
def divided_by_conv(x: Any) -> Any:
    return mb.real_div(x=scalar(2), y=_conv(x))


@case("fuse_conv_scale", x=fp32(1, 4, 5, 6))
def scaled_transposed(x: Any) -> Any:
    return mb.mul(x=_transposed(x, 1), y=constants(6, 1, 1, seed=9))


@case("fuse_conv_scale", x=fp32(1, 4, 5, 6), fails=wrong_numbers(_GROUPS))
def scaled_transposed_in_groups(x: Any) -> Any:
    return mb.mul(x=_transposed(x, 2), y=constants(6, 1, 1, seed=9))


@case("fuse_conv_scale", x=fp32(1, 4, 5, 6, 3), fails=raises("a transposed convolution over three axes"))
def scaled_transposed_3d(x: Any) -> Any:
    return mb.mul(x=mb.conv_transpose(x=x, weight=constants(4, 6, 3, 3, 3)), y=constants(6, 1, 1, 1, seed=9))


@case("add_conv_transpose_output_shape", x=fp32(1, 4, 5, 6))
def transposed_same(x: Any) -> Any:
    return mb.conv_transpose(x=x, weight=constants(4, 6, 3, 3), strides=[2, 2], pad_type="same")


# --- fuse_conv_bias


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6))
def conv_plus(x: Any) -> Any:
    return mb.add(x=_conv(x), y=constants(6, 1, 1, seed=9))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6))
def conv_minus(x: Any) -> Any:
    return mb.sub(x=_conv(x), y=constants(6, 1, 1, seed=9))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6), changes=False)
def minus_conv(x: Any) -> Any:
    return mb.sub(x=constants(6, 1, 1, seed=9), y=_conv(x))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6),
      fails=wrong_numbers("two convolutions minus one constant: it negates the array itself, each time"))  # fmt: skip
def two_convs_minus_one_constant(x: Any) -> Any:
    shared = mb.const(val=constants(6, 1, 1, seed=9))
    second = mb.conv(x=x, weight=constants(6, 4, 3, 3, seed=4))
    return mb.sub(x=_conv(x), y=shared), mb.sub(x=second, y=shared)


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6), z=fp32(1, 6, 1, 1))
def conv_minus_constant_used_elsewhere(x: Any, z: Any) -> Any:
    shared = mb.const(val=constants(6, 1, 1, seed=9))
    return mb.sub(x=_conv(x), y=shared), mb.mul(x=z, y=shared)


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6), fails=raises("one output channel plus a constant of several channels"))
def one_channel_plus_several(x: Any) -> Any:
    return mb.add(x=mb.conv(x=x, weight=constants(1, 4, 3, 3)), y=constants(1, 5, 1, 1, seed=9))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6), fails=wrong_shape("a constant of higher rank raises the rank; it is lost"))
def conv_plus_higher_rank(x: Any) -> Any:
    return mb.add(x=_conv(x), y=constants(1, 1, 6, 1, 1, seed=9))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6), fails=raises("a transposed convolution in groups plus a number"))
def transposed_in_groups_plus_number(x: Any) -> Any:
    return mb.add(x=mb.conv_transpose(x=x, weight=constants(4, 3, 3, 3), groups=2), y=scalar(0.7))


@case("fuse_conv_bias", x=fp32(1, 4, 5, 6))
def minus_conv_channels_last(x: Any) -> Any:
    last = mb.transpose(x=_conv(x, bias=constants(6, seed=8)), perm=[0, 2, 3, 1])
    return mb.sub(x=constants(6, seed=4), y=last)


@case("fuse_conv_bias", x=fp32(1, 4, 5, 8),
      fails=raises("`transpose`, and a constant along another axis, as long as there are channels"))  # fmt: skip
def transposed_conv_plus_other_axis(x: Any) -> Any:
    return mb.add(x=mb.transpose(x=_conv(x), perm=[0, 1, 2, 3]), y=constants(6, seed=4))


@case("fuse_conv_bias", IOS16, x=fp32(1, 4, 5, 6), fails=raises("compressed weights, then `transpose` and a constant"))
def compressed_conv_channels_last(x: Any) -> Any:
    codes = np.arange(216, dtype=np.uint8).reshape(6, 4, 3, 3)
    weight = mb.constexpr_affine_dequantize(quantized_data=codes, zero_point=np.uint8(9), scale=scalar(0.02), axis=0)
    return mb.add(x=mb.transpose(x=mb.conv(x=x, weight=weight), perm=[0, 2, 3, 1]), y=constants(6, seed=4))


# --- fuse_pad_conv, fuse_dilated_conv


def _padded(x: Any, pad: list[int], kernel: tuple[int, ...]) -> Any:
    padded = mb.pad(x=x, pad=pad, mode="constant", constant_val=scalar(0.5))
    return mb.conv(x=mb.transpose(x=padded, perm=[0, 3, 1, 2]), weight=constants(*kernel))


@case("fuse_pad_conv", x=fp32(1, 5, 6, 4))
def pad_then_conv(x: Any) -> Any:
    return _padded(x, [0, 0, 1, 2, 2, 1, 0, 0], (6, 4, 3, 3))


@case("fuse_pad_conv", x=fp32(1, 5, 6, 4), fails=raises("padded channels, only the last two axes being written down"))
def padded_channels_then_conv(x: Any) -> Any:
    return _padded(x, [0, 0, 1, 1], (6, 6, 3, 3))


_DILATIONS = {
    "dilated_valid": ([[0, 0], [0, 0]], [[0, 0], [0, 0]], {"pad_type": "valid"}, None),
    "dilated_same": ([[2, 2], [2, 2]], [[0, 0], [0, 0]], {"pad_type": "valid"}, None),
    "dilated_cropped": ([[0, 0], [0, 0]], [[1, 1], [1, 1]], {"pad_type": "valid"},
                        wrong_shape("`batch_to_space` crops, without padding in front")),
    "dilated_padded_inside": ([[0, 0], [0, 0]], [[0, 0], [0, 0]], {"pad_type": "custom", "pad": [1, 1, 1, 1]},
                              wrong_shape("the convolution in the middle pads by numbers")),
    "dilated_strided": ([[0, 0], [0, 0]], [[0, 0], [0, 0]], {"pad_type": "valid", "strides": [2, 2]},
                        wrong_shape("the convolution in the middle has strides")),
}  # fmt: skip


def _add_dilation(name: str) -> None:
    paddings, crops, more, fails = _DILATIONS[name]

    def body(x: Any) -> Any:
        inside = _conv(mb.space_to_batch(x=x, block_shape=[2, 2], paddings=paddings), **more)
        return mb.batch_to_space(x=inside, block_shape=[2, 2], crops=crops)

    case("fuse_dilated_conv", x=fp32(1, 4, 10, 10), fails=fails)(named(body, name))


for _name in _DILATIONS:
    _add_dilation(_name)


# --- fuse_elementwise_to_batchnorm


@case("fuse_elementwise_to_batchnorm", x=fp32(2, 3, 4, 5))
def scaled_and_shifted(x: Any) -> Any:
    return mb.relu(x=mb.add(x=mb.mul(x=x, y=constants(3, 1, 1)), y=constants(1, 3, 1, 1)))


@case(
    "fuse_elementwise_to_batchnorm", x=fp32(2, 3, 4, 5), fails=broken("one shift for all channels: `beta` has no axis")
)
def scaled_and_shifted_alike(x: Any) -> Any:
    return mb.relu(x=mb.add(x=mb.mul(x=x, y=constants(3, 1, 1)), y=constants(1, 1, 1)))


@case("fuse_elementwise_to_batchnorm", x=fp16(2, 3, 4, 5), fails=raises("half precision: mean and variance are single"))
def scaled_and_shifted_fp16(x: Any) -> Any:
    factor, term = constants(3, 1, 1), constants(1, 3, 1, 1)
    return mb.relu(x=mb.add(x=mb.mul(x=x, y=factor.astype(np.float16)), y=term.astype(np.float16)))


@case("fuse_elementwise_to_batchnorm", x=fp32(2, 1, 4, 5), fails=raises("a value of one channel, scaled to several"))
def one_channel_scaled_to_several(x: Any) -> Any:
    return mb.relu(x=mb.add(x=mb.mul(x=x, y=constants(3, 1, 1)), y=constants(3, 1, 1)))

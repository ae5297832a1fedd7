"""Small PyMIL programs, one for each construct that milopt has to carry, by short name in `PROGRAMS`.

Dimensions are unequal so that a swapped axis shows; names and weights are the same in every run. Weights that a
quantizer should take have more than 2048 elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from milopt.ir.pymil import (
    Program,
    available_target,
    builtin_type,
    get_new_symbol,
    mb,
    mil_list,
    types,
    unique_names,
)
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18, Opset

PROGRAMS: dict[str, Callable[[], Program]] = {}


class Input(NamedTuple):
    """A function's input; None stands for an unknown dimension."""

    shape: tuple[int | None, ...]
    dtype: str = "fp16"
    is_state: bool = False

    def placeholder(self) -> Any:
        """A new PyMIL placeholder."""
        shape = [get_new_symbol() if size is None else size for size in self.shape]
        make = mb.StateTensorSpec if self.is_state else mb.TensorSpec
        return make(shape, builtin_type(self.dtype))


def fp16(*shape: int | None) -> Input:
    """A half precision input."""
    return Input(shape)


def fp32(*shape: int | None) -> Input:
    """A single precision input."""
    return Input(shape, "fp32")


def int32(*shape: int | None) -> Input:
    """An input of integers."""
    return Input(shape, "int32")


def state(*shape: int) -> Input:
    """A state, half precision."""
    return Input(shape, is_state=True)


def register(build: Callable[[], Program]) -> Callable[[], Program]:
    """Puts a builder into `PROGRAMS` under its own name; its ops are named alike in every call."""

    def named() -> Program:
        with unique_names(()):
            return build()

    PROGRAMS[build.__name__] = named
    return named


def program(opset: Opset, **inputs: Input) -> Callable[[Callable[..., Any]], Callable[[], Program]]:
    """Registers a program of one function whose body is the decorated function."""

    def decorate(body: Callable[..., Any]) -> Callable[[], Program]:
        def build() -> Program:
            specs = [each.placeholder() for each in inputs.values()]
            return mb.program(input_specs=specs, opset_version=available_target(opset))(body)

        build.__name__ = body.__name__
        return register(build)

    return decorate


def weights(*shape: int, dtype: str = "float16", seed: int = 0) -> np.ndarray:
    """Normal random numbers, scaled so that sums over them stay near 1."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape)
    return (values * np.prod(shape[1:]) ** -0.5).astype(dtype)


def integers(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Random integers over the whole range of a MIL type, sub-byte ones included."""
    bits, signed = int(dtype.removeprefix("u").removeprefix("int")), not dtype.startswith("u")
    low = -(1 << bits - 1) if signed else 0
    values = np.random.default_rng([seed, *shape]).integers(low, low + (1 << bits), shape)
    return values.astype(types.nptype_from_builtin(builtin_type(dtype)))


# --- convolutions


@program(IOS16, x=fp16(1, 12, 17, 23))
def conv(x: Any) -> Any:
    """A convolution with a bias."""
    return mb.conv(x=x, weight=weights(20, 12, 3, 3), bias=weights(20), pad_type="same", name="conv")


@program(IOS16, x=fp16(1, 24, 17, 23))
def conv_groups(x: Any) -> Any:
    """A convolution in two groups."""
    return mb.conv(x=x, weight=weights(20, 12, 3, 3), groups=2, strides=[1, 2], name="conv")


@program(IOS16, x=fp16(1, 240, 9, 13))
def conv_depthwise(x: Any) -> Any:
    """A convolution of each channel by itself, then one of single pixels."""
    deep = mb.conv(x=x, weight=weights(240, 1, 3, 3), groups=240, name="depthwise")
    return mb.conv(x=mb.relu(x=deep, name="relu"), weight=weights(10, 240, 1, 1), name="pointwise")


@program(IOS17, x=fp16(1, 24, 50))
def conv_1d(x: Any) -> Any:
    """A convolution over one axis."""
    return mb.conv(x=x, weight=weights(20, 24, 5), dilations=[2], name="conv")


@program(IOS16, x=fp16(1, 12, 17, 23))
def conv_transpose(x: Any) -> Any:
    """A transposed convolution: output channels on axis 1 of the weight."""
    return mb.conv_transpose(x=x, weight=weights(12, 20, 3, 3), strides=[2, 2], name="conv")


@program(IOS17, x=fp16(1, 12, 17, 23))
def conv_batch_norm(x: Any) -> Any:
    """A convolution with a batch norm and a relu behind it."""
    y = mb.conv(x=x, weight=weights(20, 12, 3, 3), name="conv")
    variance = np.abs(weights(20, seed=3)) + np.float16(0.5)
    y = mb.batch_norm(x=y, mean=weights(20), variance=variance, gamma=weights(20, seed=1),
                      beta=weights(20, seed=2), name="norm")  # fmt: skip
    return mb.relu(x=y, name="relu")


# --- products


@program(IOS17, x=fp16(10, 40))
def linear(x: Any) -> Any:
    """A linear layer with a bias."""
    return mb.linear(x=x, weight=weights(64, 40), bias=weights(64), name="linear")


@program(IOS17, x=fp16(10, 40))
def linear_chain(x: Any) -> Any:
    """Two linear layers with a relu between them."""
    y = mb.relu(x=mb.linear(x=x, weight=weights(64, 40), name="first"), name="relu")
    return mb.linear(x=y, weight=weights(50, 64), bias=weights(50), name="second")


@program(IOS15, x=fp32(10, 40))
def linear_fp32(x: Any) -> Any:
    """A linear layer in single precision, for the oldest target."""
    weight, bias = weights(64, 40, dtype="float32"), weights(64, dtype="float32")
    return mb.linear(x=x, weight=weight, bias=bias, name="linear")


@program(IOS17, x=fp16(3, 10, 40))
def matmul(x: Any) -> Any:
    """A product with a constant."""
    return mb.matmul(x=x, y=weights(40, 64), name="matmul")


@program(IOS17, x=fp16(10, 40))
def matmul_transpose_y(x: Any) -> Any:
    """A product with a constant that lies transposed."""
    return mb.matmul(x=x, y=weights(64, 40), transpose_y=True, name="matmul")


@program(IOS17, x=fp16(40, 10))
def matmul_transpose_x(x: Any) -> Any:
    """A product of a transposed input with a constant."""
    return mb.matmul(x=x, y=weights(40, 64), transpose_x=True, name="matmul")


@program(IOS17, x=fp16(40, 10))
def matmul_transpose_both(x: Any) -> Any:
    """A product of a transposed input with a transposed constant."""
    return mb.matmul(x=x, y=weights(64, 40), transpose_x=True, transpose_y=True, name="matmul")


@program(IOS17, x=fp16(40, 10))
def matmul_const_x(x: Any) -> Any:
    """A product with the constant on the left."""
    return mb.matmul(x=weights(64, 40), y=x, name="matmul")


@program(IOS17, x=fp16(10, 40), y=fp16(40, 30))
def matmul_inputs(x: Any, y: Any) -> Any:
    """A product of two inputs: nothing to quantize."""
    return mb.matmul(x=x, y=y, name="matmul")


@program(IOS17, ids=int32(1, 7))
def embedding(ids: Any) -> Any:
    """Rows of a table."""
    return mb.gather(x=weights(100, 32), indices=ids, axis=0, name="rows")


@program(IOS17, ids=int32(1, 7))
def tied_embedding(ids: Any) -> Any:
    """A table that is looked up at the start and multiplied with at the end."""
    table = mb.const(val=weights(100, 32), name="table")
    rows = mb.gather(x=table, indices=ids, axis=0, name="rows")
    return mb.linear(x=rows, weight=table, name="logits")


@program(IOS17, x=fp16(10, 40), y=fp16(6, 40))
def shared_weight(x: Any, y: Any) -> Any:
    """One weight used by two linear layers."""
    weight = mb.const(val=weights(64, 40), name="weight")
    return mb.linear(x=x, weight=weight, name="left"), mb.linear(x=y, weight=weight, name="right")


@program(IOS17, x=fp16(1, 10, 40))
def attention(x: Any) -> Any:
    """One head of attention between linear layers, with a norm and a residual."""
    y = mb.layer_norm(x=x, axes=[-1], gamma=weights(40), beta=weights(40, seed=1), epsilon=np.float16(1e-4),
                      name="norm")  # fmt: skip
    q, k, v = (mb.linear(x=y, weight=weights(64, 40, seed=seed), name=n) for seed, n in enumerate("qkv"))
    scores = mb.softmax(x=mb.matmul(x=q, y=k, transpose_y=True, name="scores"), axis=-1, name="softmax")
    mixed = mb.matmul(x=scores, y=v, name="mixed")
    return mb.add(x=x, y=mb.linear(x=mixed, weight=weights(40, 64), name="project"), name="residual")


# --- recurrent ops


def recurrent_weights(gates: int) -> dict[str, np.ndarray]:
    """What a recurrent op of 24 hidden units over 30 features takes."""
    return {
        "weight_ih": weights(gates * 24, 30, dtype="float32"),
        "weight_hh": weights(gates * 24, 24, dtype="float32"),
        "bias": weights(gates * 24, dtype="float32"),
    }


@program(IOS16, x=fp32(7, 2, 30), h=fp32(2, 24), c=fp32(2, 24))
def lstm(x: Any, h: Any, c: Any) -> Any:
    """An LSTM that gives the whole sequence."""
    return mb.lstm(x=x, initial_h=h, initial_c=c, output_sequence=True, name="lstm", **recurrent_weights(4))


@program(IOS16, x=fp32(7, 2, 30), h=fp32(2, 24))
def gru(x: Any, h: Any) -> Any:
    """A GRU."""
    return mb.gru(x=x, initial_h=h, name="gru", **recurrent_weights(3))


@program(IOS16, x=fp32(7, 2, 30), h=fp32(2, 24))
def rnn(x: Any, h: Any) -> Any:
    """A plain recurrent network."""
    return mb.rnn(x=x, initial_h=h, activation="relu", name="rnn", **recurrent_weights(1))


# --- kinds of inputs and outputs


def classifier(x: Any, classes: list[Any]) -> Any:
    """A linear layer, a softmax, and the labels of the classes."""
    scores = mb.linear(x=x, weight=weights(len(classes), 200, dtype="float32"), name="scores")
    probabilities = mb.softmax(x=scores, axis=-1, name="probabilities")
    labels = mb.const(val=mil_list(classes), name="labels")
    return mb.classify(probabilities=probabilities, classes=labels, name="classify")


@program(IOS15, x=fp32(1, 200))
def classifier_strings(x: Any) -> Any:
    """A classifier with names for labels."""
    return classifier(x, [f"kind {index}" for index in range(12)])


@program(IOS15, x=fp32(1, 200))
def classifier_integers(x: Any) -> Any:
    """A classifier with numbers for labels, beyond 32 bits."""
    return classifier(x, [np.int64(2**33 + index) for index in range(12)])


@program(IOS16, image=fp32(1, 3, 20, 30))
def image(image: Any) -> Any:
    """What an image input feeds: three channels, scaled and convolved."""
    scaled = mb.mul(x=image, y=np.float32(1 / 255), name="scaled")
    return mb.conv(x=scaled, weight=weights(16, 3, 7, 7, dtype="float32"), strides=[2, 2], name="conv")


@program(IOS17, x=fp16(None, 40))
def flexible(x: Any) -> Any:
    """An unknown batch size."""
    return mb.softmax(x=mb.linear(x=x, weight=weights(64, 40), name="linear"), axis=-1, name="softmax")


@program(IOS17, x=fp16(1, None, None, 12))
def flexible_reshape(x: Any) -> Any:
    """Two unknown dimensions, and a shape that is computed from them."""
    rows = mb.slice_by_index(x=mb.shape(x=x, name="shape"), begin=[1], end=[2], name="rows")
    target = mb.concat(values=[rows, np.array([-1], np.int32)], axis=0, name="target")
    return mb.reshape(x=x, shape=target, name="reshape")


@program(IOS18, x=fp16(1, 40), cache=state(1, 64))
def states(x: Any, cache: Any) -> Any:
    """A state that is read, added to, written and used again."""
    y = mb.linear(x=x, weight=weights(64, 40), name="linear")
    total = mb.add(x=mb.read_state(input=cache, name="read"), y=y, name="total")
    updated = mb.coreml_update_state(state=cache, value=total, name="updated")
    return mb.mul(x=updated, y=np.float16(2), name="twice")


@program(IOS18, x=fp16(1, 40), first=state(1, 40), second=state(1, 40))
def states_written_only(x: Any, first: Any, second: Any) -> Any:
    """Two states; what the first is written with is not read back."""
    mb.coreml_update_state(state=first, value=x, name="remember")
    old = mb.read_state(input=second, name="old")
    mb.coreml_update_state(state=second, value=mb.add(x=old, y=x, name="sum"), name="accumulate")
    return mb.relu(x=old, name="relu")


@register
def two_functions() -> Program:
    """Two functions that share one weight."""
    shared = weights(64, 40)

    def encode(x: Any) -> Any:
        return mb.linear(x=x, weight=shared, name="encode")

    def decode(x: Any) -> Any:
        return mb.matmul(x=x, y=shared, name="decode")

    result = Program()
    for body, width in ((encode, 40), (decode, 64)):
        spec = fp16(10, width).placeholder()
        function = mb.function(input_specs=[spec], opset_version=available_target(IOS18))(body)
        result.add_function(body.__name__, function)
    result.default_function_name = "encode"
    result.export_as_multifunction = True
    return result


# --- control flow and lists


@program(IOS17, x=fp16(10, 40), limit=int32(1))
def while_loop(x: Any, limit: Any) -> Any:
    """A loop that applies a weight again and again."""
    weight = mb.const(val=weights(40, 40) + weights(40, 40, seed=1), name="outer_weight")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=mb.squeeze(x=limit, name="bound"), name="more")

    def step(count: Any, value: Any) -> Any:
        value = mb.linear(x=value, weight=weight, bias=weights(40), name="step")
        return mb.add(x=count, y=1, name="next"), mb.tanh(x=value, name="bounded")

    return mb.while_loop(_cond=more, _body=step, loop_vars=(mb.const(val=0, name="zero"), x), name="loop")


@program(IOS17, x=fp16(10, 40), flag=int32(1))
def cond(x: Any, flag: Any) -> Any:
    """A choice; one branch holds its weight, the other uses one from outside."""
    outer = mb.const(val=weights(64, 40), name="outer_weight")
    chosen = mb.cast(x=mb.squeeze(x=flag, name="scalar"), dtype="bool", name="chosen")

    def yes() -> Any:
        return mb.linear(x=x, weight=mb.const(val=weights(64, 40, seed=1), name="inner_weight"), name="yes")

    def no() -> Any:
        return mb.linear(x=x, weight=outer, name="no")

    return mb.cond(pred=chosen, _true_fn=yes, _false_fn=no, name="choice")


@program(IOS17, x=fp16(10, 40), flag=int32(1))
def cond_in_loop(x: Any, flag: Any) -> Any:
    """A choice inside a loop."""
    chosen = mb.cast(x=mb.squeeze(x=flag, name="scalar"), dtype="bool", name="chosen")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=3, name="more")

    def step(count: Any, value: Any) -> Any:
        result = mb.cond(pred=chosen, _true_fn=lambda: mb.relu(x=value, name="rectified"),
                         _false_fn=lambda: mb.mul(x=value, y=np.float16(0.5), name="halved"),
                         name="choice")  # fmt: skip
        return mb.add(x=count, y=1, name="next"), result

    return mb.while_loop(_cond=more, _body=step, loop_vars=(mb.const(val=0, name="zero"), x), name="loop")


@program(IOS17, x=fp16(1, 40))
def lists(x: Any) -> Any:
    """A list that is made, written, measured and gathered from."""
    made = mb.make_list(init_length=3, dynamic_length=True, elem_shape=(1, 40), dtype="fp16", name="made")
    written = mb.list_write(ls=made, index=1, value=x, name="written")
    return (
        mb.list_read(ls=written, index=1, name="element"),
        mb.list_length(ls=written, name="length"),
        mb.list_gather(ls=written, indices=[0, 2], name="gathered"),
    )


@program(IOS17, x=fp16(3, 40))
def list_in_loop(x: Any) -> Any:
    """A list as a variable of a loop."""
    made = mb.make_list(init_length=3, dynamic_length=True, elem_shape=(1, 40), dtype="fp16", name="made")

    def more(count: Any, _: Any) -> Any:
        return mb.less(x=count, y=3, name="more")

    def step(count: Any, ls: Any) -> Any:
        row = mb.expand_dims(x=mb.gather(x=x, indices=count, axis=0, name="row"), axes=[0], name="wide")
        return mb.add(x=count, y=1, name="next"), mb.list_write(ls=ls, index=count, value=row, name="written")

    start = mb.const(val=0, name="zero")
    _, filled = mb.while_loop(_cond=more, _body=step, loop_vars=(start, made), name="loop")
    return mb.list_gather(ls=filled, indices=[2, 0], name="gathered")


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
        indices=integers(f"uint{bits}", 66, width, seed=bits), lut=weights(groups, 1, 1 << bits, 1), name="weight"
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


# --- constants of every kind


@program(IOS18, x=fp16(20, 30), ids=int32(5))
def constants(x: Any, ids: Any) -> Any:
    """Large constants of integers and truth values, and ones of 16 bits."""
    mask = np.random.default_rng(1).random((20, 30)) < 0.5
    chosen = mb.select(cond=mask, a=x, b=np.float16(0), name="chosen")
    table = np.random.default_rng(2).integers(-(2**31), 2**31, 50, dtype=np.int32)
    shorts = mb.gather(x=integers("int16", 40, 3), indices=ids, axis=0, name="shorts")
    return chosen, mb.gather(x=table, indices=ids, axis=0, name="integers"), mb.cast(
        x=shorts, dtype="int32", name="widened")  # fmt: skip


@program(IOS17, x=fp16(20, 30))
def infinite_constant(x: Any) -> Any:
    """A mask of minus infinity above the diagonal, and single infinities and a zero below 0."""
    mask = np.triu(np.full((20, 30), -np.inf, np.float16), 1)
    y = mb.softmax(x=mb.add(x=x, y=mask, name="masked"), axis=-1, name="softmax")
    return mb.minimum(x=mb.mul(x=y, y=np.float16(-0.0), name="zeros"), y=np.float16(np.inf), name="least")


@program(IOS17, x=fp16(10, 40))
def small_shapes(x: Any) -> Any:
    """Constants without an axis, with axes of size 1, and with no elements at all."""
    y = mb.add(x=mb.mul(x=x, y=np.float16(2), name="scalar"), y=np.ones((1, 1), np.float16), name="ones")
    return mb.concat(values=[y, np.zeros((0, 40), np.float16)], axis=0, name="nothing_more")


@program(IOS17, x=fp16(10, 40))
def variadic(x: Any) -> Any:
    """Ops with several inputs and outputs under one parameter, and an input that is an output."""
    left, right = mb.split(x=x, split_sizes=[30, 10], axis=1, name="split")
    joined = mb.concat(values=[right, left, right], axis=1, name="joined")
    values, indices = mb.topk(x=joined, k=3, axis=1, name="topk")
    return values, indices, mb.identity(x=x, name="same")

"""Programs of weights that nothing compresses yet: convolutions, products, recurrent ops."""

from __future__ import annotations

from typing import Any

import numpy as np
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18

from .program_registry import fp16, fp32, int32, program, weights

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
                      beta=weights(20, seed=2), epsilon=np.float16(1e-4), name="norm")  # fmt: skip
    return mb.relu(x=y, name="relu")


# --- products


@program(IOS17, x=fp16(10, 40))
def linear(x: Any) -> Any:
    """A linear layer with a bias."""
    return mb.linear(x=x, weight=weights(64, 40), bias=weights(64), name="linear")


@program(IOS17, x=fp16(10, 200))
def two_heads(x: Any) -> Any:
    """Two linear layers over one input, named as an object detector's outputs are."""
    confidence = mb.linear(x=x, weight=weights(12, 200), name="scores")
    coordinates = mb.linear(x=x, weight=weights(4, 200), name="coordinates")
    return mb.sigmoid(x=confidence, name="confidence"), coordinates


@program(IOS17, x=fp16(10, 40))
def linear_chain(x: Any) -> Any:
    """Two linear layers with a relu between them."""
    y = mb.relu(x=mb.linear(x=x, weight=weights(64, 40), name="first"), name="relu")
    return mb.linear(x=y, weight=weights(50, 64), bias=weights(50), name="second")


@program(IOS17, linear=fp16(10, 64))
def linear_after(linear: Any) -> Any:
    """A linear layer over the output of `linear`: the second stage of a pipeline."""
    return mb.linear(x=linear, weight=weights(50, 64), name="after")


@program(IOS17, x=fp16(10, 40), y=fp16(6, 40))
def equal_weights(x: Any, y: Any) -> Any:
    """Two weights that happen to be equal."""
    left = mb.linear(x=x, weight=weights(64, 40), bias=weights(64), name="left")
    return left, mb.linear(x=y, weight=weights(64, 40), name="right")


@program(IOS18, x=fp16(10, 40))
def linear_ios18(x: Any) -> Any:
    """A linear layer, for a later target."""
    return mb.linear(x=x, weight=weights(64, 40), bias=weights(64), name="linear")


@program(IOS18, x=fp16(10, 40))
def linear_chain_ios18(x: Any) -> Any:
    """Two linear layers, the first with the weight of `linear_ios18`."""
    y = mb.relu(x=mb.linear(x=x, weight=weights(64, 40), name="first"), name="relu")
    return mb.linear(x=y, weight=weights(50, 64), name="second")


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

"""Activation functions: each one ONNX op where there is one, else in the form that ONNX Runtime fuses."""

from __future__ import annotations

import numpy as np

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers

_PLAIN = {"sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign"}
_WITH_ALPHA = {"elu": "Elu", "leaky_relu": "LeakyRelu"}


@lowers(*_PLAIN)
def plain(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_PLAIN[op.type], op["x"])


@lowers(*_WITH_ALPHA)
def with_alpha(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_WITH_ALPHA[op.type], op["x"], alpha=op.number("alpha"))


@lowers("relu", moves=True)
def relu(g: Graph, op: Op) -> Tensor:
    """The larger of x and 0."""
    return g.op("Relu", op["x"])


@lowers("relu6", moves=True)
def relu6(g: Graph, op: Op) -> Tensor:
    """X within [0, 6], in the form that becomes a part of a convolution."""
    return g.op("Clip", op["x"], 0, 6)


@lowers("clamped_relu")
def clamped_relu(g: Graph, op: Op) -> Tensor:
    """A leaky relu that is no larger than beta."""
    return g.op("Clip", g.op("LeakyRelu", op["x"], alpha=op.number("alpha")), None, op.number("beta"))


@lowers("thresholded_relu", moves=True)
def thresholded_relu(g: Graph, op: Op) -> Tensor:
    """X where it is at least alpha, else 0; ONNX wants it above a number, which is the one before alpha."""
    alpha = np.nextafter(np.float32(op.number("alpha")), np.float32(-np.inf))
    return g.op("ThresholdedRelu", op["x"], alpha=float(alpha))


@lowers("prelu")
def prelu(g: Graph, op: Op) -> Tensor:
    """Where x is negative, it is multiplied by its channel's alpha."""
    return g.op("PRelu", op["x"], _by_channel(g, op, "alpha"))


@lowers("gelu")
def gelu(g: Graph, op: Op) -> Tensor:
    """By mode: with the error function, or approximated by a tanh or by a sigmoid."""
    mode = op.text("mode")
    if mode == "SIGMOID_APPROXIMATION":
        return _swish(g, op["x"], g.op("Mul", op["x"], 1.702))
    return g.op("Gelu", op["x"], approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@lowers("silu")
def silu(g: Graph, op: Op) -> Tensor:
    """X times its sigmoid."""
    return _swish(g, op["x"], op["x"])


def _swish(g: Graph, x: Tensor, scaled: Tensor) -> Tensor:
    """`x * sigmoid(scaled)`; ONNX Runtime makes one op of it and of the scaling."""
    return g.op("Mul", x, g.op("Sigmoid", scaled))


@lowers("sigmoid_hard")
def sigmoid_hard(g: Graph, op: Op) -> Tensor:
    """`alpha * x + beta` within [0, 1]."""
    return g.op("HardSigmoid", op["x"], alpha=op.number("alpha"), beta=op.number("beta"))


@lowers("linear_activation")
def linear_activation(g: Graph, op: Op) -> Tensor:
    """`alpha * x + beta`."""
    return g.op("Add", g.op("Mul", op["x"], op.number("alpha")), op.number("beta"))


@lowers("scaled_tanh")
def scaled_tanh(g: Graph, op: Op) -> Tensor:
    """`alpha * tanh(beta * x)`."""
    return g.op("Mul", g.op("Tanh", g.op("Mul", op["x"], op.number("beta"))), op.number("alpha"))


@lowers("softplus_parametric")
def softplus_parametric(g: Graph, op: Op) -> Tensor:
    """`alpha * log(1 + exp(beta * x))`, with an alpha and a beta for each channel."""
    scaled = g.op("Mul", op["x"], _by_channel(g, op, "beta"))
    return g.op("Mul", g.op("Softplus", scaled), _by_channel(g, op, "alpha"))


@lowers("softmax")
def softmax(g: Graph, op: Op) -> Tensor:
    """Exponentials over their sum along an axis, which may be counted from the back."""
    return g.op("Softmax", op["x"], axis=op.axis())


def _by_channel(g: Graph, op: Op, parameter: str) -> Tensor:
    """A vector along the second axis of x."""
    behind = [1] * (op.rank("x") - 2)
    return g.constant(np.asarray(op.const(parameter), op.dtype("x")).reshape(-1, *behind))

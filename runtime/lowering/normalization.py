"""Normalization by given or computed statistics, over channels or any axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import FLOAT, Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import Size, product, size, sizes, vector

_EPSILON = 1e-5


@lowers("batch_norm")
def batch_norm(g: Graph, op: Op) -> Tensor:
    """One BatchNormalization, which ONNX Runtime folds into the convolution before it."""
    scale, offset = _scale_and_offset(g, op, sizes(g, op["mean"], op.shape("mean")))
    epsilon = op.number("epsilon", _EPSILON)
    return g.op("BatchNormalization", op["x"], scale, offset, op["mean"], op["variance"], epsilon=epsilon)


@lowers("instance_norm")
def instance_norm(g: Graph, op: Op) -> Tensor:
    """Each channel of each image has its own mean and variance."""
    scale, offset = _scale_and_offset(g, op, [size(g, op["x"], op.shape("x"), 1)])
    return g.op("InstanceNormalization", op["x"], scale, offset, epsilon=op.number("epsilon", _EPSILON))


@lowers("l2_norm")
def l2_norm(g: Graph, op: Op) -> Tensor:
    """The last three dimensions are one vector; epsilon is added to the square of its length."""
    squares = g.op("ReduceSumSquare", op["x"], [-3, -2, -1], keepdims=1)
    return g.op("Div", op["x"], g.op("Sqrt", g.op("Add", squares, op.number("epsilon", 1e-6))))


@lowers("layer_norm")
def layer_norm(g: Graph, op: Op) -> Tensor:
    """ONNX normalizes trailing axes; others are moved there and back, which is faster than doing it step by step."""
    x, shape = op["x"], op.shape("x")
    given = op.ints("axes")
    axes = sorted({axis % len(shape) for axis in (range(len(shape)) if given is None else given)})
    if not axes:
        raise op.refusal("it has no axes")
    order = [axis for axis in range(len(shape)) if axis not in axes] + axes
    scale = _filled(g, op, "gamma", 1, [size(g, x, shape, axis) for axis in axes])
    moved = order != sorted(order)
    result = g.op(
        "LayerNormalization",
        g.op("Transpose", x, perm=order) if moved else x,
        scale,
        op.get("beta"),
        axis=-len(axes),
        epsilon=op.number("epsilon", _EPSILON),
    )
    return g.op("Transpose", result, perm=np.argsort(order).tolist()) if moved else result


@lowers("local_response_norm")
def local_response_norm(g: Graph, op: Op) -> Tensor:
    """The mean of the neighbours' squares is a padded average over channels.

    ONNX's LRN has its middle elsewhere when the number of neighbours is even, and ONNX Runtime's is slower.
    """
    x, shape = op["x"], sizes(g, op["x"], op.shape("x"))
    count = int(op.number("size"))
    channels = vector(g, [shape[0], 1, shape[1], product(g, shape[2:])])
    squares = g.op("Reshape", g.op("Mul", x, x), channels)
    pads = [count // 2, 0, (count - 1) // 2, 0]
    mean = g.op("AveragePool", squares, kernel_shape=[count, 1], pads=pads, count_include_pad=1)
    scaled = g.op("Mul", g.op("Reshape", mean, vector(g, shape)), op.number("alpha", 1e-4))
    base = g.op("Add", scaled, op.number("k", 1.0))
    return g.op("Div", x, g.op("Pow", base, op.number("beta", 0.75)))


def _scale_and_offset(g: Graph, op: Op, channels: Sequence[Size]) -> tuple[Tensor, Tensor]:
    return _filled(g, op, "gamma", 1, channels), _filled(g, op, "beta", 0, channels)


def _filled(g: Graph, op: Op, parameter: str, fill: float, shape: Sequence[Size]) -> Tensor:
    """An input, or where it is absent a number repeated over a shape."""
    given = op.get(parameter)
    if given is not None:
        return given
    if all(isinstance(length, int) for length in shape):
        return g.constant(np.full(shape, fill, FLOAT))
    return g.op("Expand", g.constant(fill, FLOAT), vector(g, shape))

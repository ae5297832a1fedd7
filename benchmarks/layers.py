"""The ops that carry weights, drawn one after the other from one seed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 - its name everywhere
from coremltools.converters.mil.mil import types


class Layers:
    """A source of fp16 layers: every call draws the next weights of one random sequence.

    Weights are normal with variance 2 / fan-in (He et al., arXiv:1502.01852), which keeps the size of
    activations through ReLUs; biases are normal with a standard deviation of 0.01.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def draw(self, *shape: int, variance: float) -> Any:
        """The next fp16 array of a shape."""
        values = self._random.standard_normal(shape, dtype=np.float32)
        values *= np.float32(math.sqrt(variance))
        return values.astype(np.float16)

    def conv(self, x: Any, channels: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Any:
        """A square convolution, padded by half its kernel, with the bias that a folded batch norm leaves."""
        shape = (channels, x.shape[1] // groups, kernel, kernel)
        return mb.conv(
            x=x,
            weight=self.draw(*shape, variance=2 / math.prod(shape[1:])),
            bias=self.draw(channels, variance=1e-4),
            strides=[stride] * 2,
            pad_type="custom",
            pad=[kernel // 2] * 4,
            groups=groups,
        )

    def linear(self, x: Any, units: int) -> Any:
        """A linear layer over the last axis."""
        weight = self.draw(units, x.shape[-1], variance=2 / x.shape[-1])
        return mb.linear(x=x, weight=weight, bias=self.draw(units, variance=1e-4))

    def embedding(self, indices: Any, rows: int, width: int) -> Any:
        """A table of `rows` vectors, looked up by index."""
        return mb.gather(x=self.draw(rows, width, variance=1.0), indices=indices, axis=0)

    def classifier(self, x: Any, classes: int) -> Any:
        """The mean over the image, then a linear layer to the classes."""
        return self.linear(mb.reduce_mean(x=x, axes=[2, 3], keep_dims=False), classes)


def parameter_count(program: Any, conv_role: str = "") -> int:
    """The elements of all fp16 tensors of a program; with `conv_role`, of its convolutions' `bias`, say."""
    constants = (op.outputs[0] for op in program.functions["main"].operations if op.op_type == "const")
    tensors = (var for var in constants if var.dtype == types.fp16 and var.rank)
    return sum(var.val.size for var in tensors if not conv_role or _feeds_conv(var, conv_role))


def _feeds_conv(var: Any, role: str) -> bool:
    return any(op.op_type == "conv" and op.inputs.get(role) is var for op in var.child_ops)

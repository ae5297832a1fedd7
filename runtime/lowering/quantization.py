"""Quantizing activations to 8 bits and back; the engine keeps ONNX Runtime from computing in integers between."""

from __future__ import annotations

import numpy as np

from ...ir.pymil import dtype_of
from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers


@lowers("quantize")
def quantize(g: Graph, op: Op) -> Tensor:
    """Rounds half to even and clips; in half precision the quotient is rounded to it before."""
    x, scale = op["input"], op["scale"]
    if dtype_of(op.var("input")).name == "fp16" and op.lowering.precision == "float16":
        x = op.lowering.rounded(g.op("Div", x, _along_axis(op, "scale")))
        scale = g.constant(np.ones(op.const("scale").shape, x.dtype))
    zero_point = op.get("zero_point")
    if zero_point is None:
        zero_point = g.constant(np.zeros(op.const("scale").shape, op.output_dtype))
    return g.op("QuantizeLinear", x, scale, zero_point, axis=_axis(op), dtype=op.output_dtype)


@lowers("dequantize")
def dequantize(g: Graph, op: Op) -> Tensor:
    """Scale times what the input is above the zero point, computed in floats.

    Around DequantizeLinear and QuantizeLinear ONNX Runtime 1.31 moves transposes by quantizing values once more, and
    gives those to others that take the same value: outputs change.
    """
    codes = g.cast(op["input"], np.float32)
    if np.any(op.const("zero_point", 0)):
        codes = g.op("Sub", codes, _along_axis(op, "zero_point"))
    return g.op("Mul", codes, _along_axis(op, "scale"))


def _axis(op: Op) -> int | None:
    """The axis that vectors of scales lie along; a scale alone is for the whole tensor."""
    return op.axis(of="input") if op.rank("scale") else None


def _along_axis(op: Op, parameter: str) -> np.ndarray:
    """Scales or zero points in a shape that broadcasts with the input."""
    values = np.asarray(op.const(parameter), np.float32)
    return values.reshape([-1 if axis == _axis(op) else 1 for axis in range(op.rank("input"))])

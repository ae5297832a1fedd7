"""Products of matrices."""

from __future__ import annotations

import numpy as np

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers
from ..shapes import sizes, vector


@lowers("linear")
def linear(g: Graph, op: Op) -> Tensor:
    """A bias of zeros, the default, is left out; one that is computed is not."""
    known = op.const("bias")
    left_out = not op.has("bias") or (known is not None and not np.any(known))
    return _affine(g, op, "weight") if left_out else _affine(g, op, "weight", "bias")


@lowers("matmul")
def matmul(g: Graph, op: Op) -> Tensor:
    """A constant matrix that is to be transposed is left to Gemm; ONNX Runtime's MatMul absorbs other transposes."""
    x, y = alike(g, op["x"], op["y"])
    if op.flag("transpose_y"):
        if y.constant is not None and op.rank("y") == 2 and not op.flag("transpose_x"):
            return _affine(g, op, "y")
        y = swapped(g, y, op.rank("y"), -1)
    if op.flag("transpose_x"):
        x = swapped(g, x, op.rank("x"), -1)
    return g.op("MatMul", x, y)


@lowers("einsum")
def einsum(g: Graph, op: Op) -> Tensor:
    """MIL has one equation, with or without a batch: `nchw,nwhu->nchu`, a product of matrices for each n and h."""
    x, y = alike(g, *op.each("values"))
    rank = len(op.output_shape)
    return swapped(g, g.op("MatMul", swapped(g, x, rank, -2), swapped(g, y, rank, -2)), rank, -2)


def swapped(g: Graph, x: Tensor, rank: int, axis: int) -> Tensor:
    """X with an axis, counted from the back, and the one before it swapped."""
    order = list(range(rank))
    order[axis - 1], order[axis] = order[axis], order[axis - 1]
    return g.op("Transpose", x, perm=order)


def alike(g: Graph, *tensors: Tensor) -> list[Tensor]:
    """The tensors in the one type that holds them all."""
    return [g.cast(tensor, np.result_type(*(each.dtype for each in tensors))) for tensor in tensors]


def _affine(g: Graph, op: Op, matrix: str, *bias: str) -> Tensor:
    """X times the transpose of a matrix, plus a bias, by Gemm, which reads the matrix where it lies.

    Args:
        g: the graph.
        op: the op with `x`, of any rank; Gemm has rank 2.
        matrix: the name of an input with a row for each column of the result.
        bias: the name of an input with an element for each column.
    """
    x, weight, *rest = alike(g, op["x"], op[matrix], *(op[name] for name in bias))
    *leading, _ = shape = op.shape("x")
    if len(shape) == 2:
        return g.op("Gemm", x, weight, *rest, transB=1)
    columns, rows = sizes(g, weight, op.shape(matrix))
    result = g.op("Gemm", g.op("Reshape", x, vector(g, [-1, rows])), weight, *rest, transB=1)
    if leading.count(None) > 1:
        return g.op("Reshape", result, vector(g, [*sizes(g, x, leading), columns]), allowzero=1)
    return g.op("Reshape", result, vector(g, [*(-1 if each is None else each for each in leading), columns]))

"""Elementwise arithmetic, comparison and logic; both operands broadcast as numpy's do."""

from __future__ import annotations

import numpy as np

from ..graph import BOOL, FLOAT, Graph, Tensor
from ..op import Op
from ..registry import lowers

_UNARY = {
    "abs": "Abs",
    "acos": "Acos",
    "asin": "Asin",
    "atan": "Atan",
    "atanh": "Atanh",
    "ceil": "Ceil",
    "cos": "Cos",
    "cosh": "Cosh",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "logical_not": "Not",
    "round": "Round",
    "sign": "Sign",
    "sin": "Sin",
    "sinh": "Sinh",
    "sqrt": "Sqrt",
    "tan": "Tan",
    "tanh": "Tanh",
}
_BINARY = {
    "add": "Add",
    "equal": "Equal",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "maximum": "Max",
    "minimum": "Min",
    "mul": "Mul",
    "pow": "Pow",
    "sub": "Sub",
}
_LOGICAL = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}


@lowers(*_UNARY)
def unary(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_UNARY[op.type], op["x"])


@lowers(*_BINARY)
def binary(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_BINARY[op.type], op["x"], op["y"])


@lowers(*_LOGICAL)
def logical(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning, over truth values."""
    return g.op(_LOGICAL[op.type], g.cast(op["x"], BOOL), g.cast(op["y"], BOOL))


@lowers("not_equal")
def not_equal(g: Graph, op: Op) -> Tensor:
    """ONNX has no op for it."""
    return g.op("Not", g.op("Equal", op["x"], op["y"]))


@lowers("real_div")
def real_div(g: Graph, op: Op) -> Tensor:
    """Of integers, the quotient is computed in floats and truncated."""
    if op.dtype("x").kind == "f":
        return g.op("Div", op["x"], op["y"])
    quotient = g.op("Div", g.cast(op["x"], FLOAT), g.cast(op["y"], FLOAT))
    return g.cast(quotient, op.output_dtype)


@lowers("floor_div")
def floor_div(g: Graph, op: Op) -> Tensor:
    """Rounds towards minus infinity, of integers too: through doubles, which hold every int32 quotient exactly."""
    if op.dtype("x").kind == "f":
        return g.op("Floor", g.op("Div", op["x"], op["y"]))
    wide = [g.cast(op[name], "float64") for name in ("x", "y")]
    return g.cast(g.op("Floor", g.op("Div", *wide)), op.output_dtype)


@lowers("mod")
def mod(g: Graph, op: Op) -> Tensor:
    """The remainder has the divisor's sign; ONNX's Mod has that for integers only."""
    x, y = op["x"], op["y"]
    if op.dtype("x").kind in "iu":
        return g.op("Mod", x, y)
    return g.op("Sub", x, g.op("Mul", g.op("Floor", g.op("Div", x, y)), y))


@lowers("exp2")
def exp2(g: Graph, op: Op) -> Tensor:
    """Two to the power of x."""
    return g.op("Pow", g.constant(2, op.dtype("x")), op["x"])


@lowers("square")
def square(g: Graph, op: Op) -> Tensor:
    """X times x."""
    return g.op("Mul", op["x"], op["x"])


@lowers("log")
def log(g: Graph, op: Op) -> Tensor:
    """The natural logarithm of x + epsilon."""
    return g.op("Log", g.op("Add", op["x"], np.asarray(op.number("epsilon", 1e-45), op.dtype("x"))))


@lowers("rsqrt")
def rsqrt(g: Graph, op: Op) -> Tensor:
    """One over the square root of x + epsilon."""
    shifted = g.op("Add", op["x"], np.asarray(op.number("epsilon", 1e-12), op.dtype("x")))
    return g.op("Reciprocal", g.op("Sqrt", shifted))


@lowers("inverse")
def inverse(g: Graph, op: Op) -> Tensor:
    """One over x + epsilon."""
    return g.op("Reciprocal", g.op("Add", op["x"], np.asarray(op.number("epsilon", 1e-4), op.dtype("x"))))


@lowers("threshold")
def threshold(g: Graph, op: Op) -> Tensor:
    """The larger of x and alpha."""
    return g.op("Max", op["x"], np.asarray(op.const("alpha"), op.dtype("x")))


@lowers("clip")
def clip(g: Graph, op: Op) -> Tensor:
    """X within [alpha, beta]."""
    kind = op.dtype("x")
    return g.op("Clip", op["x"], np.asarray(op.const("alpha"), kind), np.asarray(op.const("beta"), kind))


@lowers("select", moves=True)
def select(g: Graph, op: Op) -> Tensor:
    """A where cond is true, else b."""
    return g.op("Where", g.cast(op["cond"], BOOL), op["a"], op["b"])


@lowers("cast")
def cast(g: Graph, op: Op) -> Tensor:
    """Floats become integers by truncation; anything but zero is true."""
    return g.cast(op["x"], op.output_dtype)


@lowers("identity", moves=True)
def identity(_: Graph, op: Op) -> Tensor:
    """The same value."""
    return op["x"]

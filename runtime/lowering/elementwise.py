"""Elementwise arithmetic, comparison and logic; both operands broadcast as numpy's do."""

from __future__ import annotations

from ..graph import DOUBLE, Graph, Tensor
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
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "mul": "Mul",
    "pow": "Pow",
    "sub": "Sub",
}
_CHOICE = {"maximum": "Max", "minimum": "Min"}


@lowers(*_UNARY)
def unary(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_UNARY[op.type], op["x"])


@lowers(*_BINARY)
def binary(g: Graph, op: Op) -> Tensor:
    """One ONNX op of the same meaning."""
    return g.op(_BINARY[op.type], op["x"], op["y"])


@lowers(*_CHOICE, moves=True)
def choice(g: Graph, op: Op) -> Tensor:
    """One of both operands; what is no number wins."""
    return g.op(_CHOICE[op.type], op["x"], op["y"])


@lowers("not_equal")
def not_equal(g: Graph, op: Op) -> Tensor:
    """ONNX has no op for it."""
    return g.op("Not", g.op("Equal", op["x"], op["y"]))


@lowers("real_div")
def real_div(g: Graph, op: Op) -> Tensor:
    """The quotient; that of integers is truncated."""
    return g.op("Div", *_operands(g, op))


@lowers("floor_div")
def floor_div(g: Graph, op: Op) -> Tensor:
    """The quotient rounded towards minus infinity, of integers too."""
    return g.op("Floor", g.op("Div", *_operands(g, op)))


@lowers("mod")
def mod(g: Graph, op: Op) -> Tensor:
    """C's remainder, which is exact, moved by y where it has not the sign of y."""
    x, y = _operands(g, op)
    remainder = g.op("Mod", x, y, fmod=1)
    is_off = g.op("Less", g.op("Mul", g.op("Sign", remainder), y), 0)
    return g.op("Where", is_off, g.op("Add", remainder, y), remainder)


def _operands(g: Graph, op: Op) -> tuple[Tensor, Tensor]:
    """Both operands of a division; integers as doubles.

    A double holds every quotient of int32 well enough to truncate or floor it right, and a division by zero, which
    ends the process in some of ONNX Runtime's kernels for integers, gives some number.
    """
    if op.dtype("x").kind == "f":
        return op["x"], op["y"]
    return g.cast(op["x"], DOUBLE), g.cast(op["y"], DOUBLE)


@lowers("exp2")
def exp2(g: Graph, op: Op) -> Tensor:
    """A power of two, exact where x is whole."""
    return g.op("Pow", g.constant(2, op.dtype("x")), op["x"])


@lowers("square")
def square(g: Graph, op: Op) -> Tensor:
    """A power, which ONNX Runtime multiplies out, and looks for in normalizations."""
    return g.op("Pow", op["x"], g.constant(2, op.dtype("x")))


@lowers("log")
def log(g: Graph, op: Op) -> Tensor:
    """The natural logarithm of x + epsilon."""
    return g.op("Log", _shifted(g, op))


@lowers("rsqrt")
def rsqrt(g: Graph, op: Op) -> Tensor:
    """One over the square root of x + epsilon; as a division ONNX Runtime finds it in normalizations."""
    return g.op("Div", 1, g.op("Sqrt", _shifted(g, op)))


@lowers("inverse")
def inverse(g: Graph, op: Op) -> Tensor:
    """One over x + epsilon."""
    return g.op("Reciprocal", _shifted(g, op))


def _shifted(g: Graph, op: Op) -> Tensor:
    """`x + epsilon`; half precision has no number as small as most default epsilons, which are 0 there."""
    epsilon = op.number("epsilon")
    return g.op("Add", op["x"], epsilon) if epsilon else op["x"]


@lowers("threshold", moves=True)
def threshold(g: Graph, op: Op) -> Tensor:
    """The larger of x and alpha."""
    return g.op("Clip", op["x"], op.number("alpha"))


@lowers("clip", moves=True)
def clip(g: Graph, op: Op) -> Tensor:
    """The nearest number in [alpha, beta]; beta where that is empty."""
    return g.op("Clip", op["x"], op.number("alpha"), op.number("beta"))


@lowers("select", moves=True)
def select(g: Graph, op: Op) -> Tensor:
    """A where cond is true, else b."""
    return g.op("Where", op["cond"], op["a"], op["b"])


@lowers("cast")
def cast(g: Graph, op: Op) -> Tensor:
    """Floats become integers by truncation, integers wrap; anything but zero is true."""
    return g.cast(op["x"], op.output_dtype)


@lowers("identity", moves=True)
def identity(_: Graph, op: Op) -> Tensor:
    """The same value."""
    return op["x"]

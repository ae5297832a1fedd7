"""Ops that lowerings write run in every type that they may write them for, kernel or no kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from milopt.runtime.engine import Engine
from milopt.runtime.graph import Graph, Tensor
from milopt.runtime.kernels import signature, type_for

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64")
FLOATS = ("float32", "float64")
X = np.array([[3, 0, 2], [1, 2, 1]])
CHANNELS = np.arange(16).reshape(1, 4, 2, 2)

Row = tuple[Callable[[Graph, Tensor], Tensor], Callable[[np.ndarray], Any]]

MOVING: dict[str, Row] = {
    "Compress": (lambda g, x: g.op("Compress", x, np.array([True, False, True]), axis=1), lambda x: x[:, [0, 2]]),
    "Concat": (lambda g, x: g.op("Concat", x, x, axis=0), lambda x: np.concatenate([x, x])),
    "Equal": (lambda g, x: g.op("Equal", x, 1), lambda x: x == 1),
    "Expand": (lambda g, x: g.op("Expand", x, [2, 2, 3]), lambda x: np.stack([x, x])),
    "Flatten": (lambda g, x: g.op("Flatten", x, axis=0), lambda x: x.reshape(1, 6)),
    "Gather": (lambda g, x: g.op("Gather", x, [2, 0], axis=1), lambda x: x[:, [2, 0]]),
    "GatherElements": (
        lambda g, x: g.op("GatherElements", x, np.array([[1, 0, 1]]), axis=0),
        lambda x: np.take_along_axis(x, np.array([[1, 0, 1]]), 0),
    ),
    "GatherND": (lambda g, x: g.op("GatherND", x, np.array([[1, 0], [0, 2]])), lambda x: x[[1, 0], [0, 2]]),
    "Identity": (lambda g, x: g.op("Identity", x), lambda x: x),
    "NonZero": (lambda g, x: g.op("NonZero", x), lambda x: np.stack(np.nonzero(x))),
    "Pad": (lambda g, x: g.op("Pad", x, [0, 1, 1, 0], 1), lambda x: np.pad(x, ((0, 1), (1, 0)), constant_values=1)),
    "Reshape": (lambda g, x: g.op("Reshape", x, [3, -1]), lambda x: x.reshape(3, 2)),
    "ReverseSequence": (
        lambda g, x: g.op("ReverseSequence", x, [2, 1], batch_axis=0, time_axis=1),
        lambda x: np.stack([x[0, [1, 0, 2]], x[1]]),
    ),
    "ScatterElements": (
        lambda g, x: g.op("ScatterElements", x, np.array([[1, 0, 1]]), g.op("Slice", x, [0], [1], [0]), axis=0),
        lambda x: np.stack([[x[0, 0], x[0, 1], x[0, 2]], [x[0, 0], x[1, 1], x[0, 2]]]),
    ),
    "ScatterND": (
        lambda g, x: g.op("ScatterND", x, np.array([[1]]), g.op("Slice", x, [0], [1], [0])),
        lambda x: np.stack([x[0], x[0]]),
    ),
    "Shape": (lambda g, x: g.op("Shape", x), lambda x: np.int64(x.shape)),
    "Slice": (lambda g, x: g.op("Slice", x, [2], [0], [1], [-1]), lambda x: x[:, 2:0:-1]),
    "Split": (lambda g, x: g.ops("Split", x, [1, 2], axis=1, outputs=2)[1], lambda x: x[:, 1:]),
    "Squeeze": (lambda g, x: g.op("Squeeze", g.op("Unsqueeze", x, [0, 2]), [2]), lambda x: x[None]),
    "Tile": (lambda g, x: g.op("Tile", x, [2, 1]), lambda x: np.tile(x, (2, 1))),
    "Transpose": (lambda g, x: g.op("Transpose", x, perm=[1, 0]), np.transpose),
    "Trilu": (lambda g, x: g.op("Trilu", x, 0, upper=1), np.triu),
    "Where": (
        lambda g, x: g.op("Where", np.array([True, False, True]), x, 0),
        lambda x: x * np.array([1, 0, 1], x.dtype),
    ),
}
NUMERIC: dict[str, Row] = {
    "Abs": (lambda g, x: g.op("Abs", x), np.abs),
    "Add": (lambda g, x: g.op("Add", x, 250), lambda x: (x.astype(np.int64) + 250).astype(x.dtype)),
    "ArgMax": (lambda g, x: g.op("ArgMax", x, axis=1, keepdims=0), lambda x: x.argmax(1)),
    "ArgMin": (lambda g, x: g.op("ArgMin", x, axis=1, keepdims=0), lambda x: x.argmin(1)),
    "Clip": (lambda g, x: g.op("Clip", x, 1, 2), lambda x: np.clip(x, 1, 2)),
    "CumSum": (lambda g, x: g.op("CumSum", x, np.array(1)), lambda x: np.cumsum(x, 1, x.dtype)),
    "Div": (lambda g, x: g.op("Div", x, 2), lambda x: (x / 2).astype(x.dtype)),
    "Less": (lambda g, x: g.op("Less", x, 2), lambda x: x < 2),
    "LessOrEqual": (lambda g, x: g.op("LessOrEqual", x, 2), lambda x: x <= 2),
    "Greater": (lambda g, x: g.op("Greater", 2, x), lambda x: x < 2),
    "GreaterOrEqual": (lambda g, x: g.op("GreaterOrEqual", 2, x), lambda x: x <= 2),
    "Max": (lambda g, x: g.op("Max", x, 1), lambda x: np.maximum(x, 1)),
    "Min": (lambda g, x: g.op("Min", x, 1), lambda x: np.minimum(x, 1)),
    "Mod": (lambda g, x: g.op("Mod", x, 2, fmod=1), lambda x: np.mod(x, 2)),
    "Mul": (lambda g, x: g.op("Mul", x, x), lambda x: x * x),
    "Neg": (lambda g, x: g.op("Neg", x), np.negative),
    "Pow": (lambda g, x: g.op("Pow", x, 2), lambda x: x**2),
    "ReduceMax": (lambda g, x: g.op("ReduceMax", x, [1], keepdims=0), lambda x: x.max(1)),
    "ReduceMin": (lambda g, x: g.op("ReduceMin", x, keepdims=0), np.min),
    "ReduceProd": (lambda g, x: g.op("ReduceProd", x, [1], keepdims=0), lambda x: x.prod(1, x.dtype)),
    "ReduceSum": (lambda g, x: g.op("ReduceSum", x, [1], keepdims=0), lambda x: x.sum(1, x.dtype)),
    "Sign": (lambda g, x: g.op("Sign", x), np.sign),
    "Sub": (lambda g, x: g.op("Sub", x, 1), lambda x: x - x.dtype.type(1)),
    "TopK": (lambda g, x: g.ops("TopK", x, [2], axis=1, outputs=2)[0], lambda x: np.sort(x, 1)[:, :0:-1]),
}


def results(build: Callable[[Graph, Tensor], Tensor], x: np.ndarray, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """What the built op gives for `x` in each type, all computed in one graph."""
    g = Graph()
    made = {kind: build(g, g.input(f"x_{kind}", kind)) for kind in kinds}
    g.finish(list(made.values()))
    feeds = {f"x_{kind}": x.astype(kind) for kind in kinds}
    engine = Engine(g, {name: array.shape for name, array in feeds.items()}, threads=1)
    values = engine.run([tensor.name for tensor in g.main.outputs], feeds)
    assert [value.dtype for value in values] == [tensor.dtype for tensor in made.values()]
    return dict(zip(kinds, values, strict=True))


@pytest.mark.parametrize("op_type", MOVING)
def test_ops_that_move_values_run_in_every_type(op_type: str) -> None:
    build, expected = MOVING[op_type]

    for kind, result in results(build, X, ("bool", *INTEGERS, *FLOATS)).items():
        np.testing.assert_array_equal(result, expected(X.astype(kind)), strict=True, err_msg=kind)


@pytest.mark.parametrize("op_type", NUMERIC)
def test_ops_on_numbers_run_in_every_type(op_type: str) -> None:
    build, expected = NUMERIC[op_type]

    for kind, result in results(build, X, (*INTEGERS, *FLOATS)).items():
        np.testing.assert_array_equal(result, expected(X.astype(kind)), strict=True, err_msg=kind)


@pytest.mark.parametrize("op_type", ["Floor", "Sqrt", "Softmax", "Sigmoid", "Relu", "Elu"])
def test_ops_on_floats_run_in_doubles(op_type: str) -> None:
    values = results(lambda g, x: g.op(op_type, x), X, FLOATS)

    np.testing.assert_allclose(values["float64"], values["float32"], rtol=1e-6)


@pytest.mark.parametrize("op_type", ["DepthToSpace", "SpaceToDepth"])
def test_blocks_move_in_every_type(op_type: str) -> None:
    kinds = ("bool", *INTEGERS, *FLOATS)
    values = results(lambda g, x: g.op(op_type, x, blocksize=2), CHANNELS, kinds)

    for kind, result in values.items():
        np.testing.assert_array_equal(result, values["float32"].astype(kind), strict=True, err_msg=kind)


@pytest.mark.parametrize("kind", ["int16", "uint16"])
def test_products_of_matrices_of_short_integers(kind: str) -> None:
    (result,) = results(lambda g, x: g.op("MatMul", x, g.op("Transpose", x, perm=[1, 0])), X, [kind]).values()

    np.testing.assert_array_equal(result, (X @ X.T).astype(kind), strict=True)


def test_a_range_of_short_integers() -> None:
    for kind, result in results(
        lambda g, x: g.op("Range", g.op("ReduceMin", x, keepdims=0), 5, 2), X, INTEGERS
    ).items():
        np.testing.assert_array_equal(result, np.array([0, 2, 4], kind), strict=True)


@pytest.mark.parametrize(
    ("op_type", "wanted", "expected"),
    [
        ("Add", "int8", "int8"),
        ("Max", "uint16", "int32"),
        ("Where", "bool", "uint8"),
        ("Sqrt", "int32", "float64"),
        ("Sin", "float16", "float32"),
        ("Equal", "str", "str"),
    ],
)
def test_the_nearest_type_with_a_kernel(op_type: str, wanted: str, expected: str) -> None:
    assert type_for(op_type, "T", np.dtype(wanted)) == np.dtype(expected)


def test_signatures_name_the_types_that_are_fixed() -> None:
    assert signature("Shape").outputs == ("int64",)
    assert signature("Where").inputs == ("bool", "T", "T")
    assert signature("Concat").input(7) == "T"

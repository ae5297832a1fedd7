from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17
from milopt.runtime.graph import Node
from milopt.runtime.lower import lower_function
from support.program_registry import build_program, fp32
from support.running import program_of, run


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def whole(*shape: int, dtype: str = "int32") -> np.ndarray:
    return np.random.default_rng(shape).integers(-9, 9, shape).astype(dtype)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.shape == expected.shape
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5)


def product(x: np.ndarray, y: np.ndarray, constant: str, *, symbolic: bool = False, **flags: bool) -> np.ndarray:
    if constant == "x":
        return run(lambda y: mb.matmul(x=x, y=y, **flags), symbolic=symbolic, y=y)[0]
    if constant == "y":
        return run(lambda x: mb.matmul(x=x, y=y, **flags), symbolic=symbolic, x=x)[0]
    return run(lambda x, y: mb.matmul(x=x, y=y, **flags), symbolic=symbolic, x=x, y=y)[0]


def nodes(body: Any, **inputs: np.ndarray) -> list[Node]:
    program = program_of(body, IOS15, inputs, symbolic=False)
    return lower_function(program.functions["main"]).graph.main.nodes


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (2, 1, 3, 4), (2, 1, 3, 1, 4)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_linear_of_any_rank(shape: tuple[int, ...], *, symbolic: bool) -> None:
    x, weight, bias = floats(*shape), floats(5, 4), floats(5)

    plain, shifted = run(
        lambda x: [mb.linear(x=x, weight=weight), mb.linear(x=x, weight=weight, bias=bias)], symbolic=symbolic, x=x
    )

    close(plain, x @ weight.T)
    close(shifted, x @ weight.T + bias)


def test_linear_with_one_open_size_asks_for_no_size() -> None:
    weight = floats(5, 4)
    program = build_program(lambda x: mb.linear(x=x, weight=weight), IOS15, x=fp32(1, None, 4))

    graph = lower_function(program.functions["main"]).graph

    assert [node.op_type for node in graph.main.nodes] == ["Reshape", "Gemm", "Reshape"]


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_linear_of_nothing(shape: tuple[int, ...]) -> None:
    weight = floats(5, 4)

    (y,) = run(lambda x: mb.linear(x=x, weight=weight), symbolic=True, x=np.zeros(shape, np.float32))

    assert y.shape == (*shape[:-1], 5)


@pytest.mark.parametrize("x_type", ["float16", "float32", "int32"])
@pytest.mark.parametrize("weight_type", ["float16", "float32", "int32"])
def test_linear_of_mixed_types_has_the_type_of_x(x_type: str, weight_type: str) -> None:
    x, weight, bias = whole(2, 4, dtype=x_type), whole(3, 4, dtype=weight_type), whole(3, dtype=weight_type)

    (y,) = run(lambda x: mb.linear(x=x, weight=weight, bias=bias), IOS17, x=x)

    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, x.astype(int) @ weight.T.astype(int) + bias.astype(int))


def test_integers_that_a_float_can_not_hold() -> None:
    x, weight = np.int32([[2**24 + 1, 1]]), np.int32([[3, 2], [1, 0]])

    straight, turned = run(lambda x: [mb.linear(x=x, weight=weight), mb.matmul(x=x, y=weight.T.copy())], IOS15, x=x)

    np.testing.assert_array_equal(straight, [[3 * 2**24 + 5, 2**24 + 1]])
    np.testing.assert_array_equal(turned, straight)


@pytest.mark.parametrize("constant", ["", "x", "y"])
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("x_shape", "y_shape"),
    [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (7, 4, 5)), ((3, 4), (2, 4, 5)), ((4,), (4, 5))],
)
def test_matmul_broadcasts_stacks_of_matrices(
    x_shape: tuple[int, ...], y_shape: tuple[int, ...], constant: str, *, symbolic: bool
) -> None:
    x, y = floats(*x_shape), floats(*y_shape)

    close(product(x, y, constant, symbolic=symbolic), x @ y)


@pytest.mark.parametrize("constant", ["", "x", "y"])
@pytest.mark.parametrize("transposed", [{"x"}, {"y"}, {"x", "y"}], ids=["x", "y", "both"])
@pytest.mark.parametrize("stack", [(), (2,)], ids=["matrix", "stack"])
def test_matmul_of_transposed(constant: str, transposed: set[str], stack: tuple[int, ...]) -> None:
    x, y = floats(2, 3, 4), floats(*stack, 4, 5)
    held_x = x.swapaxes(-1, -2).copy() if "x" in transposed else x
    held_y = y.swapaxes(-1, -2).copy() if "y" in transposed else y

    result = product(held_x, held_y, constant, transpose_x="x" in transposed, transpose_y="y" in transposed)

    close(result, x @ y)


@pytest.mark.parametrize("x_type", ["float32", "int32"])
@pytest.mark.parametrize("y_type", ["float16", "float32", "int32"])
def test_matmul_of_mixed_types_has_the_type_that_is_not_constant(x_type: str, y_type: str) -> None:
    x, constant = whole(2, 4, dtype=x_type), whole(4, 3, dtype=y_type)

    before, behind = run(
        lambda x: [mb.matmul(x=x, y=constant), mb.matmul(x=constant, y=x, transpose_x=True, transpose_y=True)],
        IOS17,
        x=x,
    )

    assert before.dtype == behind.dtype == x.dtype
    np.testing.assert_array_equal(before, x.astype(int) @ constant.astype(int))
    np.testing.assert_array_equal(behind, before.T)


def test_weights_reach_gemm_as_they_lie() -> None:
    weight, x = floats(5, 4), floats(3, 4)

    (straight,) = nodes(lambda x: mb.linear(x=x, weight=weight), x=x)
    (turned,) = nodes(lambda x: mb.matmul(x=x, y=weight, transpose_y=True), x=x)

    assert straight.op_type == turned.op_type == "Gemm"
    assert len(straight.inputs) == 2  # no bias of zeros


@pytest.mark.parametrize(
    ("equation", "x_shape", "y_shape"),
    [
        ("nchw,nwhu->nchu", (2, 3, 4, 5), (2, 5, 4, 6)),
        ("abcd,adce->abce", (1, 3, 4, 5), (2, 5, 1, 6)),
        ("chw,whr->chr", (3, 4, 5), (5, 4, 6)),
        ("vnm,mno->vno", (3, 4, 5), (5, 1, 6)),
        ("bchq,bqhk->bchk", (2, 3, 1, 5), (2, 5, 1, 6)),
    ],
)
def test_einsum_multiplies_around_an_axis(equation: str, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
    x, y = floats(*x_shape), floats(*y_shape)

    (result,) = run(lambda x, y: mb.einsum(values=(x, y), equation=equation), x=x, y=y)

    close(result, np.einsum(equation, x, y))


def test_computed_bias_is_added() -> None:
    codes = np.arange(7, dtype=np.uint8)

    def body(x: Any) -> Any:
        decoded = mb.constexpr_affine_dequantize(
            quantized_data=codes, zero_point=np.uint8(3), scale=np.float32(0.25), axis=np.int32(0)
        )
        return mb.linear(x=x, weight=np.ones((7, 5), np.float32), bias=mb.exp(x=decoded))

    (y,) = run(body, IOS16, x=np.zeros((3, 5), np.float32))
    np.testing.assert_allclose(y, np.tile(np.exp((codes - 3.0) * 0.25), (3, 1)), rtol=1e-6)

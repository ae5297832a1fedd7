from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, Opset
from milopt.runtime.graph import Graph
from milopt.runtime.lower import lower_function
from milopt.runtime.session import Session
from support.program_registry import Input, build_program, fp32, int32
from support.running import run

GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
NO_ROWS = np.zeros((0, 3, 4), np.float32)
open_or_not = pytest.mark.parametrize("symbolic", [False, True])


def graph_of(body: Callable[..., Any], opset: Opset = IOS15, **inputs: Input) -> Graph:
    return lower_function(build_program(body, opset, **inputs).functions["main"]).graph


@open_or_not
def test_shape_of_known_and_unknown_sizes(*, symbolic: bool) -> None:
    (shape,) = run(lambda x: mb.shape(x=x), x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(shape, np.int32([2, 3, 4]), strict=True)


# --- reshape


@open_or_not
@pytest.mark.parametrize(
    ("opset", "shape", "expected"),
    [
        (IOS15, [4, -1], (4, 6)),
        (IOS15, [0, 2, -1], (2, 2, 6)),
        (IOS15, [-1, 0, 4], (2, 3, 4)),
        (IOS17, [1, 0, -1, 0], (1, 2, 3, 4)),
        (IOS17, [0, -1], (3, 8)),
        (IOS17, [0, 0, 6, -1, 0], (1, 1, 6, 1, 4)),
    ],
)
def test_zeros_take_sizes_of_x(opset: Opset, shape: list[int], expected: tuple[int, ...], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.reshape(x=x, shape=shape), opset, x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(result, GRID.reshape(expected), strict=True)


@pytest.mark.parametrize(
    ("opset", "shape", "expected"),
    [
        (IOS15, [4, 3, 2], (4, 3, 2)),
        (IOS15, [0, -1, 2], (2, 6, 2)),
        (IOS15, [8, -1], (8, 3)),
        (IOS17, [0, -1, 0, 2], (1, 4, 3, 2)),
        (IOS17, [-1, 0], (6, 4)),
    ],
)
def test_reshape_into_a_shape_that_is_an_input(opset: Opset, shape: list[int], expected: tuple[int, ...]) -> None:
    (result,) = run(lambda x, shape: mb.reshape(x=x, shape=shape), opset, x=GRID, shape=np.int32(shape))

    np.testing.assert_array_equal(result, GRID.reshape(expected), strict=True)


def columns_then_rows(x: Any) -> Any:
    rows, columns, _ = mb.split(x=mb.shape(x=x), num_splits=3, axis=0)
    return mb.reshape(x=x, shape=mb.concat(values=[[4], columns, rows], axis=0))


@pytest.mark.parametrize("x", [GRID, NO_ROWS], ids=["full", "empty"])
def test_sizes_that_are_computed_may_be_zero(x: np.ndarray) -> None:
    session = Session(build_program(columns_then_rows, IOS15, x=fp32(None, None, 4)))

    (result,) = session.run({"x": x}).values()

    np.testing.assert_array_equal(result, x.reshape(4, 3, len(x)), strict=True)


def test_one_unknown_size_is_left_over_by_the_others() -> None:
    def heads(x: Any) -> Any:
        length = mb.slice_by_size(x=mb.shape(x=x), begin=[1], size=[1])
        return mb.reshape(x=x, shape=mb.concat(values=[[1], length, [2, 3]], axis=0))

    graph = graph_of(heads, x=fp32(1, None, 6))

    (reshape,) = (node for node in graph.main.nodes if node.op_type == "Reshape")
    assert graph.constants[reshape.inputs[1]].load().tolist() == [1, -1, 2, 3]


def test_before_ios17_zeros_need_a_shape_of_the_same_rank() -> None:
    with pytest.raises(RunError, match="of x's rank"):
        graph_of(lambda x: mb.reshape(x=x, shape=[0, -1]), x=fp32(None, 3, 4))


def test_reshape_into_an_unknown_rank_is_refused() -> None:
    with pytest.raises(RunError, match="length of its shape"):
        graph_of(lambda x, shape: mb.reshape(x=x, shape=shape), x=fp32(2, 3), shape=int32(None))


def test_reshape_like_takes_sizes_of_several_references() -> None:
    def body(x: Any, first: Any, second: Any) -> Any:
        begins, ends, masks = (0, 1), (1, 0), (False, True)
        return mb.reshape_like(x=x, ref_tensors=(first, second), begins=begins, ends=ends, end_masks=masks)

    first, second = np.zeros((3, 5), bool), np.zeros((7, 4, 2), np.int32)

    (result,) = run(body, IOS16, x=GRID, first=first, second=second)

    np.testing.assert_array_equal(result, GRID.reshape(3, 4, 2), strict=True)


# --- axes of size 1


@open_or_not
@pytest.mark.parametrize("axes", [[0], [-1], [1, 3], [-1, 0], [-5, 2]])
def test_expand_dims_counts_axes_of_the_result(axes: list[int], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.expand_dims(x=x, axes=axes), x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(result, np.expand_dims(GRID, tuple(axes)), strict=True)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [(None, (3, 2)), ([0], (3, 1, 2)), ([-2], (1, 3, 2)), ([1], (1, 3, 1, 2)), ([0, 1], (3, 1, 2))],
)
def test_squeeze_leaves_other_sizes_than_one(axes: list[int] | None, expected: tuple[int, ...]) -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 3, 1, 2)

    (result,) = run(lambda x: mb.squeeze(x=x, axes=axes) if axes else mb.squeeze(x=x), x=x)

    np.testing.assert_array_equal(result, x.reshape(expected), strict=True)


def test_squeeze_leaves_unknown_sizes() -> None:
    (result,) = run(lambda x: mb.squeeze(x=x, axes=[0]), x=GRID[:1], symbolic=True)

    assert result.shape == (1, 3, 4)


def test_a_scalar_from_one_element_and_back() -> None:
    scalar, again = run(lambda x: [(y := mb.squeeze(x=x)), mb.expand_dims(x=y, axes=[0, -1])], x=np.float32([7]))

    np.testing.assert_array_equal(scalar, np.float32(7), strict=True)
    np.testing.assert_array_equal(again, np.float32([[7]]), strict=True)


# --- the rest


@open_or_not
@pytest.mark.parametrize("x", [GRID, NO_ROWS], ids=["full", "empty"])
@pytest.mark.parametrize("axis", [0, 1, 3, -1, 5, -5])
def test_flatten2d_splits_the_shape_as_python_does(x: np.ndarray, axis: int, *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.flatten2d(x=x, axis=axis), x=x, symbolic=symbolic)

    shape = [int(np.prod(sizes)) for sizes in (x.shape[:axis], x.shape[axis:])]
    np.testing.assert_array_equal(result, x.reshape(shape), strict=True)


@open_or_not
@pytest.mark.parametrize("perm", [[1, 2, 0], [-1, 0, -2], [0, 1, 2]])
def test_transpose_with_axes_from_both_ends(perm: list[int], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.transpose(x=x, perm=perm), x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(result, GRID.transpose(perm), strict=True)


def test_an_idle_transpose_is_left_out() -> None:
    graph = graph_of(lambda x: mb.relu(x=mb.transpose(x=x, perm=[0, -1])), x=fp32(2, 3))

    assert [node.op_type for node in graph.main.nodes] == ["Relu"]


@open_or_not
@pytest.mark.parametrize("x", [GRID, NO_ROWS], ids=["full", "empty"])
@pytest.mark.parametrize("axes", [None, [1], [-1, 0]])
def test_reverse(x: np.ndarray, axes: list[int] | None, *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.reverse(x=x, axes=axes) if axes else mb.reverse(x=x), x=x, symbolic=symbolic)

    np.testing.assert_array_equal(result, np.flip(x, axes), strict=True)


@open_or_not
@pytest.mark.parametrize(("batch", "time"), [(0, 1), (1, 0), (1, -1), (-1, 0)])
def test_reverse_sequence_along_any_two_axes(batch: int, time: int, *, symbolic: bool) -> None:
    lengths = [0, 2, 1, 2][: GRID.shape[batch]]

    def body(x: Any) -> Any:
        return mb.reverse_sequence(x=x, lengths=lengths, seq_axis=time, batch_axis=batch)

    (result,) = run(body, x=GRID, symbolic=symbolic)

    expected = np.moveaxis(GRID, (batch, time), (0, 1)).copy()
    for row, length in zip(expected, lengths, strict=True):
        row[:length] = row[:length][::-1].copy()
    np.testing.assert_array_equal(result, np.moveaxis(expected, (0, 1), (batch, time)), strict=True)


def test_reverse_sequence_by_computed_lengths() -> None:
    def body(x: Any, lengths: Any) -> Any:
        return mb.reverse_sequence(x=x, lengths=lengths, seq_axis=1)

    (result,) = run(body, IOS17, x=np.int8([[1, 2, 3], [4, 5, 6]]), lengths=np.int16([3, 2]))

    np.testing.assert_array_equal(result, np.int8([[3, 2, 1], [5, 4, 6]]), strict=True)


def test_reverse_sequence_along_its_batch_is_refused() -> None:
    with pytest.raises(RunError, match="seq_axis is its batch_axis"):
        graph_of(lambda x: mb.reverse_sequence(x=x, lengths=[1, 0]), x=fp32(2, 3))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "bool", "float16"])
def test_every_element_type(dtype: str) -> None:
    x = (np.arange(6) % 4).astype(dtype).reshape(2, 1, 3)

    def body(x: Any) -> list[Any]:
        return [mb.reshape(x=x, shape=[3, 2]), mb.squeeze(x=x), mb.transpose(x=x, perm=[2, 1, 0]), mb.reverse(x=x)]

    results = run(body, IOS17, x=x, precision="float16")

    for result, expected in zip(results, [x.reshape(3, 2), x[:, 0], x.T, np.flip(x)], strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


def test_moved_halves_are_not_rounded_again() -> None:
    program = build_program(lambda x: mb.reverse(x=mb.reshape(x=x, shape=[6])), IOS15, x=Input((2, 3)))

    graph = lower_function(program.functions["main"], "float16").graph

    assert [node.op_type for node in graph.main.nodes] == ["Cast", "Cast", "Reshape", "Slice"]  # the input is

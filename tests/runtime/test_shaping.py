from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, Opset
from milopt.runtime.lower import lower_function
from milopt.runtime.session import Session
from support.program_registry import Input, build_program, fp32, int32
from support.running import run

GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
NO_ROWS = np.zeros((0, 3, 4), np.float32)
open_or_not = pytest.mark.parametrize("symbolic", [False, True])


def onnx_ops(body: Callable[..., Any], opset: Opset = IOS15, **inputs: Input) -> list[str]:
    lowered = lower_function(build_program(body, opset, **inputs).functions["main"])
    return [node.op_type for node in lowered.graph.main.nodes]


@open_or_not
def test_shape_of_known_and_unknown_sizes(*, symbolic: bool) -> None:
    (shape,) = run(lambda x: mb.shape(x=x), x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(shape, np.int32([2, 3, 4]), strict=True)


@open_or_not
@pytest.mark.parametrize(
    ("opset", "shape", "expected"),
    [
        (IOS15, [4, -1], (4, 6)),
        (IOS15, [0, 2, -1], (2, 2, 6)),
        (IOS15, [-1, 0, 4], (2, 3, 4)),
        (IOS17, [1, 0, -1, 0], (1, 2, 3, 4)),
        (IOS17, [0, -1], (3, 8)),
        (IOS17, [0, 0, -1, 3, 4], (1, 1, 2, 3, 4)),
    ],
)
def test_reshape_takes_sizes_of_x_for_zeros(
    opset: Opset, shape: list[int], expected: tuple[int, ...], *, symbolic: bool
) -> None:
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


def test_before_ios17_zeros_need_a_shape_of_the_same_rank() -> None:
    with pytest.raises(RunError, match="of x's rank"):
        onnx_ops(lambda x: mb.reshape(x=x, shape=[0, -1]), x=fp32(None, 3, 4))


def test_reshape_into_unknown_rank_is_refused() -> None:
    with pytest.raises(RunError, match="length of its shape"):
        onnx_ops(lambda x, shape: mb.reshape(x=x, shape=shape), x=fp32(2, 3), shape=int32(None))


def turned(x: Any) -> Any:
    """Its shape is computed, and none of its sizes known."""
    return mb.reshape(x=x, shape=mb.slice_by_index(x=mb.shape(x=x), begin=[0], end=[0], stride=[-1], end_mask=[True]))


@pytest.mark.parametrize("x", [GRID, NO_ROWS], ids=["full", "empty"])
def test_reshape_by_sizes_that_are_computed(x: np.ndarray) -> None:
    (result,) = run(lambda x: mb.reshape(x=x, shape=[4, -1]), x=GRID)
    session = Session(build_program(turned_by_concat, IOS15, x=fp32(None, None, 4)))

    (result,) = session.run({"x": x}).values()

    np.testing.assert_array_equal(result, x.reshape(4, 3, len(x)), strict=True)


def turned_by_concat(x: Any) -> Any:
    rows, columns, _ = mb.split(x=mb.shape(x=x), num_splits=3, axis=0)
    return mb.reshape(x=x, shape=mb.concat(values=[[4], columns, rows], axis=0))


def test_a_shape_with_one_unknown_size_needs_no_computation() -> None:
    def heads(x: Any) -> Any:
        length = mb.slice_by_size(x=mb.shape(x=x), begin=[1], size=[1])
        return mb.reshape(x=x, shape=mb.concat(values=[[1], length, [2, 3]], axis=0))

    lowered = lower_function(build_program(heads, IOS15, x=fp32(1, None, 6)).functions["main"])
    reshape = lowered.graph.main.nodes[-1]

    assert reshape.op_type == "Reshape"
    assert lowered.graph.constants[reshape.inputs[1]].load().tolist() == [1, -1, 2, 3]
    assert Session  # the values are checked by the tests above

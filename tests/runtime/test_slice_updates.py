from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS18
from milopt.runtime.lower import lower_function
from milopt.runtime.session import Session
from support.program_registry import build_program, fp32, int32
from support.running import run

GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

ENDS = [False, False, True]
BACKWARDS = {"stride": [1, 1, -1], "begin_mask": ENDS, "end_mask": ENDS, "squeeze_mask": [False, True, False]}
# What Python would write, begin, end, and the other inputs of `slice_update`.
UPDATES = [
    (np.s_[1:2, :, :], (1, 0, 0), (2, 3, 4), {}),
    (np.s_[:, 1:, :], (0, 1, 0), (0, 0, 4), {"begin_mask": [True, False, False], "end_mask": [True, True, False]}),
    (np.s_[:, 1:3, 1:4:2], (0, 1, 1), (2, 3, 4), {"stride": [1, 1, 2]}),
    (np.s_[-1:, 1, ::-1], (-1, 1, 0), (2, 0, 0), BACKWARDS),
    (np.s_[0, -1, :], (0, -1, 0), (0, 0, 4), {"squeeze_mask": [True, True, False]}),
    (np.s_[:, 2:0:-1, -2:], (0, 2, -2), (2, 0, 4), {"stride": [1, -1, 1]}),
    (np.s_[:, :, :], (0, 0, 0), (2, 3, 4), {}),
    (np.s_[:, 1:1, :], (0, 1, 0), (2, 1, 4), {}),
]
each_update = pytest.mark.parametrize(("python", "begin", "end", "options"), UPDATES, ids=range(len(UPDATES)))


def updated(python: Any) -> tuple[np.ndarray, np.ndarray]:
    """What to write into the part of GRID, and GRID with it."""
    result = GRID.copy()
    update = -1 - np.arange(GRID[python].size, dtype=np.float32).reshape(GRID[python].shape)
    result[python] = update
    return update, result


@pytest.mark.parametrize("symbolic", [False, True])
@each_update
def test_update_between_known_bounds(
    python: Any, begin: tuple[int, ...], end: tuple[int, ...], options: dict[str, Any], *, symbolic: bool
) -> None:
    update, expected = updated(python)

    def body(x: Any, update: Any) -> Any:
        return mb.slice_update(x=x, update=update, begin=begin, end=end, **options)

    (result,) = run(body, IOS18, x=GRID, update=update, symbolic=symbolic)

    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("shape", [(2, 3, 4), (None, 3, None), (2, None, 4)])
@each_update
def test_update_between_computed_bounds(
    python: Any, begin: tuple[int, ...], end: tuple[int, ...], options: dict[str, Any], *, shape: tuple[int | None, ...]
) -> None:
    update, expected = updated(python)

    def body(x: Any, update: Any, begin: Any, end: Any) -> Any:
        return mb.slice_update(x=x, update=update, begin=begin, end=end, **options)

    inputs = {"x": fp32(*shape), "update": fp32(*[None] * update.ndim), "begin": int32(3), "end": int32(3)}
    session = Session(build_program(body, IOS18, **inputs))
    (result,) = session.run({"x": GRID, "update": update, "begin": begin, "end": end}).values()

    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "bool", "float16"])
def test_every_element_type(dtype: str) -> None:
    x = np.asarray([[1, 0, 1], [0, 0, 1]], dtype)

    def body(x: Any, update: Any) -> Any:
        return mb.slice_update(x=x, update=update, begin=[1, 0], end=[2, 2])

    (result,) = run(body, IOS18, x=x, update=np.ones((1, 2), dtype), precision="float16")

    np.testing.assert_array_equal(result, np.asarray([[1, 0, 1], [1, 1, 1]], dtype), strict=True)


def test_update_of_nothing() -> None:
    def body(x: Any, update: Any) -> Any:
        return mb.slice_update(x=x, update=update, begin=[0, 1, 0], end=[0, 2, 4], end_mask=[True, False, False])

    (result,) = run(body, IOS18, x=GRID[:0], update=GRID[:0, :1], symbolic=True)

    assert result.shape == (0, 3, 4)


def test_a_row_is_written_without_reshaping_the_cache() -> None:
    def body(cache: Any, row: Any, begin: Any, end: Any) -> Any:
        whole = [False, True]
        return mb.slice_update(x=cache, update=row, begin=begin, end=end, begin_mask=whole, end_mask=whole)

    program = build_program(body, IOS18, cache=fp32(8, 4), row=fp32(None, 4), begin=int32(2), end=int32(2))
    graph = lower_function(program.functions["main"], "float16").graph

    (scatter,) = (node for node in graph.main.nodes if node.op_type == "ScatterND")
    assert (scatter.inputs[0], scatter.inputs[2]) == ("cache", "row")
    assert scatter.outputs == (graph.main.outputs[0].name,)


def test_updates_that_pymil_sees_otherwise_are_refused() -> None:
    def body(x: Any, update: Any) -> Any:
        return mb.slice_update(x=x, update=update, begin=[4], end=[5])

    with pytest.raises(RunError, match="of the 4 elements along axis 0 the slice takes 0, not 1"):
        run(body, IOS18, x=GRID[0, 0], update=GRID[0, 0, :1])

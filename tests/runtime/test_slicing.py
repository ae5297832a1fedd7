from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17, IOS18
from milopt.runtime.lower import lower_function
from milopt.runtime.session import Session
from support.program_registry import build_program, fp32, int32
from support.running import run

GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
open_or_not = pytest.mark.parametrize("symbolic", [False, True])
# What is known of the shape of GRID.
known_shapes = pytest.mark.parametrize("shape", [(2, 3, 4), (None, 3, None), (None, None, None)])


class Slice(NamedTuple):
    """What Python would write, and the inputs of `slice_by_index`; the masks as the axes that they have set."""

    python: tuple[slice | int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1, 1)
    begin_mask: tuple[int, ...] = ()
    end_mask: tuple[int, ...] = ()
    squeeze_mask: tuple[int, ...] = ()

    def options(self) -> dict[str, Any]:
        """The inputs that are always constant."""
        masks = {"begin_mask": self.begin_mask, "end_mask": self.end_mask, "squeeze_mask": self.squeeze_mask}
        flags = {name: [axis in axes for axis in range(3)] for name, axes in masks.items() if axes}
        return {"stride": self.stride, **flags}


SLICES = [
    Slice(np.s_[1:2, 1:3, 1:4:2], (1, 1, 1), (2, 3, 4), (1, 1, 2)),
    Slice(np.s_[-2:-1, -3:-1, -3:-1], (-2, -3, -3), (-1, -1, -1)),
    Slice(np.s_[-1:0:-2, -1:1:-1, -1:-3:-3], (-1, -1, -1), (0, 1, -3), (-2, -1, -3)),
    Slice(np.s_[:1, 1:3, :3:2], (1, 1, 1), (1, 3, 3), (1, 1, 2), begin_mask=(0, 2)),
    Slice(np.s_[:, 1:, ::-1], (1, 1, 1), (0, 0, 0), (1, 1, -1), begin_mask=(0, 2), end_mask=(0, 1, 2)),
    Slice(np.s_[:, -2::-1, 2:], (1, -2, 2), (0, 0, 0), (1, -1, 1), begin_mask=(0,), end_mask=(0, 1, 2)),
    Slice(np.s_[1::1, 1, :3:2], (1, 1, 1), (2, 3, 3), (1, 1, 2), (2,), (0,), squeeze_mask=(1,)),
    Slice(np.s_[:, -1, -1], (0, -1, -1), (2, 0, 0), squeeze_mask=(1, 2)),
    Slice(np.s_[0, -2, :], (1, -2, 0), (0, 0, 4), (-1, -1, 1), begin_mask=(0,), squeeze_mask=(0, 1)),
    Slice(np.s_[-1:, 0, -3:-1], (-1, 0, -3), (0, 0, -1), end_mask=(0,), squeeze_mask=(1,)),
    Slice(np.s_[:, :, :], (1, 1, 1), (0, 0, 0), begin_mask=(0, 1, 2), end_mask=(0, 1, 2)),
    Slice(np.s_[:, 1:1, :], (0, 1, 0), (2, 1, 4)),
    Slice(np.s_[0:99, :, 2:], (0, 0, 2), (99, 99, 99)),
]
each_slice = pytest.mark.parametrize("each", SLICES, ids=range(len(SLICES)))


# --- slice_by_index


@open_or_not
@each_slice
def test_slice_between_known_bounds(each: Slice, *, symbolic: bool) -> None:
    def body(x: Any) -> Any:
        return mb.slice_by_index(x=x, begin=each.begin, end=each.end, **each.options())

    (result,) = run(body, x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(result, GRID[each.python], strict=True)


@known_shapes
@each_slice
def test_slice_between_computed_bounds(each: Slice, shape: tuple[int | None, ...]) -> None:
    def body(x: Any, begin: Any, end: Any) -> Any:
        return mb.slice_by_index(x=x, begin=begin, end=end, **each.options())

    program = build_program(body, IOS15, x=fp32(*shape), begin=int32(3), end=int32(3))
    (result,) = Session(program).run({"x": GRID, "begin": each.begin, "end": each.end}).values()

    np.testing.assert_array_equal(result, GRID[each.python], strict=True)


@each_slice
def test_slice_from_a_computed_begin_to_a_known_end(each: Slice) -> None:
    def body(x: Any, begin: Any) -> Any:
        options = {**each.options(), "stride": np.int16(each.stride)}
        return mb.slice_by_index(x=x, begin=begin, end=np.int16(each.end), **options)

    (result,) = run(body, IOS17, x=GRID, begin=np.int16(each.begin))

    np.testing.assert_array_equal(result, GRID[each.python], strict=True)


def test_all_axes_indexed_give_a_scalar() -> None:
    (result,) = run(lambda x: mb.slice_by_index(x=x, begin=[1, -1], end=[0, 0], squeeze_mask=[True] * 2), x=GRID[0])

    np.testing.assert_array_equal(result, np.float32(7), strict=True)


def test_axes_that_stay_whole_are_not_sliced() -> None:
    def body(x: Any, begin: Any, end: Any) -> Any:
        ends = [True, False, True]
        whole = mb.slice_by_index(x=x, begin=[0, 0, 0], end=[0, 3, 0], end_mask=ends)
        return mb.slice_by_index(x=whole, begin=begin, end=end, begin_mask=ends, end_mask=ends)

    program = build_program(body, IOS15, x=fp32(2, 3, 4), begin=int32(3), end=int32(3))
    graph = lower_function(program.functions["main"]).graph

    (node,) = (node for node in graph.main.nodes if node.op_type == "Slice")
    assert graph.constants[node.inputs[3]].load().tolist() == [1]


@pytest.mark.parametrize(
    ("begin", "end", "squeeze"), [(1, 2, False), (0, -1, False), (1, 0, True)], ids=["beyond", "none", "index"]
)
def test_slices_that_pymil_sees_otherwise_are_refused(begin: int, end: int, *, squeeze: bool) -> None:
    def body(x: Any) -> Any:
        return mb.slice_by_index(x=x, begin=[begin, 0], end=[end, 3], squeeze_mask=[squeeze, False])

    with pytest.raises(RunError, match="of the 1 elements along axis 0 the slice takes 0, not 1"):
        run(body, x=GRID[0, :1])


# --- slice_by_size


SIZES = [
    (np.s_[1:2, 0:2, 2:3], (1, 0, 2), (1, 2, 1)),
    (np.s_[1:, :2, 2:], (1, 0, 2), (-1, 2, -1)),
    (np.s_[-1:, -3:-1, -2:], (-1, -3, -2), (1, 2, 2)),
    (np.s_[:, 1:1, :], (0, 1, 0), (2, 0, 4)),
]


@open_or_not
@pytest.mark.parametrize(("python", "begin", "size"), SIZES)
def test_slice_of_a_known_size(python: Any, begin: tuple[int, ...], size: tuple[int, ...], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.slice_by_size(x=x, begin=begin, size=size), x=GRID, symbolic=symbolic)

    np.testing.assert_array_equal(result, GRID[python], strict=True)


@known_shapes
@pytest.mark.parametrize("constant", ["begin", "size", None])
@pytest.mark.parametrize(("python", "begin", "size"), [*SIZES, (np.s_[-1:, -3:-1, -2:], (-1, -3, -2), (-1, 2, -1))])
def test_slice_of_a_computed_place_or_size(
    python: Any, begin: tuple[int, ...], size: tuple[int, ...], *, constant: str | None, shape: tuple[int | None, ...]
) -> None:
    def body(x: Any, begin_in: Any, size_in: Any) -> Any:
        first = begin if constant == "begin" else begin_in
        return mb.slice_by_size(x=x, begin=first, size=size if constant == "size" else size_in)

    program = build_program(body, IOS15, x=fp32(*shape), begin_in=int32(3), size_in=int32(3))
    (result,) = Session(program).run({"x": GRID, "begin_in": begin, "size_in": size}).values()

    np.testing.assert_array_equal(result, GRID[python], strict=True)


def test_a_size_beyond_the_end_is_refused() -> None:
    with pytest.raises(RunError, match="of the 4 elements along axis 0 the slice takes 1, not 2"):
        run(lambda x: mb.slice_by_size(x=x, begin=[3], size=[2]), x=GRID[0, 0])


# --- crop, split, windows


@open_or_not
@pytest.mark.parametrize(("height", "width"), [((1, 0), (1, 2)), ((0, 0), (0, 3)), ((0, 0), (0, 0)), ((1, 2), (0, 0))])
def test_crop(height: tuple[int, int], width: tuple[int, int], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.crop(x=x, crop_height=height, crop_width=width), x=GRID, symbolic=symbolic)

    rows, columns = slice(height[0], 3 - height[1]), slice(width[0], 4 - width[1])
    np.testing.assert_array_equal(result, GRID[:, rows, columns], strict=True)


@open_or_not
@pytest.mark.parametrize(
    ("options", "cuts"),
    [
        ({"num_splits": 2, "axis": -1}, [2]),
        ({"num_splits": 1, "axis": 1}, []),
        ({"split_sizes": [1, 0, 2], "axis": 1}, [1, 1]),
        ({"split_sizes": [3, 1], "num_splits": 2, "axis": 2}, [3]),
    ],
)
def test_split(options: dict[str, Any], cuts: list[int], *, symbolic: bool) -> None:
    results = run(lambda x: mb.split(x=x, **options), x=GRID, symbolic=symbolic)

    for result, expected in zip(results, np.split(GRID, cuts, options["axis"]), strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


@open_or_not
def test_split_of_nothing(*, symbolic: bool) -> None:
    results = run(lambda x: mb.split(x=x, num_splits=2, axis=0), x=GRID[:0], symbolic=symbolic)

    assert [result.shape for result in results] == [(0, 3, 4)] * 2


def test_an_open_length_that_has_no_equal_parts_is_an_error() -> None:
    with pytest.raises(RunError):
        run(lambda x: mb.split(x=x, num_splits=2, axis=1), x=GRID, symbolic=True)


@open_or_not
@pytest.mark.parametrize(("axis", "size", "stride"), [(-1, 3, 1), (1, 2, 1), (2, 2, 2), (2, 1, 3), (0, 2, 1)])
def test_sliding_windows(axis: int, size: int, stride: int, *, symbolic: bool) -> None:
    def body(x: Any) -> Any:
        return mb.sliding_windows(x=x, axis=axis, size=size, stride=stride)

    (result,) = run(body, x=GRID, symbolic=symbolic)

    windows = np.lib.stride_tricks.sliding_window_view(GRID, size, axis)
    every = np.take(np.moveaxis(windows, -1, axis % 3 + 1), range(0, windows.shape[axis % 3], stride), axis % 3)
    np.testing.assert_array_equal(result, every, strict=True)


def test_a_window_that_does_not_fit_is_refused() -> None:
    with pytest.raises(RunError, match="a window of 5 does not fit in 4 elements"):
        run(lambda x: mb.sliding_windows(x=x, axis=2, size=5), x=GRID)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "bool", "float16"])
def test_every_element_type(dtype: str) -> None:
    x = (np.arange(6) % 4).astype(dtype).reshape(2, 3)

    def body(x: Any) -> list[Any]:
        return [
            mb.slice_by_index(x=x, begin=[0, -1], end=[1, 0], stride=[1, -1]),
            mb.slice_by_size(x=x, begin=[1, 1], size=[1, -1]),
            mb.sliding_windows(x=x, axis=1, size=2),
        ]

    results = run(body, IOS18, x=x, precision="float16")

    windows = np.stack([x[:, :2], x[:, 1:]], 1)
    for result, expected in zip(results, [x[:1, :0:-1], x[1:, 1:], windows], strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


def test_nothing_to_slice() -> None:
    results = run(
        lambda x: [mb.slice_by_index(x=x, begin=[0, 1, 0], end=[0, 3, 2]), mb.sliding_windows(x=x, axis=1, size=2)],
        x=GRID[:0],
        symbolic=True,
    )

    assert [result.shape for result in results] == [(0, 2, 2), (0, 2, 2, 4)]

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from milopt.runtime.session import Session
from support.program_registry import build_program, fp32
from support.running import run

GRID = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
OTHER = -GRID
open_or_not = pytest.mark.parametrize("symbolic", [False, True])
NUMPY_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


# --- concat and stack


@open_or_not
@pytest.mark.parametrize("axis", [0, 2, -2])
def test_concat_of_other_sizes(axis: int, *, symbolic: bool) -> None:
    y = np.take(OTHER, [0], axis)

    (result,) = run(lambda x, y: mb.concat(values=[x, y, x], axis=axis), x=GRID, y=y, symbolic=symbolic)

    np.testing.assert_array_equal(result, np.concatenate([GRID, y, GRID], axis), strict=True)


@pytest.mark.parametrize("shape", [(2, 3, 4), (None, 3, 4), (2, None, 4), (None, None, None)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_interleaved_values_take_turns(axis: int, shape: tuple[int | None, ...]) -> None:
    def body(x: Any, y: Any) -> Any:
        return mb.concat(values=[x, y], axis=axis, interleave=True)

    program = build_program(body, IOS15, x=fp32(*shape), y=fp32(*shape))
    (result,) = Session(program).run({"x": GRID, "y": OTHER}).values()

    expected = np.empty_like(np.concatenate([GRID, OTHER], axis))
    for first, values in enumerate((GRID, OTHER)):
        np.moveaxis(expected, axis, 0)[first::2] = np.moveaxis(values, axis, 0)
    np.testing.assert_array_equal(result, expected, strict=True)


@pytest.mark.parametrize("axis", [0, -1])
def test_scalars_make_a_vector(axis: int) -> None:
    def body(x: Any, y: Any) -> list[Any]:
        scalars = [mb.squeeze(x=x), mb.squeeze(x=y)]
        return [mb.concat(values=scalars, axis=axis), mb.stack(values=scalars, axis=axis)]

    for result in run(body, x=np.int32([3]), y=np.int32([5])):
        np.testing.assert_array_equal(result, np.int32([3, 5]), strict=True)


@open_or_not
@pytest.mark.parametrize("axis", [0, 2, 3, -1, -4])
def test_stack(axis: int, *, symbolic: bool) -> None:
    (result,) = run(lambda x, y: mb.stack(values=[x, y], axis=axis), x=GRID, y=OTHER, symbolic=symbolic)

    np.testing.assert_array_equal(result, np.stack([GRID, OTHER], axis), strict=True)


def test_one_value_alone() -> None:
    results = run(lambda x: [mb.concat(values=[x], axis=0), mb.stack(values=[x], axis=1)], x=GRID)

    for result, expected in zip(results, [GRID, GRID[:, None]], strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


@open_or_not
def test_nothing_adds_nothing(*, symbolic: bool) -> None:
    (result,) = run(lambda x, y: mb.concat(values=[x, y], axis=1), x=GRID, y=GRID[:, :0], symbolic=symbolic)

    np.testing.assert_array_equal(result, GRID, strict=True)


# --- tile


@open_or_not
@pytest.mark.parametrize("reps", [[2, 1, 3], [1, 1, 1]])
@pytest.mark.parametrize("x", [GRID, GRID[:0]], ids=["full", "empty"])
def test_tile(x: np.ndarray, reps: list[int], *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.tile(x=x, reps=reps), x=x, symbolic=symbolic)

    np.testing.assert_array_equal(result, np.tile(x, reps), strict=True)


def test_tile_by_computed_repetitions() -> None:
    (result,) = run(lambda x, reps: mb.tile(x=x, reps=reps), x=GRID, reps=np.int32([2, 1, 3]))

    np.testing.assert_array_equal(result, np.tile(GRID, [2, 1, 3]), strict=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "bool", "float16"])
def test_every_element_type(dtype: str) -> None:
    x = (np.arange(6) % 4).astype(dtype).reshape(2, 3)

    def body(x: Any) -> list[Any]:
        joined = [mb.concat(values=[x, x], axis=1), mb.stack(values=[x, x], axis=0)]
        return joined if dtype not in {"int32", "bool", "float16"} else [*joined, mb.tile(x=x, reps=[2, 1])]

    results = run(body, IOS17, x=x, precision="float16")

    for result, expected in zip(
        results, [np.concatenate([x, x], 1), np.stack([x, x]), np.tile(x, [2, 1])], strict=False
    ):
        np.testing.assert_array_equal(result, expected, strict=True)


# --- pad


@open_or_not
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize("amounts", [[1, 2], [2, 1, 0, 3], [1, 0, 0, 2, 3, 1], [0, 0]])
def test_pad_the_last_axes(amounts: list[int], mode: str, *, symbolic: bool) -> None:
    (result,) = run(lambda x: mb.pad(x=x, pad=amounts, mode=mode), x=GRID, symbolic=symbolic)

    pairs = np.reshape([0] * (6 - len(amounts)) + amounts, (3, 2))
    np.testing.assert_array_equal(result, np.pad(GRID, pairs, NUMPY_MODES[mode]), strict=True)  # type: ignore[call-overload]


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_pad_by_computed_amounts(mode: str) -> None:
    amounts = np.int32([1, 0, 0, 2, 3, 1])

    (result,) = run(lambda x, pad: mb.pad(x=x, pad=pad, mode=mode), x=GRID, pad=amounts)

    expected = np.pad(GRID, amounts.reshape(3, 2), NUMPY_MODES[mode])  # type: ignore[call-overload]
    np.testing.assert_array_equal(result, expected, strict=True)


def test_halves_are_padded_with_a_half() -> None:
    def body(x: Any) -> Any:
        return mb.cast(x=mb.pad(x=x, pad=[1, 0], constant_val=np.float16(0.1)), dtype="fp32")

    (result,) = run(body, x=np.float16([2]), precision="float16")

    np.testing.assert_array_equal(result, np.float16([0.1, 2]).astype(np.float32), strict=True)


@open_or_not
def test_nothing_is_padded_to_something(*, symbolic: bool) -> None:
    (result,) = run(
        lambda x: mb.pad(x=x, pad=[1, 2], constant_val=3.0), x=np.zeros((2, 0), np.float32), symbolic=symbolic
    )

    np.testing.assert_array_equal(result, np.full((2, 3), 3, np.float32), strict=True)


def test_reflections_reach_no_further_than_the_far_end() -> None:
    with pytest.raises(RunError, match="4 elements can not be reflected into a padding of 4"):
        run(lambda x: mb.pad(x=x, pad=[0, 4], mode="reflect"), x=GRID)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16
from milopt.runtime.session import Session
from support.program_registry import build_program, fp32
from support.running import run

IMAGES = np.arange(2 * 8 * 4 * 6, dtype=np.float32).reshape(2, 8, 4, 6)
NO_PADDING = [[0, 0], [0, 0]]


class Move(NamedTuple):
    """An op, the axes that it splits IMAGES into, their order in the result, and the result's shape."""

    op: Callable[[Any], Any]
    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    def of(self, images: np.ndarray) -> np.ndarray:
        """What numpy makes of images."""
        return images.reshape(self.split).transpose(self.order).reshape(self.shape)


MOVES = {
    "depth_to_space": Move(
        lambda x: mb.depth_to_space(x=x, block_size=2), (2, 2, 2, 2, 4, 6), (0, 3, 4, 1, 5, 2), (2, 2, 8, 12)
    ),
    "pixel_shuffle": Move(
        lambda x: mb.pixel_shuffle(x=x, upscale_factor=2), (2, 2, 2, 2, 4, 6), (0, 1, 4, 2, 5, 3), (2, 2, 8, 12)
    ),
    "space_to_depth": Move(
        lambda x: mb.space_to_depth(x=x, block_size=2), (2, 8, 2, 2, 3, 2), (0, 3, 5, 1, 2, 4), (2, 32, 2, 3)
    ),
    "pixel_unshuffle": Move(
        lambda x: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
        (2, 8, 2, 2, 3, 2),
        (0, 1, 3, 5, 2, 4),
        (2, 32, 2, 3),
    ),
    "space_to_batch": Move(
        lambda x: mb.space_to_batch(x=x, block_shape=[2, 3], paddings=NO_PADDING),
        (2, 8, 2, 2, 2, 3),
        (3, 5, 0, 1, 2, 4),
        (12, 8, 2, 2),
    ),
    "batch_to_space": Move(
        lambda x: mb.batch_to_space(x=x, block_shape=[1, 2], crops=NO_PADDING),
        (1, 2, 1, 8, 4, 6),
        (2, 3, 4, 0, 5, 1),
        (1, 8, 4, 12),
    ),
}
each_move = pytest.mark.parametrize("name", MOVES)


@pytest.mark.parametrize("shape", [(2, 8, 4, 6), (None, 8, 4, 6), (2, 8, None, None), (None,) * 4])
@each_move
def test_blocks_of_known_and_unknown_sizes(name: str, shape: tuple[int | None, ...]) -> None:
    move = MOVES[name]

    (result,) = Session(build_program(move.op, IOS16, x=fp32(*shape))).run({"x": IMAGES}).values()

    np.testing.assert_array_equal(result, move.of(IMAGES), strict=True)


@pytest.mark.parametrize("symbolic", [False, True])
@each_move
def test_blocks_of_halves(name: str, *, symbolic: bool) -> None:
    images = (IMAGES / 8).astype(np.float16)

    (result,) = run(MOVES[name].op, IOS16, x=images, precision="float16", symbolic=symbolic)

    np.testing.assert_array_equal(result, MOVES[name].of(images), strict=True)


@pytest.mark.parametrize("symbolic", [False, True])
@each_move
def test_blocks_of_no_images(name: str, *, symbolic: bool) -> None:
    move = MOVES[name]

    (result,) = run(move.op, IOS16, x=IMAGES[:0], symbolic=symbolic)

    assert result.shape == (0, *move.shape[1:])


@pytest.mark.parametrize("symbolic", [False, True])
def test_padding_before_and_cropping_after(*, symbolic: bool) -> None:
    borders = [[1, 0], [0, 4]]

    def body(x: Any) -> list[Any]:
        batch = mb.space_to_batch(x=x, block_shape=[5, 2], paddings=borders)
        return [batch, mb.batch_to_space(x=batch, block_shape=[5, 2], crops=borders)]

    batch, images = run(body, x=IMAGES, symbolic=symbolic)

    padded = np.pad(IMAGES, [(0, 0), (0, 0), *borders]).reshape(2, 8, 1, 5, 5, 2)
    np.testing.assert_array_equal(batch, padded.transpose(3, 5, 0, 1, 2, 4).reshape(20, 8, 1, 5), strict=True)
    np.testing.assert_array_equal(images, IMAGES, strict=True)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (lambda x: mb.depth_to_space(x=x, block_size=3), "8 elements along axis 1 do not make whole blocks of 9"),
        (lambda x: mb.space_to_depth(x=x, block_size=4), "6 elements along axis 3 do not make whole blocks of 4"),
        (
            lambda x: mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[1, 0], [0, 0]]),
            "5 elements along axis 2 do not make whole blocks of 2",
        ),
    ],
)
def test_parts_of_blocks_are_refused(op: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        run(op, x=IMAGES)

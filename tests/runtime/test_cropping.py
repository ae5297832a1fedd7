from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import get_new_symbol, mb
from milopt.ir.targets import IOS16, IOS17
from milopt.runtime.session import Session
from support.running import run

X = np.random.default_rng(0).standard_normal((2, 3, 6, 5)).astype(np.float32)
LAST = np.array([5, 4, 5, 4])
# Rows and columns at which they start and end; the third is read backwards, the fourth is a point, the last two are
# partly and wholly outside.
BOXES = np.float32([[0, 0, 5, 4], [1, 0.5, 4, 3], [3.5, 4, 1, 0], [2, 3, 2, 3], [-2, 1, 3, 6], [8, 0, 9, 4]])
IMAGES = np.int32([0, 1, 1, 0, 1, 0])
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]


def points(mode: str, start: float, end: float, count: int) -> np.ndarray:
    length, i = abs(end - start), np.arange(count)
    if mode == "ALIGN_CORNERS" and count == 1:
        return np.array([(start + end) / 2])
    along = {
        "STRICT_ALIGN_CORNERS": i * length / max(count - 1, 1),
        "ALIGN_CORNERS": i * length / max(count - 1, 1),
        "DEFAULT": i * (length + 1) / count,
        "OFFSET_CORNERS": (i + 0.5) * max(1, length) / count,
        "UNALIGN_CORNERS": (i + 0.5) * (length + 1) / count - 0.5,
    }
    return start + np.sign(end - start) * np.clip(along[mode], 0, length)


def cropped(image: np.ndarray, box: np.ndarray, size: tuple[int, int], mode: str, value: float = 0.0) -> np.ndarray:
    starts, ends = np.split(box.astype(np.float64), 2)
    axes = []
    for start, end, count, extent in zip(starts, ends, size, image.shape[1:], strict=True):
        at = points(mode, start, end, count)
        if mode == "UNALIGN_CORNERS":
            at = np.abs((at + extent - 1) % (2 * extent - 2) - (extent - 1))
        inside = (at >= 0) & (at <= extent - 1)
        low = np.clip(np.floor(at).astype(int), 0, extent - 1)
        axes.append((low, np.minimum(low + 1, extent - 1), np.clip(at, 0, extent - 1) - low, inside))
    (top, bottom, down, in_rows), (left, right, across, in_columns) = axes
    above, below = (
        image[:, rows][..., left] * (1 - across) + image[:, rows][..., right] * across for rows in (top, bottom)
    )
    mixed = above * (1 - down[:, None]) + below * down[:, None]
    return np.where(in_rows[:, None] & in_columns, mixed, value)


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(4, 3), (1, 1), (7, 9)])
@pytest.mark.parametrize("mode", MODES)
def test_a_box_is_sampled_as_an_image_of_its_size(mode: str, size: tuple[int, int]) -> None:
    options = {"target_height": size[0], "target_width": size[1], "sampling_mode": mode, "pad_value": 1.5}

    def body(x: Any, boxes: Any) -> list[Any]:
        return [mb.crop_resize(x=x, boxes=each, box_indices=IMAGES, **options) for each in (boxes, BOXES)]

    expected = np.stack([cropped(X[image], box, size, mode, 1.5) for image, box in zip(IMAGES, BOXES, strict=True)])
    for actual in run(body, IOS17, x=X, boxes=BOXES):
        close(actual, expected)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(
    ("layout", "columns", "is_centred"),
    [
        ("CORNERS_HEIGHT_FIRST", [0, 1, 2, 3], False),
        ("CORNERS_WIDTH_FIRST", [1, 0, 3, 2], False),
        ("CENTER_SIZE_HEIGHT_FIRST", [0, 1, 2, 3], True),
        ("CENTER_SIZE_WIDTH_FIRST", [1, 0, 3, 2], True),
    ],
)
def test_the_ways_to_write_a_box(layout: str, columns: list[int], *, is_centred: bool, normalized: bool) -> None:
    ends = BOXES * 2 / (LAST if normalized else 1)
    if is_centred:
        ends = np.concatenate([(ends[:, :2] + ends[:, 2:]) / 2, ends[:, 2:] - ends[:, :2]], axis=1)
    boxes = ends[:, columns].astype(np.float32)
    options = {"normalized_coordinates": normalized, "spatial_scale": 0.5, "box_coordinate_mode": layout}

    def body(x: Any, boxes: Any) -> Any:
        return mb.crop_resize(x=x, boxes=boxes, box_indices=IMAGES, target_height=3, target_width=2, **options)

    (actual,) = run(body, IOS17, x=X, boxes=boxes)

    close(actual, np.stack([cropped(X[i], box, (3, 2), "DEFAULT") for i, box in zip(IMAGES, BOXES, strict=True)]))


@pytest.mark.parametrize("symbolic", [False, True])
def test_boxes_for_all_images(*, symbolic: bool) -> None:
    def body(x: Any, roi: Any) -> Any:
        return mb.crop_resize(x=x, roi=roi, target_height=4, target_width=3, sampling_mode="ALIGN_CORNERS")

    boxes = BOXES.reshape(-1, 1, 4, 1, 1)
    if symbolic:
        batch, count = get_new_symbol(), get_new_symbol()
        specs = [mb.TensorSpec((batch, 3, get_new_symbol(), get_new_symbol())), mb.TensorSpec((count, 1, 4, 1, 1))]
        program = mb.program(input_specs=specs)(body)
        (actual,) = Session(program).run({"x": X, "roi": boxes}).values()
    else:
        (actual,) = run(body, x=X, roi=boxes)

    close(actual, np.stack([[cropped(image, box, (4, 3), "ALIGN_CORNERS") for image in X] for box in BOXES]))


def test_boxes_that_name_their_image() -> None:
    roi = np.concatenate([IMAGES[:, None], BOXES], axis=1).astype(np.float32).reshape(-1, 1, 5, 1, 1)

    def body(x: Any, roi: Any) -> Any:
        return mb.crop_resize(
            x=x, roi=roi, target_height=4, target_width=3, sampling_mode="OFFSET_CORNERS", pad_value=-2.0
        )

    (actual,) = run(body, IOS16, x=X, roi=roi)

    expected = [[cropped(X[i], box, (4, 3), "OFFSET_CORNERS", -2.0)] for i, box in zip(IMAGES, BOXES, strict=True)]
    close(actual, np.stack(expected))


@pytest.mark.parametrize("dtype", ["uint16", "fp16"])
def test_boxes_and_indices_of_other_types(dtype: str) -> None:
    boxes = np.int32([[1, 0, 4, 2], [0, 3, 5, 1]])

    def body(x: Any, boxes: Any, images: Any) -> Any:
        boxes, images = mb.cast(x=boxes, dtype=dtype), mb.cast(x=images, dtype="uint16")
        return mb.crop_resize(x=x, boxes=boxes, box_indices=images, target_height=2, target_width=3)

    (actual,) = run(body, IOS17, x=X, boxes=boxes, images=np.int32([1, 0]))

    close(actual, np.stack([cropped(X[1], boxes[0], (2, 3), "DEFAULT"), cropped(X[0], boxes[1], (2, 3), "DEFAULT")]))


def test_each_image_has_its_own_box_by_default() -> None:
    (actual,) = run(lambda x: mb.crop_resize(x=x, boxes=BOXES[:2], target_height=2), IOS17, x=X)

    close(actual, np.stack([cropped(X[i], BOXES[i], (2, 1), "DEFAULT") for i in (0, 1)]))


def test_boxes_with_an_unknown_number_of_entries_are_refused() -> None:
    specs = [mb.TensorSpec(X.shape), mb.TensorSpec((2, 1, get_new_symbol(), 1, 1))]
    program = mb.program(input_specs=specs)(lambda x, roi: mb.crop_resize(x=x, roi=roi))

    with pytest.raises(RunError, match="4 entries"):
        Session(program)

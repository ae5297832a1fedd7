from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from support.running import run


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes (x, y, width, height) around their centers."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, *, overlap: float, least: float, limit: int, per_class: bool
) -> list[np.ndarray]:
    """What coremltools' tests expect of Core ML: the best box always stays."""
    batch, _, classes = scores.shape
    coordinates, kept_scores = np.zeros((batch, limit, 4)), np.zeros((batch, limit, classes))
    indices, counts = np.full((batch, limit), -1), np.zeros(batch)
    for row in range(batch):
        best, label = scores[row].max(1), scores[row].argmax(1)
        kept: list[int] = []
        for index in np.argsort(-best, kind="stable"):
            rivals = [other for other in kept if not per_class or label[other] == label[index]]
            is_covered = any(iou(boxes[row, index], boxes[row, other]) > overlap for other in rivals)
            if not is_covered and (best[index] >= least or not kept):
                kept.append(int(index))
        kept = kept[:limit]
        coordinates[row, : len(kept)] = boxes[row, kept]
        kept_scores[row, : len(kept)] = scores[row, kept]
        indices[row, : len(kept)] = kept
        counts[row] = len(kept)
    return [coordinates, kept_scores, indices, counts]


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(("overlap", "least"), [(0.1, -200.0), (0.3, 10.0), (1.01, 0.0), (0.3, 300.0)])
@pytest.mark.parametrize(("count", "limit", "classes"), [(20, 7, 3), (8, 11, 1)])
def test_the_best_boxes_in_order_and_padding(
    count: int, limit: int, classes: int, overlap: float, least: float, *, per_class: bool
) -> None:
    generator = np.random.default_rng(count)
    boxes = generator.uniform(0, 100, (2, count, 4)).astype(np.float32)
    scores = generator.uniform(-100, 100, (2, count, classes)).astype(np.float32)
    options = {"iou_threshold": np.float32(overlap), "max_boxes": limit, "per_class_suppression": per_class}

    def old(boxes: Any, scores: Any) -> Any:
        return mb.non_maximum_suppression(boxes=boxes, scores=scores, score_threshold=np.float32(least), **options)

    def new(boxes: Any, scores: Any) -> Any:
        return mb.non_maximum_suppression(boxes=boxes, scores=scores, **options)

    expected = suppressed(boxes, scores, overlap=overlap, least=least, limit=limit, per_class=per_class)
    for symbolic in (False, True):
        for y, value in zip(run(old, IOS15, symbolic=symbolic, boxes=boxes, scores=scores), expected, strict=True):
            np.testing.assert_array_equal(y, value.astype(y.dtype))

    # Since iOS17 the boxes lie along the last axis, no score is too low, and nobody counts.
    expected = suppressed(boxes, scores, overlap=overlap, least=-1e9, limit=limit, per_class=per_class)[:3]
    expected[:2] = [value.transpose(0, 2, 1) for value in expected[:2]]
    outputs = run(new, IOS17, boxes=boxes.transpose(0, 2, 1), scores=scores.transpose(0, 2, 1))
    for y, value in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(y, value.astype(y.dtype))


BOXES = np.float16([[[0, 0, 2, 2], [0.25, 0, 2, 2], [9, 9, 1, 1]]])


def select(scores: np.ndarray, **options: Any) -> list[np.ndarray]:
    def body(boxes: Any, scores: Any) -> Any:
        return mb.non_maximum_suppression(boxes=boxes, scores=scores, max_boxes=3, **options)

    return run(body, boxes=BOXES, scores=scores, precision="float16")


def test_a_score_at_the_threshold_is_not_below_it() -> None:
    options = {"iou_threshold": np.float16(0.5), "score_threshold": np.float16(0.5)}

    *_, indices, counts = select(np.float16([[[0.5], [0.625], [0.375]]]), **options)

    np.testing.assert_array_equal(indices, [[1, -1, -1]])
    np.testing.assert_array_equal(counts, [1])

    *_, indices, counts = select(np.float16([[[0.5], [0.375], [0.625]]]), **options)

    np.testing.assert_array_equal(indices, [[2, 0, -1]])
    np.testing.assert_array_equal(counts, [2])


def test_of_equal_scores_the_first_box_wins_and_the_first_class_counts() -> None:
    options = {"iou_threshold": np.float16(0.5), "score_threshold": np.float16(0), "per_class_suppression": True}

    *_, indices, _ = select(np.float16([[[1, 1], [1, 0], [0, 1]]]), **options)

    np.testing.assert_array_equal(indices, [[0, 2, -1]])  # the second box is of the first one's class


def test_a_negative_overlap_is_refused() -> None:
    with pytest.raises(RunError, match="iou_threshold is negative"):
        select(np.float16([[[1], [1], [1]]]), iou_threshold=np.float16(-0.5), score_threshold=np.float16(0))

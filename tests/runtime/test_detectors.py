from __future__ import annotations

from collections.abc import Callable
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.runtime import Session
from milopt.runtime.surface.suppression import overlaps, suppressed
from support.packages import Shelf
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(10, 200)).astype(np.float16)


def boxes_of(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes around few places, so that many overlap."""
    centers = rng.integers(0, 3, (count, 2)) + rng.normal(scale=0.1, size=(count, 2))
    return np.concatenate([centers, rng.uniform(0.3, 1, (count, 2))], axis=1)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union, side by side."""
    sides = [
        max(0.0, min(first[i] + first[2 + i] / 2, second[i] + second[2 + i] / 2)
            - max(first[i] - first[2 + i] / 2, second[i] - second[2 + i] / 2))
        for i in range(2)
    ]  # fmt: skip
    common = sides[0] * sides[1]
    return common / (first[2] * first[3] + second[2] * second[3] - common)


def by_the_book(
    boxes: np.ndarray, confidences: np.ndarray, *, iou: float, confidence: float, per_class: bool
) -> list[int]:
    """The file format's five steps, one box at a time."""
    left = [i for i in np.argsort(-confidences.max(axis=1), kind="stable") if confidences[i].max() >= confidence]
    kept = []
    while left:
        top = left.pop(0)
        kept.append(int(top))
        left = [
            i for i in left
            if overlap(boxes[top], boxes[i]) <= iou
            or (per_class and confidences[i].argmax() != confidences[top].argmax())
        ]  # fmt: skip
    return kept


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize(("iou", "confidence"), [(0.45, 0.25), (0.1, 0.5), (0.6, 0.0), (1.0, 0.0), (0.0, 0.5)])
def test_suppression_does_what_the_file_format_says(*, per_class: bool, iou: float, confidence: float) -> None:
    rng = np.random.default_rng(2)
    boxes, confidences = boxes_of(rng, 60), rng.random((60, 4)) ** 3
    options = {"iou": iou, "confidence": confidence, "per_class": per_class}

    kept = suppressed(boxes, confidences, **options)

    expected = by_the_book(boxes, confidences, **options)
    assert kept.tolist() == expected
    assert iou == 1.0 or 0 < len(expected) < (confidences.max(axis=1) >= confidence).sum()


def test_boxes_upon_each_other() -> None:
    boxes = np.tile([1.0, 2, 3, 4], (3, 1))
    confidences = np.array([[0.5, 0.1], [0.1, 0.6], [0.5, 0.1]])
    options: dict[str, Any] = {"confidence": 0.2, "iou": 0.9}

    assert suppressed(boxes, confidences, per_class=False, **options).tolist() == [1]
    assert suppressed(boxes, confidences, per_class=True, **options).tolist() == [1, 0]
    assert suppressed(boxes, confidences, per_class=False, confidence=0.2, iou=1.0).tolist() == [1, 0, 2]


def test_confidence_at_the_threshold_is_kept() -> None:
    boxes, confidences = np.array([[0.0, 0, 1, 1], [5, 5, 1, 1]]), np.array([[0.25], [0.24]])
    assert suppressed(boxes, confidences, iou=0.5, confidence=0.25, per_class=False).tolist() == [0]


def test_nothing_to_suppress() -> None:
    for shape in ((0, 3), (4, 0)):
        options: dict[str, Any] = {"iou": 0.5, "confidence": 0.0, "per_class": True}
        assert suppressed(np.zeros((shape[0], 4)), np.zeros(shape), **options).size == 0


def test_overlap_of_boxes_without_area_is_zero() -> None:
    assert overlaps(np.zeros(4), np.array([[0.0, 0, 0, 0], [0, 0, 2, 2]])).tolist() == [0, 0]


# --- the stage behind a program


def detector(shelf: Shelf, edit: Callable[[Any, Any], object] = lambda _, __: None) -> Session:
    """The detector of `support.packages`; `edit` gets the pipeline's specification and the last stage's."""
    model = milopt.load(shelf["detector"])
    edit(model.specification, model.specification.pipeline.models[1])
    return Session(model)


def rows(specification: Any, stage: Any, *sizes: int) -> None:
    """How many boxes come out: as many as there are, just so many, or a range."""
    for output in (*specification.description.output, *stage.description.output):
        array = output.type.multiArrayType
        columns = array.shape[1]
        array.ClearField("shape")
        if len(sizes) == 1:
            array.shape.extend([sizes[0], columns])
        elif sizes:
            array.shapeRange.sizeRanges.add(lowerBound=sizes[0], upperBound=sizes[1])
            array.shapeRange.sizeRanges.add(lowerBound=columns, upperBound=columns)


def heads(shelf: Shelf) -> tuple[np.ndarray, np.ndarray]:
    """What the program gives to the suppression."""
    model = milopt.load(shelf["detector"])
    outputs = Session(model.program).run({"x": X})
    return outputs["confidence"].astype(float), outputs["coordinates"].astype(float)


def test_the_boxes_that_are_kept_come_out_most_confident_first(shelf: Shelf) -> None:
    confidences, boxes = heads(shelf)
    kept = by_the_book(boxes, confidences, iou=0.45, confidence=0.25, per_class=True)

    outputs = detector(shelf, rows).run({"x": X})

    np.testing.assert_array_equal(outputs["kept_confidence"], confidences[kept])
    np.testing.assert_array_equal(outputs["kept_coordinates"], boxes[kept])
    assert {value.dtype.name for value in outputs.values()} == {"float16"}


@pytest.mark.parametrize(("sizes", "expected"), [((14,), 14), ((2,), 2), ((3, 4), 4), ((14, 20), 14), ((0, 50), None)])
def test_the_number_of_boxes_is_cut_or_filled_with_zeros(
    shelf: Shelf, sizes: tuple[int, ...], expected: int | None
) -> None:
    free = detector(shelf, rows).run({"x": X})["kept_confidence"]

    found = detector(shelf, lambda *models: rows(*models, *sizes)).run({"x": X})["kept_confidence"]

    count = len(free) if expected is None else expected
    assert found.shape == (count, 12)
    np.testing.assert_array_equal(found[: len(free)], free[:count])
    assert not found[len(free) :].any()


def with_threshold_inputs(specification: Any, stage: Any) -> None:
    rows(specification, stage)
    stage.nonMaximumSuppression.iouThresholdInputFeatureName = "iou"
    stage.nonMaximumSuppression.confidenceThresholdInputFeatureName = "least"
    for description in (specification.description, stage.description):
        for name in ("iou", "least"):
            given = description.input.add(name=name)
            given.type.doubleType.SetInParent()
            given.type.isOptional = True


def test_thresholds_can_be_inputs(shelf: Shelf) -> None:
    session = detector(shelf, with_threshold_inputs)
    confidences, _ = heads(shelf)
    least = float(np.median(confidences.max(axis=1)))

    default = session.run({"x": X})["kept_confidence"]
    strict = session.run({"x": X, "least": least, "iou": 1})["kept_confidence"]

    np.testing.assert_array_equal(default, detector(shelf, rows).run({"x": X})["kept_confidence"])
    assert len(strict) == (confidences.max(axis=1) >= least).sum()
    assert session.run({"x": X, "least": 2.0})["kept_confidence"].shape == (0, 12)
    for thresholds in ({"iou": 1.5}, {"least": -1}, {"iou": float("nan")}):
        refusal(
            lambda given=thresholds: session.run({"x": X, **given}), RunError, r"stage 1 \(suppression\): the thresh"
        )
    refusal(lambda: session.run({"x": X, "iou": "high"}), RunError, "input 'iou': it is 'high'")


def test_a_stage_that_does_not_say_how_to_suppress_is_refused(shelf: Shelf) -> None:
    def clear(_: Any, stage: Any) -> None:
        stage.nonMaximumSuppression.ClearField("pickTop")

    refusal(lambda: detector(shelf, clear), RunError, r"stage 1 \(suppression\): it does not say how to suppress")


def test_heads_of_other_shapes_are_refused(shelf: Shelf) -> None:
    def swap(_: Any, stage: Any) -> None:
        nms = stage.nonMaximumSuppression
        nms.confidenceInputFeatureName, nms.coordinatesInputFeatureName = "coordinates", "confidence"

    refusal(
        lambda: detector(shelf, swap).run({"x": X}), RunError, r"have the shapes \[10, 4\] and \[10, 12\] \(they are"
    )

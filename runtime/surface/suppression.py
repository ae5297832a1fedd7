"""Core ML's non-maximum suppression, the last stage of many object detectors, with numpy.

The rules are those of the file format's `NonMaximumSuppression`.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from ...ir.descriptions.shapes import Range
from ...ir.errors import RunError
from .features import Feature, Interface
from .values import Values


def suppressed(
    boxes: np.ndarray, confidences: np.ndarray, *, iou: float, confidence: float, per_class: bool
) -> np.ndarray:
    """The indices of the boxes that are kept, the most confident first.

    A box goes when its greatest confidence is below `confidence`, or when it overlaps a kept, more confident one by
    more than `iou`.

    Args:
        boxes: center x, center y, width and height; shape (boxes, 4).
        confidences: of each class; shape (boxes, classes).
        iou: area of the intersection over that of the union.
        confidence: the least one.
        per_class: boxes only suppress boxes of the same likeliest class.
    """
    if not confidences.size:
        return np.zeros(0, np.intp)
    best, label = confidences.max(axis=1), confidences.argmax(axis=1)
    order = np.argsort(-best, kind="stable")
    order = order[best[order] >= confidence]
    kept = []
    while order.size:
        first, order = order[0], order[1:]
        kept.append(first)
        gone = overlaps(boxes[first], boxes[order]) > iou
        if per_class:
            gone &= label[order] == label[first]
        order = order[~gone]
    return np.asarray(kept, np.intp)


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others; 0 where the union is empty."""
    low = np.maximum(box[:2] - box[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[:2] + box[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    intersection = np.maximum(high - low, 0).prod(axis=1)
    union = box[2:].prod() + others[:, 2:].prod(axis=1) - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(union), where=union > 0))


@attrs.frozen
class Suppression:
    """The stage, from its protobuf; takes and gives the values of its features by name.

    Attributes:
        proto: the protobuf `NonMaximumSuppression`.
        rows: least and greatest number of boxes given.
    """

    proto: Any
    rows: Range

    @classmethod
    def of(cls, specification: Any, interface: Interface) -> Suppression:
        """The stage of a protobuf model.

        Raises:
            RunError: it names no outputs of the model, or a way to suppress other than the best box first.
        """
        proto = specification.nonMaximumSuppression
        outputs = {feature.name: feature for feature in interface.outputs}
        names = (proto.confidenceOutputFeatureName, proto.coordinatesOutputFeatureName)
        if set(names) != set(outputs):
            raise RunError(f"its outputs are {', '.join(outputs)}, and it gives {' and '.join(names)}")
        if proto.WhichOneof("SuppressionMethod") != "pickTop":
            raise RunError("it does not say how to suppress", hint="the only way is pickTop")
        limits = [limit for limit in (_rows(outputs[name]) for name in names) if limit != (0, None)]
        return cls(proto, limits[0] if limits else (0, None))

    def __call__(self, values: Values) -> dict[str, np.ndarray]:
        """The boxes that are kept and their confidences, cut or filled with zeros to the number that is asked for."""
        proto = self.proto
        names = (proto.confidenceInputFeatureName, proto.coordinatesInputFeatureName)
        confidences, boxes = (np.asarray(values[name], np.float64) for name in names)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or confidences.ndim != 2 or len(boxes) != len(confidences):
            shapes = f"{list(confidences.shape)} and {list(boxes.shape)}"
            raise RunError(f"confidences and boxes have the shapes {shapes}", hint="they are [N, classes] and [N, 4]")
        iou = float(values.get(proto.iouThresholdInputFeatureName, proto.iouThreshold))
        confidence = float(values.get(proto.confidenceThresholdInputFeatureName, proto.confidenceThreshold))
        if not (0 <= iou <= 1 and confidence >= 0):
            message = f"the thresholds are {iou} for overlap and {confidence} for confidence"
            raise RunError(message, hint="overlap lies within 0 and 1, confidence is not negative")
        kept = suppressed(boxes, confidences, iou=iou, confidence=confidence, per_class=proto.pickTop.perClass)
        return {
            proto.confidenceOutputFeatureName: self._fitted(confidences[kept]),
            proto.coordinatesOutputFeatureName: self._fitted(boxes[kept]),
        }

    def _fitted(self, rows: np.ndarray) -> np.ndarray:
        low, high = self.rows
        rows = rows[:high]
        return np.pad(rows, ((0, max(low - len(rows), 0)), (0, 0)))


def _rows(output: Feature) -> Range:
    """How many boxes an output has room for; its description may leave it open."""
    if output.ranges:
        return output.ranges[0]
    size = output.shape[0] if output.shape else None
    return (0, None) if size is None else (size, size)

"""The stages of pipelines that are no ML program and that numpy does in a line or two, by their protobuf's kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ...ir.errors import RunError
from .features import Feature, Interface
from .suppression import Suppression
from .values import Values

# Takes the values of the stage's inputs by name, gives those of its outputs.
Step: TypeAlias = "Callable[[Values], Mapping[str, Any]]"


def _suppression(specification: Any, interface: Interface) -> Step:
    return Suppression.of(specification, interface)


def _vectorizer(specification: Any, interface: Interface) -> Step:
    """Numbers and arrays, one after the other, as one vector."""
    columns = [column.inputColumn for column in specification.featureVectorizer.inputList]
    output = _single(interface.outputs, "output")
    return lambda values: {output.name: np.concatenate([_vector(values[name]) for name in columns])}


def _extractor(specification: Any, interface: Interface) -> Step:
    """Elements of an array by their place in it."""
    places = [int(place) for place in specification.arrayFeatureExtractor.extractIndex]
    return _elementwise(interface, lambda x: x.reshape(-1)[places])


def _scaler(specification: Any, interface: Interface) -> Step:
    """`(x + shift) * scale`, of one number or one for each element."""
    shift, scale = (np.asarray(each) for each in (specification.scaler.shiftValue, specification.scaler.scaleValue))
    return _elementwise(interface, lambda x: (x + (shift if shift.size else 0)) * (scale if scale.size else 1))


def _elementwise(interface: Interface, function: Callable[[np.ndarray], np.ndarray]) -> Step:
    given, output = _single(interface.inputs, "input"), _single(interface.outputs, "output")
    return lambda values: {output.name: function(np.asarray(values[given.name], np.float64))}


def _single(features: Sequence[Feature], what: str) -> Feature:
    if len(features) != 1:
        raise RunError(f"its kind has one {what}, and it has {len(features)}")
    return features[0]


def _vector(value: Any) -> np.ndarray:
    return np.asarray(value, np.float64).reshape(-1)


STEPS: dict[str, Callable[[Any, Interface], Step]] = {
    "arrayFeatureExtractor": _extractor,
    "featureVectorizer": _vectorizer,
    "nonMaximumSuppression": _suppression,
    "scaler": _scaler,
}

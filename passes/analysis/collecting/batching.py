"""Samples that run together: put one behind the other along the first axis, where a model's shapes allow it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from ....ir.errors import quoted
from ....runtime.surface.features import Feature

# What a model is called with; or several calls, one after the other, that share a state.
Call: TypeAlias = "Mapping[str, Any]"
Sample: TypeAlias = "Call | Sequence[Call]"

# How far outputs of a batch may be off those of its samples, relative to the greatest: kernels add up in other orders.
_TOLERANCE = 1e-3


@attrs.frozen
class Together:
    """Samples as one call.

    Attributes:
        call: the inputs of all.
        samples: how many they are.
    """

    call: Call
    samples: int


def joined(features: Sequence[Feature], samples: Sequence[Sample]) -> Together | str:
    """Several samples as one call, or why they can not be one."""
    for sample in samples:
        if not isinstance(sample, Mapping):
            return "a sequence of calls runs alone"
    found: dict[str, np.ndarray] = {}
    for feature in features:
        values = [sample[feature.name] for sample in samples if isinstance(sample, Mapping) and feature.name in sample]
        if len(values) != len(samples):
            return f"input {quoted(feature.name)} is left out of samples"
        array = _concatenated(feature, values)
        if isinstance(array, str):
            return array
        found[feature.name] = array
    return Together(found, len(samples)) if found else "the model has no inputs"


def _concatenated(feature: Feature, values: Sequence[Any]) -> np.ndarray | str:
    name = f"input {quoted(feature.name)}"
    if feature.kind != "array":
        return f"{name} is no array"
    arrays = [np.asarray(value) for value in values]
    if len({(array.shape, array.dtype) for array in arrays}) > 1 or not arrays[0].ndim:
        return f"{name} has other shapes or types in other samples"
    shape = (sum(array.shape[0] for array in arrays), *arrays[0].shape[1:])
    if not feature.allows(shape):
        return f"{name} can not have the shape {list(shape)}: the model takes {feature}"
    return np.concatenate(arrays)


def differs(together: Mapping[str, Any], alone: Sequence[Mapping[str, Any]]) -> str | None:
    """How the outputs of samples that ran together differ from those of each; if they do, the samples are no batch."""
    for name, value in together.items():
        parts = [each[name] for each in alone]
        if not isinstance(value, np.ndarray) or not all(isinstance(part, np.ndarray) and part.ndim for part in parts):
            return f"output {quoted(name)} does not tell samples apart"
        expected = np.concatenate(parts)
        if expected.shape != value.shape:
            return f"output {quoted(name)} has the shape {list(value.shape)}, not {list(expected.shape)}"
        scale = np.abs(expected[np.isfinite(expected)]).max(initial=0)
        if not np.allclose(value, expected, rtol=0, atol=float(scale) * _TOLERANCE, equal_nan=True):
            return f"output {quoted(name)} changes with what runs beside it"
    return None


def groups_of(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    """Samples in groups of a size; the last one may be smaller, and sequences of calls stand alone."""
    group: list[Sample] = []
    for sample in samples:
        if not isinstance(sample, Mapping) and group:
            yield group
            group = []
        group.append(sample)
        if len(group) == size or not isinstance(sample, Mapping):
            yield group
            group = []
    if group:
        yield group

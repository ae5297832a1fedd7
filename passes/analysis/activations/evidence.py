"""What is known about the numbers of a value, and where from."""

from __future__ import annotations

import re
from typing import Any

import attrs
import numpy as np

from ....ir.pymil import dtype_of, is_symbolic
from ..calibration.statistics import CalibrationStatistics
from ..calibration.tensor_statistics import Range, TensorStatistics
from ..refusal import Refusal
from .choices import Choices
from .classes import chain
from .limits import ANY, MEASURED_WITHIN, Limits, limits_of
from .values import stands_for_constant

_SIZE = re.compile(r"[0-9]+|[?]")
FORCE = "an override with force=true quantizes it"
_CALIBRATE = "calibrate with samples in which it is computed, or give its range with `ranges`"
_SAMPLES = "mend or leave out the samples with such numbers, and calibrate again"
_MASKS = "where the model makes them, use large finite numbers such as -40000 in masks"


@attrs.frozen(eq=False)
class Evidence:
    """What is known about the numbers of a value.

    Attributes:
        value: which.
        words: where it is known from: `measured`, `given`, `known of softmax`, `its elements`.
        limits: between which all of them lie.
        known: the range, if nothing has to decide on it.
        statistics: what was measured, otherwise.
    """

    value: Any
    words: str
    limits: Limits = ANY
    known: Range | None = None
    statistics: TensorStatistics | None = None

    @property
    def is_never_negative(self) -> bool:
        """Whether no number can be below zero, whatever was measured."""
        return self.limits[0] >= 0 or (self.known is not None and self.known.low >= 0)


@attrs.frozen(eq=False)
class Witness:
    """Finds evidence in one function.

    Attributes:
        function: its name.
        statistics: what calibration found; None without.
        choices: the user's.
    """

    function: str
    statistics: CalibrationStatistics | None
    choices: Choices

    def evidence(self, value: Any) -> Evidence | Refusal:
        """What is known about a value, or why it can not be quantized."""
        given = self.choices.given_range(value.name)
        if given is not None:
            return Evidence(value, "given", known=Range(given.low, given.high))
        if stands_for_constant(value):
            return _of_constant(value)
        limits = ANY if value.op is None else limits_of(value.op)
        if self.choices.fixed_ranges and _is_closed(limits) and value.op.op_type not in MEASURED_WITHIN:
            return _of_limits(value, limits)
        return self._measured(value, limits)

    def _measured(self, value: Any, limits: Limits) -> Evidence | Refusal:
        found = None if self.statistics is None else self.statistics.tensor(self.function, value.name)
        fits = found is not None and _fits(found, value)
        if found is not None and fits and found.has_range:
            return _of_finite(found, value, limits)
        if _is_closed(limits):
            return _of_limits(value, limits)
        if found is not None and not fits:
            kind = f"{found.dtype}[{_sizes_of(found)}]"
            return Refusal("missed", "other-type", f"the statistics of {value.name!r} are of {kind}", _CALIBRATE)
        if found is None:
            return Refusal("missed", "no-statistics", f"there are no statistics of {value.name!r}", _CALIBRATE)
        return Refusal("missed", "never-computed", f"no sample gave {value.name!r} a finite number", _CALIBRATE)

    def needs_statistics(self, value: Any) -> bool:
        """Whether nothing but statistics can tell the range of a value."""
        if stands_for_constant(value) or self.choices.given_range(value.name) is not None:
            return False
        return value.op is None or not _is_closed(limits_of(value.op))

    def range_of(self, found: Evidence, *, symmetric: bool, unsigned: bool) -> Range:
        """The range of a value that is worth codes.

        Raises:
            StatisticsError: what the observer needs was not collected.
        """
        if found.known is not None or found.statistics is None or self.statistics is None:
            return found.known or Range(0.0, 0.0)
        measured = self.statistics.range(
            self.function,
            found.statistics.name,
            self.choices.observer_of(found.value),
            symmetric=symmetric,
            unsigned=unsigned,
        )
        return _limited(measured, found.limits) if measured is not None else Range(0.0, 0.0)


def first_known(witness: Witness, value: Any) -> Evidence | Refusal:
    """What is known of a value: of its origin, or of the values on the way from there, which may be all that is."""
    path = chain(value)
    given = next((each for each in reversed(path) if witness.choices.given_range(each.name)), path[0])
    refusal = witness.evidence(given)
    for each in path if isinstance(refusal, Refusal) and refusal.code == "no-statistics" else ():
        found = witness.evidence(each)
        if isinstance(found, Evidence):
            return found
    return refusal


def _of_constant(value: Any) -> Evidence | Refusal:
    if value.val is None:
        return Refusal("missed", "compressed", f"{value.name!r} is a compressed constant, and is not decoded here")
    elements = np.asarray(value.val, np.float64)
    if not elements.size or not np.isfinite(elements).all():
        return Refusal("missed", "non-finite", f"the constant {value.name!r} has no range")
    return Evidence(value, "its elements", known=Range(float(elements.min()), float(elements.max())))


def _of_limits(value: Any, limits: Limits) -> Evidence:
    return Evidence(value, f"known of {value.op.op_type}", limits, Range(*limits))


def _of_finite(found: TensorStatistics, value: Any, limits: Limits) -> Evidence | Refusal:
    if found.not_finite:
        message = f"{found.not_finite} elements of {value.name!r} were infinite or NaN, which no code stands for"
        return Refusal("missed", "non-finite", message, _SAMPLES if value.op is None else f"{_SAMPLES}; {_MASKS}")
    return Evidence(value, "measured", limits, statistics=found)


def _is_closed(limits: Limits) -> bool:
    return bool(np.isfinite(limits).all())


def _limited(found: Range, limits: Limits) -> Range:
    low, high = (float(np.clip(each, *limits)) for each in (found.low, found.high))
    return Range(low, high)


def _fits(found: TensorStatistics, value: Any) -> bool:
    """Whether statistics are of a tensor of a value's type, as far as sizes are known."""
    sizes = _SIZE.findall(found.shape_words)
    shape = ["?" if is_symbolic(size) else str(size) for size in value.shape]
    if found.dtype != dtype_of(value).name or len(sizes) != len(shape):
        return False
    return all(one == other or "?" in (one, other) for one, other in zip(sizes, shape, strict=True))


def _sizes_of(found: TensorStatistics) -> str:
    return ", ".join(_SIZE.findall(found.shape_words))

"""Observers: which range of a value is worth codes, told from its statistics.

Every observer but `moving-average` reads what one run collected, so that it can be chosen, and changed, afterwards.
"""

from __future__ import annotations

import math
import re
from typing import ClassVar, Literal, TypeAlias

import attrs

from ....ir.errors import OptionError, did_you_mean, quoted
from .clipping import best_range
from .codes import Codes
from .errors import StatisticsError
from .grid import GridHistogram
from .masses import Loss, absolute_error, divergence, squared_error
from .tensor_statistics import MovingRange, Range, TensorStatistics

Collected: TypeAlias = Literal["ranges", "histograms", "moving averages"]

_LIMITS = {"moving-average": (0, 1), "percentile": (50, 100)}  # of the option: above, at most
_TEXT = re.compile(r"\s*([a-z-]+)\s*(?:\{\s*(?:([a-z-]+)\s*=\s*)?([^{}=]*?)\s*\}\s*)?")


@attrs.frozen
class Observer:
    """The base of every observer.

    Attributes:
        name: what it is called.
        needs: what has to be collected for it.
    """

    name: ClassVar[str]
    needs: ClassVar[Collected] = "histograms"

    def range(
        self, statistics: TensorStatistics, *, symmetric: bool = True, unsigned: bool = False, bits: int = 8
    ) -> Range:
        """The range to encode, never wider than what was measured.

        Args:
            statistics: of one value.
            symmetric: the zero point is 0: signed codes reach as far down as up.
            unsigned: with `symmetric`: there are no codes below 0, what is below it becomes 0. Without it the zero
                point moves, and signed codes do what unsigned ones do.
            bits: of a code.

        Returns:
            A range within that of the finite elements. Symmetric codes depend on its `magnitude` alone; affine ones
            widen it to hold 0.

        Raises:
            StatisticsError: there are no finite elements, or what the observer needs was not collected.
        """
        if not statistics.has_range:
            raise StatisticsError("it has no finite elements", where=f"value {quoted(statistics.name)}")
        found = self._range(statistics, Codes.of(symmetric=symmetric, unsigned=unsigned, bits=bits))
        return _within(found, statistics)

    def require_collected(self, statistics: TensorStatistics) -> None:
        """Does nothing if all that the observer needs of a value was collected.

        Raises:
            StatisticsError: it was not.
        """
        if self.needs == "histograms":
            _histogram(self, statistics)

    def _range(self, statistics: TensorStatistics, codes: Codes) -> Range:
        raise NotImplementedError

    def __str__(self) -> str:
        """Its text, which `parse_observer` takes."""
        options = attrs.asdict(self)
        return self.name + "".join(f"{{{option}={value}}}" for option, value in options.items())


def _within(found: Range, statistics: TensorStatistics) -> Range:
    """A range cut to what was measured."""
    low = min(max(found.low, statistics.minimum), statistics.maximum)
    return Range(low, max(low, min(found.high, statistics.maximum)))


@attrs.frozen
class MinMax(Observer):
    """The whole measured range."""

    name: ClassVar[str] = "min-max"
    needs: ClassVar[Collected] = "ranges"

    def _range(self, statistics: TensorStatistics, codes: Codes) -> Range:  # noqa: ARG002 - any codes have this range
        return Range(statistics.minimum, statistics.maximum)


@attrs.frozen
class MovingAverage(Observer):
    """Moving averages of the least and greatest element of each sample.

    Attributes:
        constant: the weight of a new sample. 0.1 is what coremltools' `EMAMinMaxObserver` gives it; PyTorch's 0.01
            is made for training, and would hardly leave the first sample in a calibration of some hundred.
    """

    name: ClassVar[str] = "moving-average"
    needs: ClassVar[Collected] = "moving averages"
    constant: float = 0.1

    def require_collected(self, statistics: TensorStatistics) -> None:
        """See `Observer.require_collected`; an average with another constant is none."""
        self._moving(statistics)

    def _range(self, statistics: TensorStatistics, codes: Codes) -> Range:  # noqa: ARG002 - as above
        moving = self._moving(statistics)
        return Range(moving.minimum, moving.maximum)

    def _moving(self, statistics: TensorStatistics) -> MovingRange:
        moving = statistics.moving
        if moving is None:
            raise _not_collected(self, statistics)
        if moving.constant != self.constant:
            raise StatisticsError(
                f"the moving averages were collected with the constant {moving.constant}, not {self.constant}",
                where=f"value {quoted(statistics.name)}",
                hint=f"use moving-average{{constant={moving.constant}}}",
            )
        return moving


@attrs.frozen
class Percentile(Observer):
    """The range that a share of the elements lies in: of magnitudes for symmetric codes, else at each end.

    Attributes:
        percentile: the share in percent, above 50.
    """

    name: ClassVar[str] = "percentile"
    percentile: float = 99.99

    def _range(self, statistics: TensorStatistics, codes: Codes) -> Range:
        histogram = _histogram(self, statistics)
        if codes.symmetric and codes.has_negative:
            reach = histogram.magnitudes().percentile(self.percentile)
            return Range(-reach, reach)
        return Range(histogram.percentile(100 - self.percentile), histogram.percentile(self.percentile))


@attrs.frozen
class _Optimal(Observer):
    """The base of observers that search for the range with the least loss."""

    loss: ClassVar[Loss]

    def _range(self, statistics: TensorStatistics, codes: Codes) -> Range:
        _histogram(self, statistics)
        found = best_range(statistics, codes, type(self).loss)
        # Codes reach from 0 whatever was measured: an end that was not searched stays as it was measured.
        return (
            Range(found.low or statistics.minimum, found.high or statistics.maximum) if not codes.symmetric else found
        )


@attrs.frozen
class MeanSquaredError(_Optimal):
    """The range for which the sum of squared errors of quantized elements is least."""

    name: ClassVar[str] = "mse"
    loss: ClassVar[Loss] = staticmethod(squared_error)


@attrs.frozen
class KullbackLeibler(_Optimal):
    """The range for which the distribution of quantized elements is nearest to that of the elements."""

    name: ClassVar[str] = "kl"
    loss: ClassVar[Loss] = staticmethod(divergence)


@attrs.frozen
class AbsoluteError(_Optimal):
    """The range for which the sum of the magnitudes of errors of quantized elements is least."""

    name: ClassVar[str] = "absolute-error"
    loss: ClassVar[Loss] = staticmethod(absolute_error)


OBSERVERS: dict[str, type[Observer]] = {
    kind.name: kind for kind in (MinMax, MovingAverage, Percentile, MeanSquaredError, KullbackLeibler, AbsoluteError)
}
"""Every observer by its name."""


def parse_observer(text: str | Observer) -> Observer:
    """The observer that a text stands for, such as `mse` or `percentile{percentile=99.9}`; the option's name can go.

    Raises:
        OptionError: there is no such observer, it has no such option, or its value is out of range.
    """
    if isinstance(text, Observer):
        return text
    match = _TEXT.fullmatch(text)
    if match is None or match[1] not in OBSERVERS:
        known = ", ".join(OBSERVERS)
        near = did_you_mean(match[1], OBSERVERS) if match else None
        raise OptionError(f"there is no observer {quoted(text)}", hint=near or f"one of {known}")
    kind = OBSERVERS[match[1]]
    return kind() if match[3] is None else _with_option(kind, match[2], match[3])


def _with_option(kind: type[Observer], option: str | None, value: str) -> Observer:
    """An observer whose only option has a value."""
    names = [field.name for field in attrs.fields(kind)]
    if not names or option not in (None, *names):
        had = f"no option {option!r}" if option else "no options"
        raise OptionError(f"the observer {kind.name!r} has {had}", hint=f"it has {names[0]!r}" if names else None)
    low, high = _LIMITS[kind.name]
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not low < number <= high:
        raise OptionError(f"{names[0]} of {kind.name!r} is above {low:g} and at most {high:g}, not {value!r}")
    return kind(**{names[0]: number})


def _histogram(observer: Observer, statistics: TensorStatistics) -> GridHistogram:
    if statistics.histogram is None:
        raise _not_collected(observer, statistics)
    return statistics.histogram


def _not_collected(observer: Observer, statistics: TensorStatistics) -> StatisticsError:
    return StatisticsError(
        f"the observer {observer.name!r} needs {observer.needs}, which were not collected",
        where=f"value {quoted(statistics.name)}",
        hint=f"calibrate with the observer {observer.name}",
    )

"""Statistics of several runs as those of one run over all their samples."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ....ir.errors import quoted
from .channel_tally import joined
from .errors import StatisticsError
from .function_statistics import FunctionStatistics
from .sums import Sum
from .tensor_statistics import ChannelStatistics, TensorStatistics


def merge_functions(name: str, one: FunctionStatistics, other: FunctionStatistics) -> FunctionStatistics:
    """The statistics of one function over the samples of both.

    Args:
        name: the function's name, for messages.
        one: what one run found.
        other: what another run found.

    Raises:
        StatisticsError: the two are not of the same values, or not of the same kind.
    """
    where = f"function {quoted(name)}"
    lonely = sorted(one.tensors.keys() ^ other.tensors.keys())
    if lonely:
        raise StatisticsError(
            f"the statistics to merge are of different values: {quoted(lonely[0])} is in one of them only"
            + (f", as are {len(lonely) - 1} more" if len(lonely) > 1 else ""),
            where=where,
            hint="calibrate both with the same tensors",
        )
    tensors = {each: merge_tensors(found, other.tensors[each], where) for each, found in one.tensors.items()}
    return FunctionStatistics(one.samples + other.samples, tensors, max(one.operations, other.operations))


def merge_tensors(one: TensorStatistics, other: TensorStatistics, where: str) -> TensorStatistics:
    """The statistics of one value over the samples of both.

    Raises:
        StatisticsError: they are not of the same type or kind, or depend on the order of samples.
    """
    place = f"{where}, value {quoted(one.name)}"
    _check(one, other, place)
    return attrs.evolve(
        one,
        elements=one.elements + other.elements,
        samples=one.samples + other.samples,
        minimum=min(one.minimum, other.minimum),
        maximum=max(one.maximum, other.maximum),
        not_finite=one.not_finite + other.not_finite,
        sums=_added(one.sums, other.sums),
        squares=_added(one.squares, other.squares),
        histogram=one.histogram.merge(other.histogram) if one.histogram and other.histogram else None,
        channels=_channels(one.channels, other.channels, place),
    )


def _check(one: TensorStatistics, other: TensorStatistics, where: str) -> None:
    if (one.name, one.dtype) != (other.name, other.dtype):
        raise StatisticsError(
            f"statistics of {quoted(one.name)} in {one.dtype} can not be merged with those of {quoted(other.name)} "
            f"in {other.dtype}",
            where=where,
        )
    if one.moving or other.moving:
        raise StatisticsError(
            "moving averages depend on the order of samples and can not be merged",
            where=where,
            hint="use another observer, or run over all samples at once",
        )
    if (one.histogram is None) != (other.histogram is None):
        raise StatisticsError(
            "ranges can not be merged with histograms", where=where, hint="calibrate both with the same observer"
        )


def _channels(one: ChannelStatistics | None, other: ChannelStatistics | None, where: str) -> ChannelStatistics | None:
    """Those of both; a value that was not computed in one of the runs has none there."""
    if one is None or other is None:
        return one or other
    try:
        return joined(one, other)
    except StatisticsError as error:
        raise StatisticsError(
            f"statistics of different channels can not be merged: {error.message}", where=where
        ) from error


def _added(one: Sum | None, other: Sum | None) -> Sum | None:
    return one.merge(other) if one is not None and other is not None else None


def only(values: Iterable[str], what: str, hint: str) -> str:
    """The word that all statistics to merge have in common.

    Raises:
        StatisticsError: they have several.
    """
    found = sorted(set(values))
    if len(found) != 1:
        raise StatisticsError(f"the statistics to merge are of different {what}: {', '.join(found)}", hint=hint)
    return found[0]

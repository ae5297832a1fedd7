"""Statistics as plain documents: dictionaries, lists, strings and numbers as JSON has them, with arrays among them.

Numbers are finite: a value without finite elements has the minimum and maximum null. Sums are pairs, see `Sum`.
Functions and values are sorted by name, so that equal statistics give equal documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .function_statistics import FunctionStatistics
from .grid import NEGATIVE, GridHistogram
from .sums import Sum
from .tensor_statistics import ChannelStatistics, MovingRange, TensorStatistics

Document = dict[str, Any]
_PLAIN = ("elements", "samples", "not_finite")  # fields of a tensor that are as they are


def encoded(functions: Mapping[str, FunctionStatistics]) -> Document:
    """The statistics of functions as a document."""
    return {name: _function(found) for name, found in sorted(functions.items())}


def decoded(document: Document) -> dict[str, FunctionStatistics]:
    """The statistics that a document stands for; arrays may be lists.

    Raises:
        LookupError, TypeError, ValueError: it is damaged.
    """
    return {
        name: FunctionStatistics(
            _count(found["samples"]),
            {each: _tensor_of(each, tensor) for each, tensor in found["tensors"].items()},
            _count(found["operations"]),
        )
        for name, found in document.items()
    }


def _function(found: FunctionStatistics) -> Document:
    tensors = {name: _tensor(tensor) for name, tensor in sorted(found.tensors.items())}
    return {"operations": found.operations, "samples": found.samples, "tensors": tensors}


def _tensor(found: TensorStatistics) -> Document:
    document: Document = {"dtype": found.dtype, "shape": found.shape_words}
    document |= {name: getattr(found, name) for name in _PLAIN}
    document["minimum"], document["maximum"] = (found.minimum, found.maximum) if found.has_range else (None, None)
    if found.sums is not None and found.squares is not None:
        document["sums"], document["squares"] = _sum(found.sums), _sum(found.squares)
    if found.histogram is not None:
        document["histogram"] = {"indices": found.histogram.indices, "counts": found.histogram.counts}
    if found.moving is not None:
        moving = found.moving
        document["moving"] = {"minimum": moving.minimum, "maximum": moving.maximum, "constant": moving.constant}
    if found.channels is not None:
        document["channels"] = _channels(found.channels)
    return document


def _tensor_of(name: str, document: Document) -> TensorStatistics:
    minimum, maximum = document["minimum"], document["maximum"]
    elements, samples, not_finite = (_count(document[each]) for each in _PLAIN)
    histogram = _histogram_of(document["histogram"]) if "histogram" in document else None
    if histogram is not None and histogram.total != elements - not_finite:
        raise ValueError(f"the histogram of {name!r} has {histogram.total} elements of {elements - not_finite}")
    found = TensorStatistics(
        name,
        _text(document["dtype"]),
        _text(document["shape"]),
        elements,
        samples,
        math.inf if minimum is None else _number(minimum),
        -math.inf if maximum is None else _number(maximum),
        not_finite,
        _sum_of(document["sums"]) if "sums" in document else None,
        _sum_of(document["squares"]) if "squares" in document else None,
        histogram,
        _moving_of(document["moving"]) if "moving" in document else None,
        _channels_of(document["channels"]) if "channels" in document else None,
    )
    if (minimum is None) != (maximum is None) or not (found.has_range or minimum is None):
        raise ValueError(f"the range of {name!r} is from {minimum} to {maximum}")
    return found


def _histogram_of(document: Document) -> GridHistogram:
    indices, counts = np.asarray(document["indices"], np.int64), np.asarray(document["counts"], np.int64)
    if indices.ndim != 1 or indices.shape != counts.shape:
        raise ValueError("a histogram has as many indices as counts")
    if indices.size and not (indices[0] >= 0 and indices[-1] < 2 * int(NEGATIVE) and counts.min() > 0):
        raise ValueError("a histogram has indices of 17 bits and counts above 0")
    if (np.diff(indices) <= 0).any():
        raise ValueError("the indices of a histogram ascend")
    return GridHistogram(indices.astype(np.uint32), counts)


def _moving_of(document: Document) -> MovingRange:
    return MovingRange(*(_number(document[each]) for each in ("minimum", "maximum", "constant")))


def _channels(found: ChannelStatistics) -> Document:
    return {
        "axis": found.axis,
        "elements": found.elements,
        "absmax": found.absmax,
        "sums": [found.sums.high, found.sums.low],
        "squares": [found.squares.high, found.squares.low],
    }


def _channels_of(document: Document) -> ChannelStatistics:
    elements = np.asarray(document["elements"], np.int64)
    absmax, *sums = (
        np.asarray(each, np.float64) for each in (document["absmax"], *document["sums"], *document["squares"])
    )
    if len(sums) != 4 or any(each.shape != elements.shape for each in (absmax, *sums)):
        raise ValueError("the statistics of channels are of different lengths")
    return ChannelStatistics(_integer(document["axis"]), elements, absmax, Sum(*sums[:2]), Sum(*sums[2:]))


def _sum(found: Sum) -> list[float]:
    return [float(found.high), float(found.low)]


def _sum_of(document: list[float]) -> Sum:
    high, low = document
    return Sum(_number(high), _number(low))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return value


def _count(value: Any) -> int:
    if _integer(value) < 0:
        raise ValueError(f"{value!r} is below 0")
    return int(value)

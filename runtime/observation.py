"""What a run can tell of values inside a program: the values themselves, or reductions computed in the graph.

A reduction leaves a few numbers of a tensor, so that the tensor is gone when its last user is done. `watching.py` puts
all this where values are made, `entries.py` holds what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from ..ir.errors import OptionError, did_you_mean
from .graph import FLOAT, INT32, INT64, Graph, Tensor


@attrs.frozen
class Histogram:
    """Counts of a tensor's elements in bins of equal width.

    The result has the shape (bins,) and the type int64. Elements outside the range are counted in the first or last
    bin, an element on the border of two bins in the upper one; elements that are no number are not to be relied on.

    Attributes:
        low: where the first bin begins.
        high: where the last bin ends; above `low`.
        bins: how many there are.
    """

    low: float
    high: float
    bins: int = 2048

    def __attrs_post_init__(self) -> None:
        if not (self.bins > 0 and np.isfinite(self.high - self.low) and self.high > self.low):
            raise OptionError(f"a histogram of {self.bins} bins from {self.low} to {self.high} is empty")

    def __str__(self) -> str:
        """The key of its result."""
        return "histogram"

    def build(self, g: Graph, tensor: Tensor) -> Tensor:
        """The counts, computed in the graph."""
        scale = self.bins / (self.high - self.low)
        shifted = g.op("Sub", g.op("Reshape", g.cast(tensor, FLOAT), [-1]), self.low)
        place = g.op("Clip", g.op("Floor", g.op("Mul", shifted, scale)), 0, self.bins - 1)
        bins = g.cast(place, INT32)
        # Half the memory of int64, and enough to count the elements of any tensor that fits into it.
        ones = g.op("ConstantOfShape", g.op("Shape", bins), value=np.ones(1, INT32), dtype=INT32)
        return g.cast(g.op("ScatterElements", np.zeros(self.bins, INT32), bins, ones, reduction="add"), INT64)


# What to keep of an observed value: "value" or the name of a reduction to a scalar (`REDUCTIONS`), or a histogram.
Statistic: TypeAlias = "str | Histogram"
# The statistics of each observed value by its MIL name; names alone ask for the values themselves.
Observe: TypeAlias = "Mapping[str, Sequence[Statistic]] | Iterable[str]"

# Reductions to a scalar. ONNX Runtime's extremes may pass over elements that are no number; a mean, being a sum, never
# does: it is finite only if all elements are. `finite_min`, `finite_max` are of finite elements, infinite without any.
REDUCTIONS: dict[str, Callable[[Graph, Tensor], Tensor]] = {
    "min": lambda g, x: g.op("ReduceMin", x, keepdims=0),
    "max": lambda g, x: g.op("ReduceMax", x, keepdims=0),
    "absmax": lambda g, x: g.op("ReduceMax", g.op("Abs", x), keepdims=0),
    "mean": lambda g, x: g.op("ReduceMean", g.cast(x, FLOAT), keepdims=0),
    "mean_square": lambda g, x: g.op("ReduceMean", g.op("Mul", *[g.cast(x, FLOAT)] * 2), keepdims=0),
    "finite_min": lambda g, x: g.op("ReduceMin", _finite_or(g, x, np.inf), keepdims=0),
    "finite_max": lambda g, x: g.op("ReduceMax", _finite_or(g, x, -np.inf), keepdims=0),
    "elements": lambda g, x: g.op("Size", x),
    "not_finite": lambda g, x: g.op("Sub", g.op("Size", x), _finite_count(g, x)),
}


def _is_finite(g: Graph, x: Tensor) -> Tensor:
    """Which elements are finite: what is not gives no zero when multiplied by it."""
    return g.op("Equal", g.op("Mul", g.cast(x, FLOAT), 0.0), 0.0)


def _finite_count(g: Graph, x: Tensor) -> Tensor:
    """How many elements are finite."""
    return g.cast(g.op("ReduceSum", g.cast(_is_finite(g, x), INT32), keepdims=0), INT64)


def _finite_or(g: Graph, x: Tensor, other: float) -> Tensor:
    """The finite elements, and another value in the place of all others."""
    return g.op("Where", _is_finite(g, x), g.cast(x, FLOAT), other)


def requested(observe: Observe | None) -> dict[str, tuple[Statistic, ...]]:
    """The statistics asked for by value name.

    Raises:
        OptionError: an unknown statistic.
    """
    if observe is None:
        return {}
    if isinstance(observe, str):
        observe = [observe]
    wanted = observe if isinstance(observe, Mapping) else dict.fromkeys(observe, ("value",))
    result = {}
    for name, statistics in wanted.items():
        each = (statistics,) if isinstance(statistics, str | Histogram) else tuple(statistics)
        for statistic in each:
            if statistic not in ("value", *REDUCTIONS) and not isinstance(statistic, Histogram):
                known = ["value", *REDUCTIONS, "histogram"]
                raise OptionError(
                    f"unknown statistic {statistic!r} of {name!r}",
                    hint=did_you_mean(str(statistic), known) or f"one of {', '.join(known)}",
                )
        result[name] = tuple({str(statistic): statistic for statistic in each}.values())  # each result has one key
    return result


def dtype_of_statistic(statistic: Statistic, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which the graph gives a statistic of values of a type."""
    return statistic_of(Graph(), Tensor("value", dtype), statistic).dtype


def shape_of_statistic(statistic: Statistic) -> tuple[int, ...] | None:
    """The shape of a statistic; None for that of the value itself."""
    if isinstance(statistic, Histogram):
        return (statistic.bins,)
    return None if statistic == "value" else ()


def statistic_of(g: Graph, tensor: Tensor, statistic: Statistic) -> Tensor:
    """Adds what computes a statistic of a value."""
    if isinstance(statistic, Histogram):
        return statistic.build(g, tensor)
    if statistic == "value":
        return tensor
    if tensor.dtype.kind == "b":
        tensor = g.cast(tensor, np.uint8)
    return REDUCTIONS[statistic](g, tensor)

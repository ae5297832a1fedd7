"""Gathers the statistics of one value, sample by sample."""

from __future__ import annotations

import math

import attrs
import numpy as np

from .channel_tally import ChannelTally
from .counting import GridCounter, chunks
from .sums import Sum
from .tensor_statistics import MovingRange, TensorStatistics

# A look costs some 50 microseconds before the first element counts.
_WORTH_A_LOOK = 1 << 14
_MOST_WAITING = 64


@attrs.define(eq=False)
class TensorTally:
    """The statistics of one value in the making; for one thread at a time, in constant memory.

    Attributes:
        name: the value's name.
        dtype: `fp16` or `fp32`, as the program has it.
        shape_words: its shape in MIL's words.
        histogram: whether to count its elements and sum them (`add`), or to keep the range only.
        moving: the weight of a new sample in moving averages of the range; None for none.
        channel_axis: the axis to keep statistics of each channel for; None for none.
    """

    name: str
    dtype: str
    shape_words: str = ""
    histogram: bool = attrs.field(default=True, kw_only=True)
    moving: float | None = attrs.field(default=None, kw_only=True)
    channel_axis: int | None = attrs.field(default=None, kw_only=True)
    _counter: GridCounter = attrs.field(init=False, factory=GridCounter)
    _moving: MovingRange | None = attrs.field(init=False, default=None)
    _channels: ChannelTally | None = attrs.field(init=False, default=None)
    _minimum: float = attrs.field(init=False, default=math.inf)
    _maximum: float = attrs.field(init=False, default=-math.inf)
    _elements: int = attrs.field(init=False, default=0)
    _samples: int = attrs.field(init=False, default=0)
    _not_finite: int = attrs.field(init=False, default=0)
    _sums: Sum = attrs.field(init=False, factory=Sum)
    _squares: Sum = attrs.field(init=False, factory=Sum)
    _waiting: list[np.ndarray] = attrs.field(init=False, factory=list)
    _waiting_samples: int = attrs.field(init=False, default=0)
    _waiting_elements: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if self.channel_axis is not None:
            self._channels = ChannelTally(self.channel_axis)

    def add(self, values: np.ndarray, *, samples: int = 1) -> None:
        """Takes the elements of one run, or of one that holds several samples; floats of any shape.

        Small ones are copied, and kept until there are enough of them to be worth a look. They are summed one by one at
        once: sums of the same samples are the same then, wherever a run was broken off.
        """
        at_once = self.moving is not None or self._channels is not None or values.size >= _WORTH_A_LOOK
        if at_once or not self._sum_up(values):
            self._look_at(values, samples)
            return
        self._waiting.append(np.array(values).reshape(-1))
        self._waiting_samples += samples if values.size else 0
        self._waiting_elements += values.size
        if self._waiting_elements >= _WORTH_A_LOOK or len(self._waiting) >= _MOST_WAITING:
            self._settle()

    def _settle(self) -> None:
        """Looks at all that waits."""
        if self._waiting:
            values, samples = np.concatenate(self._waiting), self._waiting_samples
            self._waiting, self._waiting_samples, self._waiting_elements = [], 0, 0
            self._look_at(values, samples, is_summed=True)

    def _sum_up(self, values: np.ndarray) -> bool:
        """Adds the elements to the sums, unless some are not finite; says whether it did."""
        if not self.histogram:
            return True
        total, squares = _sums_of(values.reshape(-1))
        if not math.isfinite(total):
            return False
        self._sums, self._squares = self._sums.add(total), self._squares.add(squares)
        return True

    def _look_at(self, values: np.ndarray, samples: int, *, is_summed: bool = False) -> None:
        minimum, maximum, not_finite = math.inf, -math.inf, 0
        sums, squares = Sum(), Sum()
        for chunk in chunks(values):
            finite, lost = self._count(chunk)
            not_finite += lost
            if finite.size:
                minimum, maximum = min(minimum, float(finite.min())), max(maximum, float(finite.max()))
                if self.histogram and not is_summed:
                    total, square = _sums_of(finite)
                    sums, squares = sums.add(total), squares.add(square)
        self._sums, self._squares = self._sums.merge(sums), self._squares.merge(squares)
        self.add_range(minimum, maximum, values.size, not_finite=not_finite, samples=samples)
        if self._channels is not None:
            self._channels.add(values)

    def add_range(
        self, minimum: float, maximum: float, elements: int, *, not_finite: int = 0, samples: int = 1
    ) -> None:
        """Takes what one run found.

        Args:
            minimum: the least finite element; what is not finite tells that there was none.
            maximum: the greatest finite element, likewise.
            elements: how many there were, those included that are not finite.
            not_finite: how many these were.
            samples: how many samples the run held.
        """
        self._elements += elements
        self._not_finite += not_finite
        self._samples += samples if elements else 0
        if not (math.isfinite(minimum) and math.isfinite(maximum)):
            return
        self._minimum, self._maximum = min(self._minimum, minimum), max(self._maximum, maximum)
        if self.moving is not None:
            before = self._moving
            first = MovingRange(minimum, maximum, self.moving)
            self._moving = first if before is None else before.followed_by(minimum, maximum)

    def finish(self) -> TensorStatistics:
        """The statistics so far."""
        self._settle()
        return TensorStatistics(
            self.name,
            self.dtype,
            self.shape_words,
            self._elements,
            self._samples,
            self._minimum,
            self._maximum,
            self._not_finite,
            self._sums if self.histogram else None,
            self._squares if self.histogram else None,
            self._counter.finish() if self.histogram else None,
            self._moving,
            self._channels.finish() if self._channels is not None else None,
        )

    def _count(self, chunk: np.ndarray) -> tuple[np.ndarray, int]:
        """The finite elements of a chunk, and how many others it has."""
        lost = self._counter.add_chunk(chunk) if self.histogram else chunk.size - int(np.isfinite(chunk).sum())
        return (chunk[np.isfinite(chunk)] if lost else chunk), lost


def _sums_of(vector: np.ndarray) -> tuple[float, float]:
    """The sum of a vector's elements, and that of their squares."""
    wide = vector.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
        total = float(wide.sum())
    np.multiply(wide, wide, out=wide)
    return total, float(wide.sum())

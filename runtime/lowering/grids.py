"""Where resized images are sampled, and arithmetic that is done at once where its operands are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from ..graph import INT64, Graph, Tensor
from ..shapes import Size

Operand: TypeAlias = "Numbers | float"


@attrs.frozen(eq=False)
class Numbers:
    """Numbers with Python's operators: an array, which is computed with now, or a value of the graph.

    Attributes:
        g: the graph that takes the ops on what is not known.
        held: the numbers.
    """

    g: Graph
    held: np.ndarray | Tensor

    @classmethod
    def of(cls, g: Graph, value: Size | np.ndarray) -> Numbers:
        """A size, an array, or a value of the graph, which is known if it is a constant."""
        if isinstance(value, Tensor):
            return cls(g, value if value.constant is None else value.constant.load())
        return cls(g, value if isinstance(value, np.ndarray) else np.asarray(value, INT64))

    @property
    def known(self) -> np.ndarray | None:
        """The array, if it is known."""
        return None if isinstance(self.held, Tensor) else self.held

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of each number."""
        return self.held.dtype

    @property
    def tensor(self) -> Tensor:
        """The numbers as a value of the graph."""
        return self.held if isinstance(self.held, Tensor) else self.g.constant(self.held)

    def __add__(self, other: Operand) -> Numbers:
        return self._apply("Add", np.add, other)

    def __sub__(self, other: Operand) -> Numbers:
        return self._apply("Sub", np.subtract, other)

    def __rsub__(self, other: float) -> Numbers:
        return self._constant(other) - self

    def __mul__(self, other: Operand) -> Numbers:
        return self._apply("Mul", np.multiply, other)

    def __truediv__(self, other: Operand) -> Numbers:
        return self._apply("Div", np.divide, other)

    def __rtruediv__(self, other: float) -> Numbers:
        return self._constant(other) / self

    def __floordiv__(self, other: Operand) -> Numbers:
        """Of integers that are not negative: ONNX's division truncates."""
        return self._apply("Div", np.floor_divide, other)

    def __mod__(self, other: Operand) -> Numbers:
        """Of floats, with the sign of the dividend."""
        return self._apply("Mod", np.fmod, other, fmod=1)

    def __le__(self, other: Operand) -> Numbers:
        return self._apply("LessOrEqual", np.less_equal, other)

    def __ge__(self, other: Operand) -> Numbers:
        return self._apply("GreaterOrEqual", np.greater_equal, other)

    def __and__(self, other: Numbers) -> Numbers:
        return self._apply("And", np.logical_and, other)

    def __abs__(self) -> Numbers:
        return self._apply("Abs", np.abs)

    def sign(self) -> Numbers:
        """-1, 0 or 1."""
        return self._apply("Sign", np.sign)

    def floor(self) -> Numbers:
        """The next integers below, as floats."""
        return self._apply("Floor", np.floor)

    def ceiling(self) -> Numbers:
        """The next integers above, as floats."""
        return self._apply("Ceil", np.ceil)

    def rounded(self) -> Numbers:
        """The nearest integers as floats, even ones where two are as near."""
        return self._apply("Round", np.rint)

    def at_least(self, low: Operand) -> Numbers:
        """The larger of the two."""
        return self._apply("Max", np.maximum, low)

    def at_most(self, high: Operand) -> Numbers:
        """The smaller of the two."""
        return self._apply("Min", np.minimum, high)

    def cast(self, dtype: np.dtype[Any]) -> Numbers:
        """The numbers in another type; floats are truncated to integers."""
        held = self.held
        return Numbers(self.g, self.g.cast(held, dtype) if isinstance(held, Tensor) else held.astype(dtype))

    def spread(self, *axes: int) -> Numbers:
        """With new axes of size 1."""
        held = self.held
        if isinstance(held, Tensor):
            return Numbers(self.g, self.g.op("Unsqueeze", held, list(axes))) if axes else self
        return Numbers(self.g, np.expand_dims(held, axes))

    def _constant(self, value: float) -> Numbers:
        return Numbers(self.g, np.asarray(value, self.dtype))

    def _apply(self, op_type: str, function: Callable[..., np.ndarray], *others: Operand, **attributes: int) -> Numbers:
        operands = [each.held if isinstance(each, Numbers) else self._constant(each).held for each in (self, *others)]
        if any(isinstance(each, Tensor) for each in operands):
            return Numbers(self.g, self.g.op(op_type, *operands, **attributes))
        return Numbers(self.g, np.asarray(function(*operands)))


# Step, start and parts of each sampling mode: the i-th of `count` points is at (2 * i * step + start) / (2 * parts),
# kept within [0, last]. Of integers, these fractions are exact.
_Formula = Callable[[Numbers, Numbers], "tuple[Numbers, Numbers | int, Numbers]"]
_FORMULAS: dict[str, _Formula] = {
    "STRICT_ALIGN_CORNERS": lambda last, count: (last, 0, (count - 1).at_least(1)),
    # A single point, and no other count, is in the middle.
    "ALIGN_CORNERS": lambda last, count: (last, last * (2 - count).at_least(0), (count - 1).at_least(1)),
    "DEFAULT": lambda last, count: (last + 1, 0, count),
    "OFFSET_CORNERS": lambda last, count: (last.at_least(1), last.at_least(1), count),
    "UNALIGN_CORNERS": lambda last, count: (last + 1, last + 1 - count, count),
}


@attrs.frozen(eq=False)
class Grid:
    """The points at which one axis is sampled, as fractions.

    Attributes:
        over: the numerators, within the image.
        under: the common denominator.
        last: the coordinate of the last pixel.
    """

    over: Numbers
    under: Numbers
    last: Numbers

    @classmethod
    def of(cls, mode: str, last: Numbers, count: Numbers) -> Grid:
        """The points of a sampling mode.

        Args:
            mode: MIL's name of it.
            last: the coordinate of the last pixel, an integer or, of a box, a float.
            count: how many points.
        """
        step, start, parts = _FORMULAS[mode](last, count.cast(last.dtype))
        over = counted(count).cast(last.dtype) * 2 * step + start
        return cls(over.at_least(0).at_most(parts * 2 * last), parts * 2, last)

    def below(self) -> Numbers:
        """The pixels at or before the points."""
        return self.over // self.under

    def above(self) -> Numbers:
        """The pixels at or behind the points."""
        return (self.over + self.under - 1) // self.under

    def weight(self, dtype: np.dtype[Any]) -> Numbers:
        """How far the points are from the pixels below them."""
        return (self.over - self.below() * self.under).cast(dtype) / self.under.cast(dtype)

    def nearest(self) -> Numbers:
        """The nearest pixels; the later of two that are as near."""
        return ((self.over * 2 + self.under) // (self.under * 2)).at_most(self.last)

    def coordinates(self) -> Numbers:
        """The points as floats."""
        return self.over / self.under


def mirrored(point: Numbers, period: Numbers) -> Numbers:
    """Points in [0, period / 2]: beyond these ends the axis is read backwards, and so on."""
    within = abs(point) % period
    return within.at_most(period - within)


def counted(count: Numbers) -> Numbers:
    """0, 1, ... below a count."""
    if count.known is not None:
        return Numbers(count.g, np.arange(count.known.item(), dtype=INT64))
    return Numbers(count.g, count.g.op("Range", 0, count.g.op("Squeeze", count.tensor), 1))

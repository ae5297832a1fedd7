"""Parts of a value along its axes, and values with a part replaced."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from ..graph import INT64, Graph, Operand, Tensor
from ..op import Op, Shape
from ..registry import lowers
from ..shapes import Size, product, size, sizes, vector
from .shaping import Part, parts, reshaped

# Beyond the end of any axis; its negative is before the start.
_END = int(np.iinfo(np.int64).max)
# A step that leaves any axis with one element; a longer one overflows when it is multiplied by the elements' size.
_LEAP = int(np.iinfo(np.int32).max)
# A size that reaches the end of any axis from any start.
_ALL = 1 << 62


@attrs.frozen
class _Cut:
    """What is taken of one axis, as a Python slice says it; None for what only running tells.

    Attributes:
        start: the first element.
        stop: the element before which it ends.
        step: from element to element.
    """

    start: int | None = 0
    stop: int | None = _END
    step: int = 1

    def takes_all(self, length: int | None) -> bool:
        """Whether it leaves an axis as it is."""
        ends = self.stop is not None and self.stop in (_END, length)
        return self.start == 0 and ends and self.step == 1

    def count(self, length: int | None) -> int | None:
        """How many elements of an axis it takes; None where that is not known."""
        if self.start is None or self.stop is None or length is None:
            return None
        return len(range(*slice(self.start, self.stop, self.step).indices(length)))


@lowers("slice_by_index", moves=True)
def slice_by_index(g: Graph, op: Op) -> Tensor:
    """Axes that are indexed are sliced to their one element, then squeezed."""
    squeezed = _flags(op, "squeeze_mask")
    cuts = _cuts_by_index(op)
    _check(op, cuts, squeezed, op.output_shape)
    result = _sliced(g, op, op["x"], cuts)
    axes = [axis for axis, indexed in enumerate(squeezed) if indexed]
    return g.op("Squeeze", result, axes) if axes else result


@lowers("slice_by_size", moves=True)
def slice_by_size(g: Graph, op: Op) -> Tensor:
    """A size of -1 takes the rest; a negative begin counts from the end."""
    begins, lengths = op.ints("begin"), op.ints("size")
    if begins is not None and lengths is not None:
        cuts = [_Cut(begin, _stop(begin, length)) for begin, length in zip(begins, lengths, strict=True)]
        _check(op, cuts, [False] * len(cuts), op.output_shape)
        return _sliced(g, op, op["x"], cuts)
    start = _from_the_front(g, op, begins)
    return g.op("Slice", op["x"], start, g.op("Add", start, _reach(g, op, lengths)))


@lowers("crop", moves=True)
def crop(g: Graph, op: Op) -> Tensor:
    """Drops elements at both ends of the last two axes."""
    ends = [op.ints(name) or [0, 0] for name in ("crop_height", "crop_width")]
    cuts = [_Cut()] * (op.rank("x") - 2) + [_Cut(before, -after or _END) for before, after in ends]
    _check(op, cuts, [False] * len(cuts), op.output_shape)
    return _sliced(g, op, op["x"], cuts)


@lowers("split", moves=True)
def split(g: Graph, op: Op) -> list[Tensor]:
    """Equal parts of a length that is not known are computed from it: ONNX's own rule for them is another."""
    axis, count = op.axis(), len(op.operation.outputs)
    if count == 1:
        return [op["x"]]
    each: Operand = op.ints("split_sizes")
    if each is None:
        length = size(g, op["x"], op.shape("x"), axis)
        if isinstance(length, int):
            each = [length // count] * count
        else:
            each = g.op("Expand", g.op("Div", length, [count]), [count])
    return list(g.ops("Split", op["x"], each, outputs=count, axis=axis))


@lowers("sliding_windows", moves=True)
def sliding_windows(g: Graph, op: Op) -> Tensor:
    """Gathers with a matrix of indices, one row for each window."""
    axis, width, stride = op.axis(), int(op.number("size")), int(op.number("stride", 1))
    length = op.shape("x")[axis]
    if length is None:
        last = g.op("Sub", g.op("Squeeze", g.op("Shape", op["x"], start=axis, end=axis + 1)), width)
        first = g.op("Range", 0, g.op("Add", last, 1), stride)
        windows = g.op("Add", g.op("Unsqueeze", first, [1]), list(range(width)))
    elif length < width:
        raise op.refusal(f"a window of {width} does not fit in {length} elements")
    else:
        windows = g.constant(np.arange(0, length - width + 1, stride)[:, None] + np.arange(width))
    return g.op("Gather", op["x"], windows, axis=axis)


@lowers("slice_update", moves=True)
def slice_update(g: Graph, op: Op) -> Tensor:
    """Scatters rows: all elements behind the last sliced axis, the axes up to it seen as one."""
    x, update, known, new = op["x"], op["update"], op.shape("x"), op.shape("update")
    cuts, every = _cuts_by_index(op), parts(g, x, known)
    _check(op, cuts, _flags(op, "squeeze_mask"), new)
    sliced = [axis for axis, cut in enumerate(cuts) if not cut.takes_all(known[axis])]
    if not sliced:
        return reshaped(g, update, every)
    depth = sliced[-1] + 1
    row, leading = every[depth:], len(new) - len(known) + depth
    rows = x if depth == 1 else reshaped(g, x, [_volume(g, x, known, depth), *row])
    update = update if leading == 1 else reshaped(g, update, [_volume(g, update, new, leading), *row])
    result = g.op("ScatterND", rows, _rows(g, op, cuts[:depth]), update)
    return result if depth == 1 else reshaped(g, result, every)


def _flags(op: Op, parameter: str) -> list[bool]:
    """A mask over x's axes; none is set where it is absent."""
    values = op.ints(parameter)
    return [False] * op.rank("x") if values is None else [bool(value) for value in values]


def _cuts_by_index(op: Op) -> list[_Cut]:
    """What `begin`, `end`, `stride` and the masks take of each axis."""
    rank = op.rank("x")
    unknown: list[int | None] = [None] * rank
    begins, ends = (op.ints(name) or unknown for name in ("begin", "end"))
    steps = op.ints("stride") or [1] * rank
    masks = [_flags(op, name) for name in ("begin_mask", "end_mask", "squeeze_mask")]
    return [_cut(*each) for each in zip(begins, ends, steps, zip(*masks, strict=True), strict=True)]


def _cut(begin: int | None, end: int | None, step: int, masks: tuple[bool, ...]) -> _Cut:
    no_begin, no_end, indexed = masks
    if indexed:
        start = 0 if no_begin else begin
        return _Cut(None, _END, _LEAP) if start is None else _Cut(start, start + 1 or _END)
    first, last = (0, _END) if step > 0 else (_END, -_END)
    return _Cut(first if no_begin else begin, last if no_end else end, step)


def _stop(begin: int, length: int) -> int:
    """Where a slice of so many elements ends; one that begins at -2 and has two ends at the end, not at 0."""
    stop = begin + length
    return _END if length < 0 or (begin < 0 <= stop) else stop


def _check(op: Op, cuts: Sequence[_Cut], indexed: Sequence[bool], declared: Shape) -> None:
    """Refuses slices that PyMIL gives another size than they have; what Core ML makes of those is not known."""
    results = iter(declared)
    for axis, (cut, length) in enumerate(zip(cuts, op.shape("x"), strict=True)):
        count, wanted = cut.count(length), 1 if indexed[axis] else next(results)
        if None not in (count, wanted) and count != wanted:
            raise op.refusal(f"of the {length} elements along axis {axis} the slice takes {count}, not {wanted}")


def _sliced(g: Graph, op: Op, tensor: Tensor, cuts: Sequence[_Cut]) -> Tensor:
    """One Slice over the axes that it changes."""
    axes = [axis for axis, cut in enumerate(cuts) if not cut.takes_all(op.shape("x")[axis])]
    steps = [cuts[axis].step for axis in axes]
    if not axes:
        return tensor
    starts = _bounds(g, op, "begin", axes, [cuts[axis].start for axis in axes])
    stops = _bounds(g, op, "end", axes, [cuts[axis].stop for axis in axes])
    return g.op("Slice", tensor, starts, stops, axes, steps if set(steps) != {1} else None)


def _bounds(g: Graph, op: Op, parameter: str, axes: Sequence[int], known: Sequence[int | None]) -> Operand:
    """What is known of an input of x's rank for some of the axes, and the input's own elements for the others."""
    fixed = [value for value in known if value is not None]
    if len(fixed) == len(known):
        return fixed
    computed = g.cast(op[parameter], INT64)
    if len(axes) < op.rank("x"):
        computed = g.op("Gather", computed, list(axes), axis=0)
    if not fixed:
        return computed
    open_ = np.asarray([value is None for value in known])
    return g.op("Where", open_, computed, [value or 0 for value in known])


def _from_the_front(g: Graph, op: Op, begins: Sequence[int] | None) -> Tensor:
    """`begin` with the axes' lengths added where it is negative."""
    if begins is not None and min(begins, default=0) >= 0:
        return g.constant(np.asarray(begins, INT64))
    start = g.cast(op["begin"], INT64)
    lengths = vector(g, sizes(g, op["x"], op.shape("x")))
    return g.op("Where", g.op("Less", start, [0]), g.op("Add", start, lengths), start)


def _reach(g: Graph, op: Op, lengths: Sequence[int] | None) -> Operand:
    """`size`, with what reaches beyond any end where it is negative."""
    if lengths is not None:
        return [_ALL if length < 0 else length for length in lengths]
    asked = g.cast(op["size"], INT64)
    return g.op("Where", g.op("Less", asked, [0]), [_ALL], asked)


def _volume(g: Graph, tensor: Tensor, shape: Shape, depth: int) -> Part:
    """The number of elements over the first axes of a value."""
    known = [length for length in shape[:depth] if length is not None]
    if len(known) < depth:
        return lambda: product(g, [size(g, tensor, shape, axis) for axis in range(depth)])
    return int(np.prod(known, dtype=np.int64))


def _rows(g: Graph, op: Op, cuts: Sequence[_Cut]) -> Tensor:
    """Which rows the slice takes, in its own order, as the indices that ScatterND wants."""
    total: Tensor | None = None
    inner: list[Size] = []
    for axis in reversed(range(len(cuts))):
        length = size(g, op["x"], op.shape("x"), axis)
        if length != 1:
            line = _elements(g, op, axis, length, cuts[axis])
            pitch = product(g, inner)
            line = line if pitch == 1 else g.op("Mul", line, [pitch] if isinstance(pitch, int) else pitch)
            line = g.op("Unsqueeze", line, list(range(1, len(inner) + 1))) if inner else line
            total = line if total is None else g.op("Add", line, total)
        inner.append(length)
    return g.constant(np.zeros((1, 1), INT64)) if total is None else g.op("Reshape", total, [-1, 1])


def _elements(g: Graph, op: Op, axis: int, length: Size, cut: _Cut) -> Tensor:
    """Which elements of an axis the slice takes."""
    all_ = g.constant(np.arange(length)) if isinstance(length, int) else g.op("Range", 0, g.op("Squeeze", length), 1)
    if cut.takes_all(op.shape("x")[axis]):
        return all_
    start, stop = _bounds(g, op, "begin", [axis], [cut.start]), _bounds(g, op, "end", [axis], [cut.stop])
    return g.op("Slice", all_, start, stop, [0], [cut.step] if cut.step != 1 else None)

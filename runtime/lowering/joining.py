"""Values put together: side by side, repeated, padded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..graph import INT64, Graph, Operand, Tensor
from ..op import Op, shape_of
from ..registry import lowers
from ..shapes import product, size
from .shaping import parts, reshaped

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}


@lowers("concat", moves=True)
def concat(g: Graph, op: Op) -> Tensor:
    """Scalars become a vector; interleaved values are stacked behind the axis, which then takes the stack in."""
    values, known = op.each("values"), shape_of(op.var("values")[0])
    (axis,) = op.ints("axis") or [0]
    if not known:
        return _stacked(g, values, 0)
    axis %= len(known)
    if len(values) == 1:
        return values[0]
    if not op.flag("interleave"):
        return g.op("Concat", *values, axis=axis)
    wanted, length = parts(g, values[0], known), known[axis]
    if length is None:
        wanted[axis] = lambda: product(g, [size(g, values[0], known, axis), len(values)])
    else:
        wanted[axis] = length * len(values)
    return reshaped(g, _stacked(g, values, axis + 1), wanted)


@lowers("stack", moves=True)
def stack(g: Graph, op: Op) -> Tensor:
    """A new axis, along which the values lie."""
    (axis,) = op.ints("axis") or [0]
    return _stacked(g, op.each("values"), axis % (len(shape_of(op.var("values")[0])) + 1))


def _stacked(g: Graph, values: Sequence[Tensor], axis: int) -> Tensor:
    thin = [g.op("Unsqueeze", value, [axis]) for value in values]
    return thin[0] if len(thin) == 1 else g.op("Concat", *thin, axis=axis)


@lowers("tile", moves=True)
def tile(g: Graph, op: Op) -> Tensor:
    """Each axis so many times over."""
    times = op.ints("reps")
    if times is None:
        return g.op("Tile", op["x"], g.cast(op["reps"], INT64))
    return op["x"] if set(times) <= {1} else g.op("Tile", op["x"], times)


@lowers("pad", moves=True)
def pad(g: Graph, op: Op) -> Tensor:
    """MIL has pairs of before and after for the last axes, ONNX all befores and then all afters."""
    mode = op.text("mode", "constant")
    amounts = op.ints("pad")
    if amounts is not None and not any(amounts):
        return op["x"]
    if mode == "reflect" and amounts is not None:
        _check_reflection(op, amounts)
    filling = np.asarray(op.number("constant_val"), op.dtype("x")) if mode == "constant" else None
    return g.op("Pad", op["x"], _pads(g, op, amounts), filling, mode=_PAD_MODES[mode])


def _pads(g: Graph, op: Op, amounts: Sequence[int] | None) -> Operand:
    rank = op.rank("x")
    if amounts is None:
        return g.op("Gather", g.cast(op["pad"], INT64), [*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)], axis=0)
    full = [0] * (2 * rank - len(amounts)) + list(amounts)
    return full[::2] + full[1::2]


def _check_reflection(op: Op, amounts: Sequence[int]) -> None:
    """A reflection has no values beyond the far end; whoever asks for them has another rule in mind."""
    padded = op.shape("x")[op.rank("x") - len(amounts) // 2 :]
    for length, *pair in zip(padded, amounts[::2], amounts[1::2], strict=True):
        if length is not None and max(pair) >= length:
            raise op.refusal(f"{length} elements can not be reflected into a padding of {max(pair)}")

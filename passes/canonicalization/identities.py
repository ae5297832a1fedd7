"""Ops that give what they take, and pairs of moving ops that are one.

The exact ones give every value to the last bit, NaN and the signs of zeros included. Adding +0.0 is not among them: it
turns -0.0 into +0.0, which shows when something is divided by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.pymil import Operation, Var, dtype_of
from ...ir.rewriting.patterns import Pattern
from ...ir.rewriting.rewriter import Rewriter
from ...ir.rewriting.rules import rule
from .matching import constant, keeps_shape, static_shape, under


def _is_plain(x: Any, op: Operation) -> bool:
    """Whether what stands beside x is a constant that does not change its shape."""
    other = _beside(x, op)
    return constant(other) is not None and keeps_shape(x, other)


def _adds_nothing(x: Any, op: Operation) -> bool:
    """Whether a sum with zeros is x to the last bit: -0.0 is the zero that no number changes with."""
    negative = np.signbit(np.asarray(_beside(x, op).val))
    added = np.all(negative) if op.op_type == "add" else not np.any(negative)
    return _is_plain(x, op) and (not dtype_of(x).is_float or bool(added))


def _beside(x: Any, op: Operation) -> Any:
    return op.y if op.x is x else op.x


def _sorted_axes(axes: Any, rank: int) -> list[int] | None:
    if not isinstance(axes, Var) or axes.val is None:
        return None
    return sorted(int(each) % rank for each in np.ravel(axes.val))


def _same_axes(a: Any, b: Any, rank: int) -> bool:
    axes = _sorted_axes(a, rank)
    return axes is not None and axes == _sorted_axes(b, rank)


def _forward(operation: Operation, rewriter: Rewriter) -> bool:
    rewriter.replace(operation, operation.x)
    return True


def _reshape_to_itself(operation: Operation, rewriter: Rewriter) -> bool:
    shape, wanted = operation.x.shape, operation.shape.val
    if wanted is None or len(wanted) != len(shape):
        return False
    pairs = list(zip(np.ravel(wanted).tolist(), shape, strict=True))
    open_ones = [asked for asked, has in pairs if asked == -1 or asked != has]
    # A size that is left open is what remains when all others are what they were.
    return (not open_ones or (open_ones == [-1] and _nothing_is_empty(pairs))) and _forward(operation, rewriter)


def _nothing_is_empty(pairs: list[tuple[int, Any]]) -> bool:
    return all(asked != 0 for asked, _ in pairs)


def _slice_of_all(operation: Operation, rewriter: Rewriter) -> bool:
    stride, squeezed = operation.inputs.get("stride"), operation.inputs.get("squeeze_mask")
    if any(each is not None and each.val is None for each in (stride, squeezed)):
        return False
    if (stride is not None and np.any(stride.val < 1)) or (squeezed is not None and np.any(squeezed.val)):
        return False
    return (_takes_everything(operation) or _same_static_shape(operation)) and _forward(operation, rewriter)


def _takes_everything(operation: Operation) -> bool:
    """Whether both masks say so for each axis, in steps of one."""
    masks = [operation.inputs.get(name) for name in ("begin_mask", "end_mask")]
    stride = operation.inputs.get("stride")
    steps_of_one = stride is None or bool(np.all(stride.val == 1))
    return steps_of_one and all(mask is not None and mask.val is not None and np.all(mask.val) for mask in masks)


def _same_static_shape(operation: Operation) -> bool:
    shape = static_shape(operation.x)
    return shape is not None and shape == static_shape(operation.outputs[0])


def _slice_of_size(operation: Operation, rewriter: Rewriter) -> bool:
    return _same_static_shape(operation) and _forward(operation, rewriter)


def _concat_of_one(operation: Operation, rewriter: Rewriter) -> bool:
    if len(operation.values) != 1:
        return False
    rewriter.replace(operation, operation.values[0])
    return True


def _pad_of_nothing(operation: Operation, rewriter: Rewriter) -> bool:
    pad = operation.pad.val
    return pad is not None and not np.any(pad) and _forward(operation, rewriter)


def _tile_once(operation: Operation, rewriter: Rewriter) -> bool:
    reps = operation.reps.val
    return reps is not None and bool(np.all(reps == 1)) and _forward(operation, rewriter)


def _composed(p: Any, q: Any) -> np.ndarray:
    """The permutation that does what p and then q do."""
    axes = np.asarray(p.val)
    return np.take(axes % axes.size, np.asarray(q.val) % axes.size)


EXACT = (
    rule("identity(x) -> x", name="identity", benefit=2),
    rule("mul(x, 1) -> x", name="multiply-by-one", where=_is_plain),
    rule("real_div(x, 1) -> x", name="divide-by-one", where=_is_plain),
    rule("pow(x, 1) -> x", name="power-of-one", where=_is_plain),
    under("0 if x is no float", rule("add(x, -0.0) -> x", name="add-nothing", where=_adds_nothing)),
    rule("sub(x, 0) -> x", name="subtract-nothing", where=_adds_nothing),
    under(
        "p in order",
        rule(
            "transpose(x, p) -> x",
            name="transpose-to-itself",
            benefit=2,
            where=lambda x, p: list(p.val % x.rank) == list(range(x.rank)),
        ),
    ),
    under(
        "r is p[q]",
        rule("transpose(transpose(x, p), q) -> transpose(x, r)", name="merge-transposes", let={"r": _composed}),
    ),
    under(
        "a and b the same axes",
        rule(
            "squeeze(expand_dims(x, a), b) -> x",
            name="squeeze-what-was-expanded",
            where=lambda a, b, op: _same_axes(a, b, op.x.rank),
        ),
    ),
    under(
        "a and b the same axes",
        rule(
            "expand_dims(squeeze(x, a), b) -> x",
            name="expand-what-was-squeezed",
            where=lambda x, a, b: _same_axes(a, b, x.rank),
        ),
    ),
    Pattern(name="reshape-to-itself", ops=("reshape",), rewrite=_reshape_to_itself, rule="reshape(x, shape(x)) -> x"),
    Pattern(name="slice-of-all", ops=("slice_by_index",), rewrite=_slice_of_all, rule="slice_by_index(x, all) -> x"),
    Pattern(name="slice-of-size", ops=("slice_by_size",), rewrite=_slice_of_size, rule="slice_by_size(x, all) -> x"),
    Pattern(name="concat-of-one", ops=("concat",), rewrite=_concat_of_one, rule="concat((x,), axis) -> x"),
    Pattern(name="pad-of-nothing", ops=("pad",), rewrite=_pad_of_nothing, rule="pad(x, 0) -> x"),
    Pattern(name="tile-once", ops=("tile",), rewrite=_tile_once, rule="tile(x, 1) -> x"),
)
BOUNDED = (*EXACT, rule("add(x, 0) -> x", name="add-zero", where=_is_plain))

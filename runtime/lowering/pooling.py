"""Pooling: the mean, the largest element or the length of what a sliding window sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Graph, Tensor
from ..op import Op
from ..registry import lowers
from .convolution import Window, known_pads, padded


@lowers("max_pool", moves=True)
def max_pool(g: Graph, op: Op) -> Tensor:
    """Padding never wins."""
    _check_elements_in_sight(op)
    x, attributes = _windows(g, op, -np.inf)
    return g.op("MaxPool", x, **attributes)


@lowers("l2_pool")
def l2_pool(g: Graph, op: Op) -> Tensor:
    """The root of the sum of squares."""
    x, attributes = _windows(g, op)
    return g.op("LpPool", x, p=2, **attributes)


@lowers("avg_pool")
def avg_pool(g: Graph, op: Op) -> Tensor:
    """Where padding is not counted but x had to be padded, the mean of ones, padded alike, corrects that of x."""
    exclude = op.flag("exclude_padding_from_average")
    if exclude:
        _check_elements_in_sight(op)
    x, attributes = _windows(g, op)
    mean = g.op("AveragePool", x, count_include_pad=int(not exclude), **attributes)
    if not exclude or x is op["x"]:
        return mean
    ones = g.op("Expand", g.constant(1, x.dtype), g.op("Shape", op["x"]))
    counted, _ = padded(g, op, ones, _window(op))
    return g.op("Div", mean, g.op("AveragePool", counted, **attributes))


def _windows(g: Graph, op: Op, fill: float = 0.0) -> tuple[Tensor, dict[str, Any]]:
    """An op's `x`, padded where its ONNX op could not do it, and the attributes of that op."""
    window = _window(op)
    x, padding = padded(g, op, op["x"], window, fill)
    if op.flag("ceil_mode"):
        _check_ceil_mode(op, window, padding.get("pads"))
        padding["ceil_mode"] = 1
    return x, {"kernel_shape": list(window.reach), "strides": list(window.strides), **padding}


def _window(op: Op) -> Window:
    return Window.of(op, op.ints("kernel_sizes") or [])


def _check_elements_in_sight(op: Op) -> None:
    """Refuses a largest element, or a mean, of nothing."""
    window = _window(op)
    pads = known_pads(op, window)
    if pads is not None and any(pad >= reach for pad, reach in zip(pads, window.reach * 2, strict=True)):
        raise op.refusal("with so much padding it has windows that see nothing else")


def _check_ceil_mode(op: Op, window: Window, pads: list[int] | None) -> None:
    """Refuses what ONNX, as PyTorch, has no output for: a last window that starts beyond the elements.

    MIL drops such a window too, but not where there is no padding.
    """
    if pads is None:
        raise op.refusal("ceil_mode with padding of a whole window, or by sizes that are not known before it runs")
    for axis, (reach, step) in enumerate(zip(window.reach, window.strides, strict=True)):
        size, declared = op.shape("x")[2 + axis], op.output_shape[2 + axis]
        if size is None:
            continue
        front, end = pads[axis], pads[axis + len(window.reach)]
        last = -(-(size + front + end - reach) // step)
        if declared != last + (last * step < size + front):
            raise op.refusal(f"its last window along axis {2 + axis} starts beyond the elements")

"""Convolutions, and the padding of windows that slide over an image, which pooling shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ..graph import FLOAT, Graph, Tensor
from ..op import Op
from ..registry import lowers

# In ONNX too, an odd element of padding goes to the end, or with "lower" to the front.
_AUTO_PADS = {"same": "SAME_UPPER", "same_lower": "SAME_LOWER"}


@attrs.frozen
class Window:
    """How a kernel slides over the spatial dimensions.

    Attributes:
        reach: the elements that the kernel spans along each dimension, dilation included.
        strides: the elements from one position to the next.
        dilations: the elements from one of the kernel's to the next.
    """

    reach: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @classmethod
    def of(cls, op: Op, kernel: Sequence[int | None]) -> Window:
        """The window of an op with a kernel of these sizes."""
        sizes = [size for size in kernel if size is not None]
        if len(sizes) < len(kernel):
            raise op.refusal("the size of its kernel is not known before it runs")
        ones = [1] * len(sizes)
        strides, dilations = op.ints("strides") or ones, op.ints("dilations") or ones
        reach = [(size - 1) * step + 1 for size, step in zip(sizes, dilations, strict=True)]
        return cls(tuple(reach), tuple(strides), tuple(dilations))

    @property
    def is_dense(self) -> bool:
        """Whether the kernel skips no element, and no element lies between two of its positions."""
        return set(self.dilations) == {1} and all(
            reach >= step for reach, step in zip(self.reach, self.strides, strict=True)
        )


@lowers("conv")
def conv(g: Graph, op: Op) -> Tensor:
    """One Conv, bias included, so that ONNX Runtime fuses the activation that follows."""
    return _convolved(g, op, op["weight"], op.get("bias"))


@lowers("conv_quantized")
def conv_quantized(g: Graph, op: Op) -> Tensor:
    """The weight is `scale * weight + offset`, with one of both for the whole or for each output channel."""
    if op.text("quantization_type") != "linear":
        raise op.refusal("only linear quantization says in its inputs what its weights are")
    per_channel = [-1] + [1] * (op.rank("weight") - 1)
    scale, offset = (g.op("Reshape", op[name], per_channel) for name in ("quant_scale", "quant_bias"))
    weight = g.op("Add", g.op("Mul", g.cast(op["weight"], FLOAT), scale), offset)
    bias = op.get("bias")
    return _convolved(g, op, weight, None if bias is None else g.cast(bias, FLOAT))


@lowers("conv_transpose")
def conv_transpose(g: Graph, op: Op) -> Tensor:
    """Padding crops what the kernel's overlaps reach; an output larger than that ends in zeros (and the bias)."""
    window = Window.of(op, op.shape("weight")[2:])
    fronts, ends = _crops(op, window)
    if min(fronts) < 0 or any(-end >= step for end, step in zip(ends, window.strides, strict=True)):
        raise op.refusal("its output is larger than its input can make it")
    return g.op(
        "ConvTranspose",
        op["x"],
        op["weight"],
        op.get("bias"),
        strides=list(window.strides),
        dilations=list(window.dilations),
        group=int(op.number("groups", 1)),
        pads=[*fronts, *(max(end, 0) for end in ends)],
        output_padding=[max(-end, 0) for end in ends],
    )


def padded(g: Graph, op: Op, x: Tensor, window: Window, fill: float = 0.0) -> tuple[Tensor, dict[str, Any]]:
    """What windows slide over, and the ONNX attributes that pad it further.

    An op of its own pads where ONNX Runtime's kernels can not: by a whole window, or by what a size that is not yet
    known asks for if the window is not dense.

    Args:
        g: the graph.
        op: the op with `pad_type` and `pad`.
        x: the op's `x`, or a value of the same shape.
        window: its window.
        fill: what to pad with.
    """
    pads, kind = known_pads(op, window), op.text("pad_type", "valid").lower()
    if pads is None:
        if window.is_dense:
            return x, {"auto_pad": _AUTO_PADS[kind]}
        return _pad(g, x, _same_pads(g, x, window, lower=kind == "same_lower"), fill, len(window.reach)), {}
    if all(0 <= pad < reach for pad, reach in zip(pads, window.reach * 2, strict=True)):
        return x, {"pads": pads}
    return _pad(g, x, g.constant(pads), fill, len(window.reach)), {}


def known_pads(op: Op, window: Window) -> list[int] | None:
    """The padding at the front of each spatial dimension, then that at their ends; None where sizes decide it."""
    kind = op.text("pad_type", "valid").lower()
    if kind == "valid":
        return [0] * 2 * len(window.reach)
    if kind == "custom":
        pad = op.ints("pad") or []
        return [*pad[0::2], *pad[1::2]]
    totals = [_same_total(*each) for each in zip(op.shape("x")[2:], window.reach, window.strides, strict=True)]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return None
    less, more = [total // 2 for total in known], [total - total // 2 for total in known]
    return [*more, *less] if kind == "same_lower" else [*less, *more]


def _convolved(g: Graph, op: Op, weight: Tensor, bias: Tensor | None) -> Tensor:
    window = Window.of(op, op.shape("weight")[2:])
    x, padding = padded(g, op, op["x"], window)
    steps = {"strides": list(window.strides), "dilations": list(window.dilations)}
    return g.op("Conv", x, weight, bias, group=int(op.number("groups", 1)), **steps, **padding)


def _same_total(size: int | None, reach: int, step: int) -> int | None:
    """The padding for `ceil(size / step)` windows; with a step of one it is the same for all sizes."""
    if step == 1 or reach == 1:
        return reach - 1
    return None if size is None else max((-(-size // step) - 1) * step + reach - size, 0)


def _same_pads(g: Graph, x: Tensor, window: Window, *, lower: bool) -> Tensor:
    """What `known_pads` gives for "same", computed from the sizes of x when it runs."""
    size, step = g.op("Shape", x, start=2), list(window.strides)
    steps = g.op("Div", g.op("Sub", size, 1), step)  # to the last window
    total = g.op("Max", g.op("Sub", g.op("Add", g.op("Mul", steps, step), list(window.reach)), size), 0)
    less = g.op("Div", total, 2)
    more = g.op("Sub", total, less)
    return g.op("Concat", *((more, less) if lower else (less, more)), axis=0)


def _pad(g: Graph, x: Tensor, pads: Tensor, fill: float, rank: int) -> Tensor:
    return g.op("Pad", x, pads, fill, list(range(2, 2 + rank)))


def _crops(op: Op, window: Window) -> tuple[list[int], list[int]]:
    """What a transposed convolution cuts off the front and the end of each dimension; less than 0 where it adds."""
    kind = op.text("pad_type", "valid").lower()
    pads = None if kind.startswith("same") else known_pads(op, window)
    wanted = (op.ints("output_shape") or [])[2:]
    fronts, ends = [], []
    for axis, (reach, step) in enumerate(zip(window.reach, window.strides, strict=True)):
        total = reach - step if pads is None else pads[axis] + pads[axis + len(window.reach)]
        if wanted:
            size = op.shape("x")[2 + axis]
            if size is None:
                raise op.refusal("it has an output_shape, but the size of its input is not known before it runs")
            total = (size - 1) * step + reach - wanted[axis]
        fronts.append(pads[axis] if pads is not None else (max(total, 0) + (kind == "same_lower")) // 2)
        ends.append(total - fronts[-1])
    return fronts, ends

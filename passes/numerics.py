"""The arithmetic of weight quantization: `w = scale * (q - zero_point)`, the equation that the file format defines.

`q = clip(round(w / scale) + zero_point)`, rounding half to even. Scales and rounding are computed in fp32 whatever
the weight's type and the stored scale, already rounded to that type, is the one that weights are divided by, so that
each `q` is the nearest one to what a device will decode. Weights are worked on in tiles that fit a core's cache,
by as many threads as there are cores: numpy releases the interpreter's lock.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any, Literal, TypeVar

import attrs
import numpy as np

IntegerType = Literal["int8", "uint8"]
Tile = tuple[slice, slice]
Result = TypeVar("Result")

_TILE_ELEMENTS = 1 << 18  # 1 MiB of fp32: fits a second-level cache, and is long enough not to fight for the lock
_THREADED_ELEMENTS = 1 << 20  # below this a pool costs more than it gives


@attrs.frozen(eq=False)
class QuantizedTensor:
    """A quantized tensor.

    Attributes:
        data: int8 or uint8, the shape of the weight.
        scale: the weight's float type; shape (channels,), or (1,) per tensor.
        zero_point: the type of `data` and the shape of `scale`; None when it is 0 everywhere.
        axis: the channel axis; None per tensor.
    """

    data: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray | None
    axis: int | None

    def broadcast(self, values: np.ndarray) -> np.ndarray:
        """Scales or zero points in a shape that broadcasts against `data`: rank kept, 1 everywhere but on the axis."""
        shape = [1] * self.data.ndim
        if self.axis is not None:
            shape[self.axis] = -1
        return values.reshape(shape)

    def dequantize(self) -> np.ndarray:
        """The weight that this stands for, in fp32: `scale * (data - zero_point)`."""
        shifted = self.data.astype(np.float32)
        if self.zero_point is not None:
            shifted -= self.broadcast(self.zero_point).astype(np.float32)
        shifted *= self.broadcast(self.scale).astype(np.float32)
        return shifted


def integer_range(dtype: IntegerType, *, symmetric: bool) -> tuple[int, int, int]:
    """The least and greatest code and, for symmetric modes, the zero point.

    Symmetric codes are [-127, 127]; unsigned types shift them by 128. Affine codes use the full range.
    """
    shift = 128 if dtype == "uint8" else 0
    return (-127 + shift, 127 + shift, shift) if symmetric else (-128 + shift, 127 + shift, 0)


def channel_peaks(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """The greatest magnitude of each channel: fp32, shape (channels,), or (1,) without an axis.

    One that is not finite tells that the channel holds infinities or NaN. Nothing is converted: IEEE 754 magnitudes
    compare like the integers that their bits are.
    """
    view = _as_channels(weight, axis)
    mask = np.uint16(0x7FFF) if weight.dtype == np.float16 else np.uint32(0x7FFFFFFF)
    bits = view.view(mask.dtype)
    result = np.zeros(view.shape[1], mask.dtype)
    peaks = _over_tiles(view, lambda tile: (bits[tile] & mask).max(axis=(0, 2), initial=0))
    for tile, peak in zip(_tiles(view), peaks, strict=True):
        np.maximum(result[tile[1]], peak, out=result[tile[1]])
    return result.view(view.dtype).astype(np.float32)


def quantize(
    weight: np.ndarray,
    *,
    axis: int | None,
    dtype: IntegerType = "int8",
    symmetric: bool = True,
    peaks: np.ndarray | None = None,
) -> QuantizedTensor:
    """Quantizes a weight to 8 bits.

    Args:
        weight: fp16 or fp32, finite, any shape; it is not changed.
        axis: the channel axis, one scale for each index of it; None for one scale in all.
        dtype: the type of the codes.
        symmetric: the zero point is that of the type and the range is symmetric; else the range is that of the
            weight, widened to contain 0.
        peaks: `channel_peaks(weight, axis)`, if it is known already.
    """
    view = _as_channels(weight, axis)
    low, high, shift = integer_range(dtype, symmetric=symmetric)
    if symmetric:
        peaks = channel_peaks(weight, axis) if peaks is None else peaks
        scale = _stored_scale(peaks, high - shift, weight.dtype)
        zero_point = np.full(scale.shape, shift, np.float32)
    else:
        scale, zero_point = _affine_parameters(*_ranges(view), weight.dtype, (low, high))
    coding = _Coding(scale.astype(np.float32)[:, np.newaxis], zero_point[:, np.newaxis], low, high)
    data = np.empty(view.shape, dtype)
    _over_tiles(view, lambda tile: coding.write(view, data, tile))
    implied = symmetric and shift == 0
    return QuantizedTensor(data.reshape(weight.shape), scale, None if implied else zero_point.astype(dtype), axis)


@attrs.frozen(eq=False)
class _Coding:
    """How values become codes: scales and zero points as fp32 columns of shape (channels, 1)."""

    scale: np.ndarray
    zero_point: np.ndarray
    low: int
    high: int

    def write(self, view: np.ndarray, data: np.ndarray, tile: Tile) -> None:
        """Writes the codes of one tile of `view` to the same place in `data`."""
        channels = tile[1]
        values = _as_fp32(view[tile])
        np.divide(values, self.scale[channels], out=values)
        np.rint(values, out=values)
        if self.zero_point[channels].any():
            np.add(values, self.zero_point[channels], out=values)
        np.clip(values, self.low, self.high, out=values)
        data[tile] = values


@functools.cache
def _fp16_table() -> np.ndarray:
    """Every fp16 number as fp32, by its bits: looking up beats numpy's conversion, which has no vector code."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


def _as_fp32(values: np.ndarray) -> np.ndarray:
    """A new fp32 array."""
    if values.dtype != np.float16:
        return values.astype(np.float32)
    return np.take(_fp16_table(), values.view(np.uint16), mode="clip")


def _as_channels(weight: np.ndarray, axis: int | None) -> np.ndarray:
    """The weight as (outer, channels, inner), channels being 1 per tensor; a view."""
    if axis is None:
        rows = weight.shape[0] if weight.ndim > 1 else 1
        return weight.reshape(rows, 1, prod(weight.shape) // max(1, rows))
    return weight.reshape(prod(weight.shape[:axis]), weight.shape[axis], prod(weight.shape[axis + 1 :]))


def _tiles(view: np.ndarray) -> Iterator[Tile]:
    outer, channels, inner = view.shape
    rows = max(1, min(channels, _TILE_ELEMENTS // max(1, inner)))
    blocks = max(1, _TILE_ELEMENTS // max(1, channels * inner)) if rows == channels else 1
    for first in range(0, outer, blocks):
        for row in range(0, channels, rows):
            yield slice(first, first + blocks), slice(row, row + rows)


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, os.cpu_count() or 1), thread_name_prefix="milopt")


def _over_tiles(view: np.ndarray, work: Callable[[Tile], Result]) -> list[Result]:
    """Runs `work` on every tile, in threads when that pays; results come in the order of the tiles."""
    tiles = list(_tiles(view))
    if view.size < _THREADED_ELEMENTS or (os.cpu_count() or 1) < 2:
        return [work(tile) for tile in tiles]
    return list(_pool().map(work, tiles))


def _ranges(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest value of each channel, widened to contain 0; fp32, shape (channels,) each."""
    low, high = np.zeros(view.shape[1], np.float32), np.zeros(view.shape[1], np.float32)

    def _extremes(tile: Tile) -> tuple[Any, Any]:
        values = _as_fp32(view[tile])
        return values.min(axis=(0, 2)), values.max(axis=(0, 2))

    for tile, (least, greatest) in zip(_tiles(view), _over_tiles(view, _extremes), strict=True):
        np.minimum(low[tile[1]], least, out=low[tile[1]])
        np.maximum(high[tile[1]], greatest, out=high[tile[1]])
    return low, high


def _stored_scale(span: np.ndarray, steps: int, dtype: Any) -> np.ndarray:
    """`span / steps` in the weight's own type, never 0, and never so small that the span would be clipped.

    A channel of zeros gets 1, which decodes to zeros. Where the type is too coarse (subnormals), rounding goes up:
    a clipped extreme would cost more than a coarser step.
    """
    exact = span / np.float32(steps)
    stored: np.ndarray = exact.astype(dtype)
    clipped = span >= stored.astype(np.float32) * np.float32(steps + 0.49)
    stored[clipped] = np.nextafter(stored[clipped], np.array(np.inf, dtype))
    stored[span == 0] = 1
    return stored


def _affine_parameters(
    low: np.ndarray, high: np.ndarray, dtype: Any, codes: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    least, greatest = codes
    span = high.astype(np.float64) - low  # may pass fp32's greatest number
    scale = _stored_scale(np.minimum(span, np.finfo(np.float32).max).astype(np.float32), greatest - least, dtype)
    zero_point = np.clip(np.rint(least - low / scale.astype(np.float32)), least, greatest)
    return scale, zero_point.astype(np.float32)

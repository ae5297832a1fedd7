"""The values of constants and of `constexpr_*` ops, decoded with numpy by the equations of the file format.

Floats are decoded in fp32 whatever the type of the scale, so that the reference precision sees no rounding; who
needs what the device stores rounds the result to the value's own type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import RunError
from ..ir.pymil import Value

_Decoder = Callable[[Any], "tuple[np.ndarray, ...]"]


def is_constant(var: Any) -> bool:
    """Whether a value is a constant, or decoded from constants."""
    return var.op is not None and (var.op.op_type == "const" or var.op.op_type in _DECODERS)


def constant_of(var: Any) -> Value | None:
    """The value of a constant or of a `constexpr_*` op's output, or what PyMIL inferred; None where it is unknown."""
    if var.op is not None and var.op.op_type in _DECODERS:
        return decode(var.op)[var.op.outputs.index(var)]
    return var.val


def decode(operation: Any) -> tuple[np.ndarray, ...]:
    """The outputs of a `constexpr_*` op.

    Raises:
        RunError: one of its inputs is not constant.
    """
    return _DECODERS[operation.op_type](operation)


def _array(operation: Any, parameter: str) -> np.ndarray:
    value = constant_of(operation.inputs[parameter])
    if value is None:
        raise RunError(f"input {parameter!r} of {operation.op_type!r} is not constant", where=f"op {operation.name!r}")
    return np.asarray(value)


def _optional(operation: Any, parameter: str) -> np.ndarray | None:
    return None if operation.inputs.get(parameter) is None else _array(operation, parameter)


def _affine_dequantize(operation: Any) -> tuple[np.ndarray, ...]:
    """`scale * (data - zero_point)`, with vectors of both along `axis`."""
    data = _array(operation, "quantized_data")
    axis = int(_array(operation, "axis"))
    shape = [1] * data.ndim
    shape[axis] = -1
    scale, zero_point = (_array(operation, name).astype(np.float32) for name in ("scale", "zero_point"))
    scale, zero_point = (each.reshape(shape) if each.ndim else each for each in (scale, zero_point))
    return (scale * (data.astype(np.float32) - zero_point),)


def _blockwise(data: np.ndarray, scale: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """`scale * (data - offset)`, each scale for a block of the data's elements along every axis."""
    blocks = [size // count for size, count in zip(data.shape, scale.shape, strict=True)]
    # A view that splits each axis into blocks spares repeating the scales.
    split = [size for count, block in zip(scale.shape, blocks, strict=True) for size in (count, block)]
    spread = [size for count in scale.shape for size in (count, 1)]
    values = data.astype(np.float32).reshape(split)
    if offset is not None:
        values -= offset.astype(np.float32).reshape(spread)
    values *= scale.astype(np.float32).reshape(spread)
    return values.reshape(data.shape)


def _blockwise_shift_scale(operation: Any) -> tuple[np.ndarray, ...]:
    data, scale = _array(operation, "data"), _array(operation, "scale")
    return (_blockwise(data, scale, _optional(operation, "offset")),)


def _sparse_blockwise_shift_scale(operation: Any) -> tuple[np.ndarray, ...]:
    mask = _array(operation, "data_mask")
    data = _scattered(_array(operation, "nonzero_data"), mask)
    dense = _blockwise(data, _array(operation, "scale"), _optional(operation, "offset"))
    return mask, dense[mask != 0]


def _cast(operation: Any) -> tuple[np.ndarray, ...]:
    return (_array(operation, "source_val").astype(np.float32),)


def _scattered(nonzero: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The nonzero elements, in order, where the mask is set."""
    dense = np.zeros(mask.shape, nonzero.dtype)
    dense[mask != 0] = nonzero
    return dense


def _sparse_to_dense(operation: Any) -> tuple[np.ndarray, ...]:
    mask = _array(operation, "mask")
    if "shape" in operation.inputs:  # iOS16: eight elements a byte, the first in the lowest bit
        shape = [int(size) for size in _array(operation, "shape")]
        mask = np.unpackbits(mask, count=int(np.prod(shape)), bitorder="little").reshape(shape)
    return (_scattered(_array(operation, "nonzero_data"), mask),)


def _lut_to_dense(operation: Any) -> tuple[np.ndarray, ...]:
    lut, indices = _array(operation, "lut"), _array(operation, "indices")
    if "shape" in operation.inputs:  # iOS16: one table, packed indices
        shape = [int(size) for size in _array(operation, "shape")]
        bits = lut.size.bit_length() - 1
        count = int(np.prod(shape))
        planes = np.unpackbits(indices, count=count * bits, bitorder="little").reshape(count, bits)
        return (lut[np.packbits(planes, axis=1, bitorder="little")[:, 0]].reshape(shape),)
    axis = _optional(operation, "vector_axis")
    return (_looked_up(indices, lut, None if axis is None else int(axis)),)


def _lut_to_sparse(operation: Any) -> tuple[np.ndarray, ...]:
    mask, lut = _array(operation, "indices_mask"), _array(operation, "lut")
    indices = _scattered(_array(operation, "indices_nonzero_data"), mask)
    axis = _optional(operation, "vector_axis")
    dense = _looked_up(indices, lut, None if axis is None else int(axis))
    if axis is not None:
        mask = np.repeat(mask, lut.shape[-1], axis=int(axis))
    return mask, dense[mask != 0]


def _looked_up(indices: np.ndarray, lut: np.ndarray, vector_axis: int | None) -> np.ndarray:
    """Table entries for indices; `lut` has a table of shape (entries, vector size) for each block of indices."""
    counts, vector = lut.shape[:-2], lut.shape[-1]
    blocks = [size // count for size, count in zip(indices.shape, counts, strict=True)]
    table = np.zeros((1,) * indices.ndim, np.int64)
    for axis, (count, block) in enumerate(zip(counts, blocks, strict=True)):
        along = np.arange(indices.shape[axis]) // block
        table = table * count + along.reshape([-1 if each == axis else 1 for each in range(indices.ndim)])
    entries = lut.reshape(-1, *lut.shape[-2:])[table, indices.astype(np.intp)]
    if vector_axis is None or vector == 1:
        return entries[..., 0]
    axis = vector_axis % indices.ndim
    shape = list(indices.shape)
    shape[axis] *= vector
    return np.moveaxis(entries, -1, axis + 1).reshape(shape)


_DECODERS: dict[str, _Decoder] = {
    "constexpr_affine_dequantize": _affine_dequantize,
    "constexpr_blockwise_shift_scale": _blockwise_shift_scale,
    "constexpr_cast": _cast,
    "constexpr_lut_to_dense": _lut_to_dense,
    "constexpr_lut_to_sparse": _lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": _sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": _sparse_to_dense,
}
CONSTEXPR_OPS = frozenset(_DECODERS)

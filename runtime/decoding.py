"""The values of constants and of `constexpr_*` ops, decoded with numpy by the equations of the file format.

Floats are decoded in fp32 whatever the type of the scale, so that the reference precision sees no rounding; who
needs what the device stores rounds the result to the value's own type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.dtypes import dtype_named, unpack_bits
from ..ir.errors import RunError
from ..ir.pymil import Value
from ..ir.weights.files import release_pages

# How many indices are looked up at once; numpy makes eight bytes of each.
_STRETCH = 1 << 16

_Decoder = Callable[[Any], "tuple[np.ndarray, ...]"]


def is_constant(var: Any) -> bool:
    """Whether a value is a constant, or decoded from constants."""
    return _is_decoded(var.op) or (var.op is not None and var.op.op_type == "const")


def constant_of(var: Any) -> Value | None:
    """The value of a constant or of a `constexpr_*` op's output, or what PyMIL inferred; None where it is unknown."""
    if _is_decoded(var.op):
        return decode(var.op)[var.op.outputs.index(var)]
    return var.val


def _is_decoded(operation: Any) -> bool:
    return operation is not None and operation.op_type in _DECODERS


def decode(operation: Any) -> tuple[np.ndarray, ...]:
    """The outputs of a `constexpr_*` op; what it read of mapped files leaves memory again.

    Raises:
        RunError: one of its inputs is not constant, or an index lies beyond its table.
    """
    try:
        outputs = _DECODERS[operation.op_type](operation)
    except IndexError as error:
        message = f"an index of {operation.op_type!r} lies beyond its table: {error}"
        raise RunError(message, where=f"op {operation.name!r}", hint="the model is damaged") from error
    for var in operation.inputs.values():
        if isinstance(var.val, np.ndarray):
            release_pages(var.val)
    return outputs


def _array(operation: Any, parameter: str) -> np.ndarray:
    value = constant_of(operation.inputs[parameter])
    if value is None:
        raise RunError(f"input {parameter!r} of {operation.op_type!r} is not constant", where=f"op {operation.name!r}")
    return np.asarray(value)


def _optional(operation: Any, parameter: str) -> np.ndarray | None:
    return None if operation.inputs.get(parameter) is None else _array(operation, parameter)


def _arrays(operation: Any, *parameters: str) -> list[np.ndarray]:
    """Several inputs; a `constexpr_*` op that gives more than one of them is decoded once."""
    sources = {id(op): op for op in (operation.inputs[name].op for name in parameters) if _is_decoded(op)}
    decoded = {key: decode(op) for key, op in sources.items()}
    found = []
    for name in parameters:
        var = operation.inputs[name]
        outputs = decoded.get(id(var.op))
        found.append(_array(operation, name) if outputs is None else outputs[var.op.outputs.index(var)])
    return found


def _affine_dequantize(operation: Any) -> tuple[np.ndarray, ...]:
    """`scale * (data - zero_point)`, with vectors of both along `axis`."""
    data = _array(operation, "quantized_data")
    axis = int(_array(operation, "axis"))
    shape = [1] * data.ndim
    shape[axis] = -1
    scale, zero_point = (_array(operation, name).astype(np.float32) for name in ("scale", "zero_point"))
    values = data.astype(np.float32)
    values -= zero_point.reshape(shape) if zero_point.ndim else zero_point
    values *= scale.reshape(shape) if scale.ndim else scale
    return (values,)


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
    mask, nonzero = _arrays(operation, "data_mask", "nonzero_data")
    dense = _blockwise(_scattered(nonzero, mask), _array(operation, "scale"), _optional(operation, "offset"))
    return mask, dense[mask.astype(bool)]


def _cast(operation: Any) -> tuple[np.ndarray, ...]:
    return (_array(operation, "source_val").astype(np.float32),)


def _scattered(nonzero: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The nonzero elements, in order, where the mask is set."""
    dense = np.zeros(mask.shape, nonzero.dtype)
    dense[mask.astype(bool)] = nonzero
    return dense


def _sparse_to_dense(operation: Any) -> tuple[np.ndarray, ...]:
    nonzero, mask = _arrays(operation, "nonzero_data", "mask")
    if "shape" in operation.inputs:  # iOS16: eight elements a byte, the first in the lowest bit
        shape = [int(size) for size in _array(operation, "shape")]
        mask = np.unpackbits(mask, count=int(np.prod(shape)), bitorder="little").reshape(shape)
    return (_scattered(nonzero, mask),)


def _lut_to_dense(operation: Any) -> tuple[np.ndarray, ...]:
    lut, indices = _array(operation, "lut"), _array(operation, "indices")
    if "shape" in operation.inputs:  # iOS16: one table, packed indices
        shape = [int(size) for size in _array(operation, "shape")]
        packed = dtype_named(f"uint{lut.size.bit_length() - 1}")
        return (_taken(lut, unpack_bits(indices, packed, int(np.prod(shape)))).reshape(shape),)
    return (_looked_up(indices, lut, _vector_axis(operation)),)


def _lut_to_sparse(operation: Any) -> tuple[np.ndarray, ...]:
    mask, nonzero = _arrays(operation, "indices_mask", "indices_nonzero_data")
    lut, axis = _array(operation, "lut"), _vector_axis(operation)
    dense = _looked_up(_scattered(nonzero, mask), lut, axis)
    mask = np.repeat(mask, lut.shape[-1], axis)
    return mask, dense[mask.astype(bool)]


def _vector_axis(operation: Any) -> int:
    """The axis along which entries of several elements lie; any will do for those of one."""
    axis = _optional(operation, "vector_axis")
    return -1 if axis is None else int(axis)


def _looked_up(indices: np.ndarray, lut: np.ndarray, vector_axis: int) -> np.ndarray:
    """Table entries for indices; `lut` has a table of shape (entries, vector size) for each block of indices."""
    counts, vector = lut.shape[:-2], lut.shape[-1]
    axis = vector_axis % indices.ndim
    result = np.empty((*indices.shape[: axis + 1], vector, *indices.shape[axis + 1 :]), lut.dtype)
    entries = np.moveaxis(result, axis + 1, -1)  # a view with the vector of each index in the last axis
    sizes = [size // count for size, count in zip(indices.shape, counts, strict=True)]
    for block in np.ndindex(*counts):
        place = tuple(slice(at * size, (at + 1) * size) for at, size in zip(block, sizes, strict=True))
        entries[place] = _taken(lut[block], indices[place])
    return result.reshape([size * vector if each == axis else size for each, size in enumerate(indices.shape)])


def _taken(table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """`table[indices]`, a stretch at a time."""
    flat = indices.reshape(-1)
    result = np.empty((flat.size, *table.shape[1:]), table.dtype)
    for start in range(0, flat.size, _STRETCH):
        result[start : start + _STRETCH] = table[flat[start : start + _STRETCH]]
    return result.reshape(*indices.shape, *table.shape[1:])


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

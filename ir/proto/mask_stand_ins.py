"""Masks in the place of missing ones: where zeros would contradict the op, as many bits are set as it says.

A sparse weight's mask has a bit for each of its elements that is not zero, and its op counts them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import dtype_of_proto
from ..weights.references import reference_from_proto
from ..weights.store import WeightStore
from .values import tensor_shape

# The masks of ops, and the inputs that hold an element for each set bit (coremltools 9.0, `constexpr_ops.py`).
_MASKS = {
    "constexpr_sparse_to_dense": ("mask", "nonzero_data"),
    "constexpr_lut_to_sparse": ("indices_mask", "indices_nonzero_data"),
    "constexpr_sparse_blockwise_shift_scale": ("data_mask", "nonzero_data"),
}
_LARGEST = 1 << 28  # elements; a text must not make a mask of any size it likes


def mask_stand_in(operation: Any, parameter: str, value: Any, weights: WeightStore) -> np.ndarray | None:
    """A mask with the right number of bits, if `value` is a mask whose weights are missing; else None.

    Args:
        operation: the protobuf op.
        parameter: the input or attribute that `value` is.
        value: the protobuf `Value`.
        weights: tells what is missing.
    """
    mask, data = _MASKS.get(operation.type, ("", ""))
    if parameter != mask or value.WhichOneof("value") != "blobFileValue":
        return None
    counted = _value_of(operation, data)
    reference = reference_from_proto(value.blobFileValue)
    if counted is None or not weights.is_replaced(reference):
        return None
    shape, count = tensor_shape(value.type.tensorType), tensor_shape(counted.type.tensorType)[0]
    packed = dtype_of_proto(value.type.tensorType.dataType).name == "uint8"
    size = int(np.prod(shape, dtype=object)) * (8 if packed else 1)
    if size > _LARGEST:
        return None
    bits = (np.arange(size) < count).astype(np.uint8)
    return weights.stand_ins.put(np.packbits(bits, bitorder="little") if packed else bits.reshape(shape), reference)


def _value_of(operation: Any, name: str) -> Any:
    """The value of an attribute, or of an input that stands in the op itself."""
    if name in operation.attributes:
        return operation.attributes[name]
    if name not in operation.inputs or len(operation.inputs[name].arguments) != 1:
        return None
    binding = operation.inputs[name].arguments[0]
    return binding.value if binding.WhichOneof("binding") == "value" else None

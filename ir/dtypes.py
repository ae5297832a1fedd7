"""MIL's element types: their names in text, protobuf and weight files, and how numpy holds them.

Sources: coremltools 9.0 `mlmodel/format/MIL.proto` (protobuf numbers) and what its blob writer writes
(weight-file codes; tests/ir/test_weight_files.py writes each with coremltools and reads it back here).
"""

from __future__ import annotations

import functools

import attrs
import numpy as np

from .errors import ProgramError, quoted


@attrs.frozen
class DType:
    """One element type.

    Attributes:
        name: as MIL text spells it.
        proto: the number of `MIL.DataType`.
        bits: the bits that one element takes in a weight file; 0 for strings.
        numpy: the numpy type that holds one element, unpacked where bits < 8.
        blob: the code in a weight file's blob header; None where weight files can not hold it.
    """

    name: str
    proto: int
    bits: int
    numpy: str
    blob: int | None = None

    @property
    def is_sub_byte(self) -> bool:
        """Several elements share a byte in a weight file."""
        return 0 < self.bits < 8 and self.numpy != "bool"

    @property
    def is_float(self) -> bool:
        """A floating point type."""
        return self.name.startswith("fp")

    def payload_bytes(self, elements: int) -> int:
        """Bytes that `elements` elements take in a weight file."""
        return -(-elements * self.bits // 8)

    def __str__(self) -> str:
        """The name in MIL text."""
        return self.name


DTYPES = (
    DType("bool", 1, 8, "bool"),
    DType("string", 2, 0, "str"),
    DType("fp16", 10, 16, "float16", 1),
    DType("fp32", 11, 32, "float32", 2),
    DType("fp64", 12, 64, "float64"),
    DType("int4", 25, 4, "int8", 8),
    DType("int8", 21, 8, "int8", 4),
    DType("int16", 22, 16, "int16", 6),
    DType("int32", 23, 32, "int32", 14),
    DType("int64", 24, 64, "int64"),
    DType("uint1", 37, 1, "uint8", 9),
    DType("uint2", 36, 2, "uint8", 10),
    DType("uint3", 39, 3, "uint8", 12),
    DType("uint4", 35, 4, "uint8", 11),
    DType("uint6", 38, 6, "uint8", 13),
    DType("uint8", 31, 8, "uint8", 3),
    DType("uint16", 32, 16, "uint16", 7),
    DType("uint32", 33, 32, "uint32", 15),
    DType("uint64", 34, 64, "uint64"),
)

# Numbers of `MIL.DataType` that coremltools 9.0's protobuf has and its IR has not.
_NOT_IN_PYMIL = {13: "bf16", 40: "fp8e4m3fn", 41: "fp8e5m2"}


@functools.cache
def _by(attribute: str) -> dict[object, DType]:
    return {getattr(dtype, attribute): dtype for dtype in DTYPES if getattr(dtype, attribute) is not None}


def dtype_named(name: str) -> DType:
    """The type that MIL text calls `name`.

    Raises:
        ProgramError: there is none.
    """
    if name not in _by("name"):
        raise ProgramError(f"unknown element type {quoted(name)}")
    return _by("name")[name]


def dtype_of_proto(number: int) -> DType:
    """The type with this `MIL.DataType` number.

    Raises:
        ProgramError: milopt knows none.
    """
    if number in _NOT_IN_PYMIL:
        raise ProgramError(f"the element type {_NOT_IN_PYMIL[number]} can not be held by coremltools' IR")
    if number not in _by("proto"):
        raise ProgramError(f"unknown element type number {number}")
    return _by("proto")[number]


def dtype_of_blob(code: int) -> DType | None:
    """The type with this code in a weight file's blob header, or None."""
    return _by("blob").get(code)


def pack_bits(values: np.ndarray, dtype: DType) -> np.ndarray:
    """Packs sub-byte elements, first element in the lowest bits, as weight files hold them.

    Args:
        values: any shape, one element per item, signed for int4.
        dtype: a sub-byte type.

    Returns:
        uint8, shape (payload_bytes,).
    """
    raw = values.reshape(-1).astype(np.uint8)  # elements out of range lose their upper bits below
    bits = np.unpackbits(raw[:, np.newaxis], axis=1, count=dtype.bits, bitorder="little")
    return np.packbits(bits.reshape(-1), bitorder="little")


def unpack_bits(payload: np.ndarray, dtype: DType, elements: int) -> np.ndarray:
    """The inverse of `pack_bits`: `elements` items of `dtype.numpy`, shape (elements,)."""
    groups = -(-elements // 8)  # of eight elements, which take as many bytes as an element has bits
    filled = np.zeros(groups * dtype.bits, np.uint8)
    filled[: len(payload)] = payload[: len(filled)]
    padded = np.zeros((groups, 8), np.uint8)
    padded[:, : dtype.bits] = filled.reshape(groups, dtype.bits)
    words = padded.reshape(-1).view("<u8")
    raw = np.empty(elements, np.uint8)
    for place in range(8):
        every_eighth = raw[place::8]
        every_eighth[:] = words[: len(every_eighth)] >> np.uint64(place * dtype.bits)
    if not dtype.name.startswith("int"):
        return np.bitwise_and(raw, (1 << dtype.bits) - 1, out=raw)
    shift = 8 - dtype.bits
    signed = np.left_shift(raw, shift, out=raw).view(np.int8)
    return np.right_shift(signed, shift, out=signed)

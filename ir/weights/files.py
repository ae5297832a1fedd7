"""Weight files (`weight.bin`): read as views of mapped memory, written as a stream.

The layout, little-endian: a header of 64 bytes (uint32 blob count, uint32 version 2), then for each blob 64
bytes of metadata (uint32 sentinel, uint32 type code, uint64 size, uint64 position of the data, uint64 padding in
bits) and the data, each at a multiple of 64. A program refers to a blob by the position of its metadata.
Source: coremltools 9.0, `mlmodel/src/MILBlob/Blob/StorageFormat.hpp`; tests compare with its writer byte by byte.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import weakref
from math import prod
from pathlib import Path
from typing import BinaryIO

import attrs
import numpy as np

from ..dtypes import DType, dtype_of_blob, pack_bits, unpack_bits
from ..errors import PackageError

ALIGNMENT = 64
SENTINEL = 0xDEADBEEF
_HEADER = struct.Struct("<II56x")
_METADATA = struct.Struct("<IIQQQ32x")
_VERSION = 2


@attrs.frozen
class Blob:
    """One blob of a weight file: `size` bytes of `dtype` data that begin at `start`."""

    dtype: DType
    start: int
    size: int
    padding_bits: int


class WeightFile:
    """A weight file mapped into memory; arrays are read-only views that keep the mapping alive.

    Raises:
        PackageError: the file is missing, empty, or not a weight file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise PackageError(
                "the weight file is missing",
                where=path,
                hint="copy it from where the model is whole; to verify or print, --missing-weights zeros does without",
            ) from None
        except (OSError, ValueError) as error:
            raise PackageError(f"the weight file can not be read: {error}", where=path) from error
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._base = self._bytes.ctypes.data
        self._blobs: dict[int, Blob] = {}
        self._offset_by_start: dict[int, int] = {}
        self._unpacked: dict[int, tuple[int, weakref.ref[np.ndarray]]] = {}

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return len(self._map)

    def blob(self, offset: int) -> Blob:
        """The blob whose metadata stands at `offset`, checked to lie inside the file.

        Raises:
            PackageError: an offset or size outside the file, a wrong sentinel, or an unknown type.
        """
        if offset not in self._blobs:
            self._blobs[offset] = self._read_metadata(offset)
            self._offset_by_start[self._blobs[offset].start] = offset
        return self._blobs[offset]

    def _read_metadata(self, offset: int) -> Blob:
        if offset + _METADATA.size > self.size:
            raise PackageError(
                f"a weight lies at offset {offset}, outside the file of {self.size} bytes",
                where=self.path,
                hint="the file is truncated or belongs to another model",
            )
        sentinel, code, size, start, padding_bits = _METADATA.unpack_from(self._map, offset)
        if sentinel != SENTINEL:
            raise PackageError(
                f"the blob at offset {offset} begins with {sentinel:#010x}, not {SENTINEL:#010x}",
                where=self.path,
                hint="the file is damaged or belongs to another model",
            )
        if start + size > self.size:
            raise PackageError(
                f"the blob at offset {offset} ends at {start + size}, outside the file of {self.size} bytes",
                where=self.path,
                hint="the file is truncated",
            )
        dtype = dtype_of_blob(code)
        if dtype is None:
            raise PackageError(f"the blob at offset {offset} has the unknown type code {code}", where=self.path)
        return Blob(dtype, start, size, padding_bits)

    def check(self, offset: int, dtype: DType, shape: tuple[int, ...]) -> Blob:
        """The blob at `offset`, checked to hold a tensor of this type and shape.

        Raises:
            PackageError: it does not, or the blob itself is broken.
        """
        blob = self.blob(offset)
        expected = dtype.payload_bytes(prod(shape))
        if blob.dtype != dtype or blob.size != expected:
            raise PackageError(
                f"the blob at offset {offset} holds {blob.size} bytes of {blob.dtype}, but the program expects "
                f"{expected} bytes of {dtype}",
                where=self.path,
                hint="the file belongs to another model",
            )
        return blob

    def array(self, offset: int, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor at `offset`: a read-only view, or an unpacked copy for sub-byte types.

        Raises:
            PackageError: as `check`.
        """
        blob = self.check(offset, dtype, shape)
        raw = self._bytes[blob.start : blob.start + blob.size]
        if not dtype.is_sub_byte:
            return raw.view(dtype.numpy).reshape(shape)
        values = unpack_bits(raw, dtype, prod(shape)).reshape(shape)
        values.flags.writeable = False
        self._unpacked[values.ctypes.data] = (offset, weakref.ref(_owner(values)))
        return values

    def offset_of(self, array: np.ndarray, dtype: DType) -> int | None:
        """Where `array` was read from, or None when it is not, whole and unchanged, a tensor of this file."""
        address = array.ctypes.data
        if not array.flags.c_contiguous or array.flags.writeable:
            return None
        if dtype.is_sub_byte:
            offset, unpacked = self._unpacked.get(address, (0, None))
            owner = unpacked() if unpacked else None
            return offset if owner is not None and owner is _owner(array) and owner.size == array.size else None
        found = self._offset_by_start.get(address - self._base)
        whole = found is not None and self._blobs[found].size == array.nbytes and self._blobs[found].dtype == dtype
        return found if whole else None

    def copy_to(self, path: Path) -> None:
        """Copies the file as it was when it was opened, even if another stands at its path by now."""
        self._file.seek(0)
        with path.open("wb") as target:
            shutil.copyfileobj(self._file, target, 1 << 20)

    def payload(self, offset: int) -> memoryview:
        """The bytes of the blob at `offset`, as they lie in the file."""
        blob = self.blob(offset)
        return self._bytes[blob.start : blob.start + blob.size].data


def _owner(array: np.ndarray) -> np.ndarray:
    """The array that holds the memory which `array` is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def release_pages(array: np.ndarray) -> None:
    """Gives back the memory pages behind an array that is a view of a weight file; does nothing for others."""
    owner: object = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    if not isinstance(owner, mmap.mmap) or not hasattr(owner, "madvise"):
        return
    start = array.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    first = start - start % mmap.PAGESIZE
    owner.madvise(mmap.MADV_DONTNEED, first, start + array.nbytes - first)


class WeightFileWriter:
    """Writes a weight file blob by blob; nothing is held in memory.

    Use as a context manager: the header's count is written at the end.
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("wb")
        self._file.write(_HEADER.pack(0, _VERSION))
        self._count = 0
        self._position = _HEADER.size

    def __enter__(self) -> WeightFileWriter:  # noqa: PYI034 - Self is in the library from Python 3.11 on
        """Itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Writes the count and closes the file."""
        try:
            self._file.seek(0)
            self._file.write(_HEADER.pack(self._count, _VERSION))
        finally:
            self._file.close()

    def write(self, array: np.ndarray, dtype: DType) -> int:
        """Appends a tensor and returns the offset that a program refers to it by."""
        data = pack_bits(array, dtype) if dtype.is_sub_byte else np.ascontiguousarray(array)
        unused = 8 * data.nbytes - dtype.bits * array.size if dtype.is_sub_byte else 0
        return self.write_payload(data.reshape(-1).view(np.uint8).data, dtype, unused)

    def write_payload(self, payload: memoryview, dtype: DType, padding_bits: int = 0) -> int:
        """Appends bytes as they lie in another weight file; returns their offset."""
        offset = self._align()
        start = offset + _METADATA.size
        self._put(_METADATA.pack(SENTINEL, dtype.blob or 0, payload.nbytes, start, padding_bits))
        self._put(payload)
        self._count += 1
        return offset

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._position += len(data)

    def _align(self) -> int:
        self._put(bytes(-self._position % ALIGNMENT))
        return self._position

"""Weight files: byte for byte what coremltools writes, and read as views of the mapped file."""

from __future__ import annotations

import contextlib
import gc
import mmap
from math import prod
from pathlib import Path

import numpy as np
import pytest
from coremltools.libmilstoragepython import _BlobStorageReader, _BlobStorageWriter
from coremltools.optimize._utils import pack_elements_into_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.dtypes import DTYPES, DType, dtype_named, dtype_of_blob, pack_bits, unpack_bits
from milopt.ir.weights.files import ALIGNMENT, WeightFile, WeightFileWriter, release_pages

IN_FILES = [dtype for dtype in DTYPES if dtype.blob is not None]
SUB_BYTE = [dtype for dtype in DTYPES if dtype.is_sub_byte]
FP16, FP32, INT8, UINT4, INT4 = (dtype_named(name) for name in ("fp16", "fp32", "int8", "uint4", "int4"))

dtypes = st.sampled_from(IN_FILES)
shapes = st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple)


def random_array(dtype: DType, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Any value that the type can hold, the lowest and highest included."""
    rng = np.random.default_rng([seed, dtype.proto, *shape])
    if dtype.is_float:
        return rng.standard_normal(shape).astype(dtype.numpy)
    low = 0 if dtype.name.startswith("u") else -(1 << dtype.bits - 1)
    values = rng.integers(low, low + (1 << dtype.bits), shape)
    values.reshape(-1)[:1], values.reshape(-1)[-1:] = low, low + (1 << dtype.bits) - 1
    return values.astype(dtype.numpy)


def write(path: Path, *tensors: tuple[np.ndarray, DType]) -> list[int]:
    with WeightFileWriter(path) as writer:
        return [writer.write(array, dtype) for array, dtype in tensors]


def write_with_coremltools(path: Path, *tensors: tuple[np.ndarray, DType]) -> list[int]:
    writer = _BlobStorageWriter(str(path))
    offsets = []
    for array, dtype in tensors:
        flat = np.ascontiguousarray(array).reshape(-1)
        name = "float" if dtype == FP32 else dtype.name
        offsets.append(getattr(writer, f"write_{name}_data")(flat.view(np.uint16) if dtype == FP16 else flat))
    return offsets


# --- the same bytes as coremltools


@pytest.mark.parametrize("dtype", IN_FILES, ids=str)
@pytest.mark.parametrize("elements", [1, 7, 8, 63, 64, 65, 1001])
def test_one_tensor_is_written_as_coremltools_writes_it(dtype: DType, elements: int, tmp_path: Path) -> None:
    tensor = random_array(dtype, (elements,)), dtype
    assert write(tmp_path / "ours", tensor) == write_with_coremltools(tmp_path / "theirs", tensor)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_many_tensors_are_written_as_coremltools_writes_them(tmp_path: Path) -> None:
    tensors = [(random_array(dtype, (size, 3), size), dtype) for size in (1, 10, 77) for dtype in IN_FILES]
    assert write(tmp_path / "ours", *tensors) == write_with_coremltools(tmp_path / "theirs", *tensors)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("dtype", IN_FILES, ids=str)
def test_coremltools_reads_what_milopt_writes(dtype: DType, tmp_path: Path) -> None:
    array = random_array(dtype, (5, 13))
    _, offset = write(tmp_path / "file", (random_array(INT8, (3,)), INT8), (array, dtype))
    name = "float" if dtype == FP32 else dtype.name
    read = getattr(_BlobStorageReader(str(tmp_path / "file")), f"read_{name}_data")(offset)
    np.testing.assert_array_equal(np.asarray(read).view(dtype.numpy), array.reshape(-1))


def test_tensor_of_any_memory_layout_is_written_in_the_order_of_its_axes(tmp_path: Path) -> None:
    array = random_array(FP16, (6, 10)).T[::2]
    write(tmp_path / "transposed", (array, FP16))
    write(tmp_path / "contiguous", (array.copy(), FP16))
    assert (tmp_path / "transposed").read_bytes() == (tmp_path / "contiguous").read_bytes()


def test_payload_of_another_file_is_appended_as_it_lies_there(tmp_path: Path) -> None:
    tensors = [(random_array(dtype, (7, 3)), dtype) for dtype in IN_FILES]
    offsets = write(tmp_path / "first", *tensors)
    file = WeightFile(tmp_path / "first")
    with WeightFileWriter(tmp_path / "second") as writer:
        for offset in offsets:
            blob = file.blob(offset)
            assert writer.write_payload(file.payload(offset), blob.dtype, blob.padding_bits) == offset
    assert (tmp_path / "second").read_bytes() == (tmp_path / "first").read_bytes()


# --- packing


@given(dtype=st.sampled_from(SUB_BYTE), elements=st.integers(0, 300), seed=st.integers(0, 99))
def test_packed_elements_unpack_to_themselves(dtype: DType, elements: int, seed: int) -> None:
    values = random_array(dtype, (elements,), seed)
    packed = pack_bits(values, dtype)
    assert packed.dtype == np.uint8
    assert packed.nbytes == dtype.payload_bytes(elements)
    unpacked = unpack_bits(packed, dtype, elements)
    assert unpacked.dtype == np.dtype(dtype.numpy)
    np.testing.assert_array_equal(unpacked, values)


@given(dtype=st.sampled_from(SUB_BYTE), elements=st.integers(1, 300), seed=st.integers(0, 99))
def test_elements_are_packed_as_coremltools_packs_them(dtype: DType, elements: int, seed: int) -> None:
    values = random_array(dtype, (elements,), seed)
    np.testing.assert_array_equal(pack_bits(values, dtype), pack_elements_into_bits(values, dtype.bits))


def test_first_element_lies_in_the_lowest_bits() -> None:
    assert pack_bits(np.array([1, 2, 3], np.uint8), UINT4).tolist() == [0x21, 0x03]
    assert pack_bits(np.array([-1, 7, -8], np.int8), INT4).tolist() == [0x7F, 0x08]


@given(dtype=st.sampled_from(SUB_BYTE), data=st.binary(min_size=1, max_size=60))
def test_every_byte_unpacks_and_packs_to_itself(dtype: DType, data: bytes) -> None:
    elements = len(data) * 8 // dtype.bits
    payload = np.frombuffer(data, np.uint8)[: dtype.payload_bytes(elements)].copy()
    unused = 8 * payload.nbytes - elements * dtype.bits
    payload[-1] &= 0xFF >> unused
    np.testing.assert_array_equal(pack_bits(unpack_bits(payload, dtype, elements), dtype), payload)


# --- reading


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "weight.bin"


@settings(deadline=None)
@given(tensors=st.lists(st.tuples(dtypes, shapes, st.integers(0, 99)), min_size=1, max_size=6))
def test_what_is_written_is_read(scratch: Path, tensors: list[tuple[DType, tuple[int, ...], int]]) -> None:
    arrays = [random_array(*tensor) for tensor in tensors]
    written = zip(arrays, (dtype for dtype, _, _ in tensors), strict=True)
    offsets = write(scratch, *written)
    file = WeightFile(scratch)
    for offset, array, (dtype, shape, _) in zip(offsets, arrays, tensors, strict=True):
        blob, read = file.blob(offset), file.array(offset, dtype, shape)
        assert offset % ALIGNMENT == blob.start % ALIGNMENT == 0
        assert (blob.dtype, blob.size) == (dtype, dtype.payload_bytes(prod(shape)))
        assert (read.dtype, read.shape, read.flags.writeable) == (array.dtype, shape, False)
        np.testing.assert_array_equal(read, array)
        assert file.offset_of(read, dtype) == offset


@pytest.mark.parametrize("dtype", IN_FILES, ids=str)
def test_every_code_of_the_format_is_known(dtype: DType) -> None:
    assert dtype.blob is not None
    assert dtype_of_blob(dtype.blob) == dtype


def test_whole_bytes_are_read_without_a_copy(tmp_path: Path) -> None:
    (offset,) = write(tmp_path / "file", (random_array(FP16, (30, 20)), FP16))
    file = WeightFile(tmp_path / "file")
    owner: object = file.array(offset, FP16, (30, 20))
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    assert isinstance(owner, mmap.mmap)
    assert np.shares_memory(file.array(offset, FP16, (30, 20)), file.array(offset, FP16, (600,)))


def test_array_outlives_its_file_object_and_its_file(tmp_path: Path) -> None:
    expected = random_array(FP32, (30, 20))
    (offset,) = write(tmp_path / "file", (expected, FP32))
    array = WeightFile(tmp_path / "file").array(offset, FP32, (30, 20))
    (tmp_path / "file").unlink()
    gc.collect()
    np.testing.assert_array_equal(array, expected)


def test_released_pages_are_read_again_when_touched(tmp_path: Path) -> None:
    expected = [random_array(FP32, (3000,), seed) for seed in (1, 2)]
    offsets = write(tmp_path / "file", *((array, FP32) for array in expected))
    file = WeightFile(tmp_path / "file")
    arrays = [file.array(offset, FP32, (3000,)) for offset in offsets]
    release_pages(arrays[1])
    np.testing.assert_array_equal(arrays, expected)


def test_pages_of_an_array_of_its_own_can_not_be_released() -> None:
    array = random_array(FP32, (30,))
    release_pages(array)
    np.testing.assert_array_equal(array, random_array(FP32, (30,)))


# --- finding out where an array came from


def test_array_that_is_not_the_whole_tensor_belongs_to_no_place(tmp_path: Path) -> None:
    (offset,) = write(tmp_path / "file", (random_array(FP16, (30, 20)), FP16))
    file = WeightFile(tmp_path / "file")
    array = file.array(offset, FP16, (30, 20))
    assert file.offset_of(array, FP16) == offset
    assert file.offset_of(array.reshape(20, 30), FP16) == offset
    assert file.offset_of(array[:29], FP16) is None
    assert file.offset_of(array[1:], FP16) is None
    assert file.offset_of(array.T, FP16) is None
    assert file.offset_of(array.copy(), FP16) is None
    assert file.offset_of(array.view(np.int8), INT8) is None


@pytest.mark.parametrize("dtype", SUB_BYTE, ids=str)
def test_unpacked_array_is_known_as_long_as_any_view_of_it_lives(dtype: DType, tmp_path: Path) -> None:
    (offset,) = write(tmp_path / "file", (random_array(dtype, (30, 21)), dtype))
    file = WeightFile(tmp_path / "file")
    array = file.array(offset, dtype, (30, 21)).view(dtype.numpy)
    gc.collect()
    assert file.offset_of(array, dtype) == offset
    assert file.offset_of(array[:29], dtype) is None
    assert file.offset_of(array.copy(), dtype) is None


@pytest.mark.parametrize("dtype", SUB_BYTE, ids=str)
def test_unpacked_array_that_was_made_writable_may_have_changed(dtype: DType, tmp_path: Path) -> None:
    (offset,) = write(tmp_path / "file", (random_array(dtype, (30, 21)), dtype))
    file = WeightFile(tmp_path / "file")
    array = file.array(offset, dtype, (30, 21))
    with contextlib.suppress(ValueError):  # numpy may not let it happen
        array.flags.writeable = True
        array[0, 0] ^= 1
        assert file.offset_of(array, dtype) is None


@pytest.mark.parametrize("dtype", [INT4, UINT4], ids=str)
def test_memory_of_a_forgotten_array_is_not_taken_for_it(dtype: DType, tmp_path: Path) -> None:
    (offset,) = write(tmp_path / "file", (random_array(dtype, (30, 21)), dtype))
    file = WeightFile(tmp_path / "file")
    for _ in range(50):
        address = file.array(offset, dtype, (30, 21)).ctypes.data
        new = np.zeros((30, 21), dtype.numpy)
        new.flags.writeable = False
        assert file.offset_of(new, dtype) is None
        if new.ctypes.data == address:
            return


def test_array_of_another_file_is_not_found(tmp_path: Path) -> None:
    tensor = random_array(FP16, (30, 20)), FP16
    (offset,), _ = write(tmp_path / "one", tensor), write(tmp_path / "other", tensor)
    array = WeightFile(tmp_path / "one").array(offset, FP16, (30, 20))
    other = WeightFile(tmp_path / "other")
    assert other.array(offset, FP16, (30, 20)) is not None
    assert other.offset_of(array, FP16) is None

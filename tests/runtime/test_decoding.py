from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import Function, available_target, mb
from milopt.ir.targets import IOS16, IOS18, Opset
from milopt.runtime import decoding
from milopt.runtime.decoding import constant_of
from support.program_registry import integers, weights
from support.running import run


def check(build: Callable[[], Any], opset: Opset) -> None:
    """Our outputs of a `constexpr_*` op, rounded to their types, are those that coremltools computes."""
    with Function({}, opset_version=available_target(opset)):
        variables = listed(build())
    for var, expected in zip(variables, listed(variables[0].op.materialized_val_inference()), strict=True):
        values = constant_of(var)
        assert values.shape == var.shape == expected.shape
        np.testing.assert_array_equal(values.astype(expected.dtype), expected)


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def number(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Positive random numbers; a numpy scalar for the empty shape."""
    return np.asarray(np.random.default_rng(shape).uniform(0.01, 2, shape)).astype(dtype)[()]


@pytest.mark.parametrize("kind", ["int8", "uint8"])
@pytest.mark.parametrize("scale", [(), (2,), (3,), (5,)])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_affine_dequantize(kind: str, scale: tuple[int, ...], dtype: str) -> None:
    axis = {(): 0, (2,): 0, (3,): 1, (5,): -1}[scale]
    zero_point = np.asarray(integers(kind, *scale, seed=1))

    def build() -> Any:
        return mb.constexpr_affine_dequantize(
            quantized_data=integers(kind, 2, 3, 5), scale=number(scale, dtype), zero_point=zero_point, axis=axis
        )

    check(build, IOS16)


def test_affine_dequantize_with_a_zero_point_between_integers() -> None:
    def build() -> Any:
        return mb.constexpr_affine_dequantize(
            quantized_data=integers("uint8", 2, 3), scale=np.float32(0.1), zero_point=np.float32(127.5), axis=0
        )

    check(build, IOS16)


@pytest.mark.parametrize("scale", [(1, 1, 1), (4, 1, 1), (2, 3, 1), (1, 2, 5), (4, 6, 5)])
@pytest.mark.parametrize("kind", ["int4", "uint4", "int8", "uint8"])
def test_blockwise_shift_scale(kind: str, scale: tuple[int, ...]) -> None:
    data, offset = integers(kind, 4, 6, 5), integers(kind, *scale, seed=1)

    check(lambda: mb.constexpr_blockwise_shift_scale(data=data, scale=number(scale, "float16"), offset=offset), IOS18)
    check(lambda: mb.constexpr_blockwise_shift_scale(data=data, scale=number(scale, "float32")), IOS18)


def test_blockwise_shift_scale_with_an_offset_between_integers() -> None:
    data, scale, offset = integers("int8", 4, 6), number((2, 3), "float32"), np.full((2, 3), 0.3, np.float32)

    check(lambda: mb.constexpr_blockwise_shift_scale(data=data, scale=scale, offset=offset), IOS18)


def test_cast() -> None:
    source = weights(2, 3, 5)

    for opset in (IOS16, IOS18):
        check(lambda: mb.constexpr_cast(source_val=source, output_dtype="fp32"), opset)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8])
@pytest.mark.parametrize("shape", [(2, 3, 5), (1,), (7, 3), (8, 8)])
def test_packed_palette(bits: int, shape: tuple[int, ...]) -> None:
    packed = integers("uint8", -(-int(np.prod(shape)) * bits // 8))

    for lut in (weights(1 << bits), integers("int8", 1 << bits)):
        check(lambda lut=lut: mb.constexpr_lut_to_dense(indices=packed, lut=lut, shape=np.uint32(shape)), IOS16)


def test_packed_palette_of_nothing() -> None:
    nothing = np.zeros(0, np.uint8)

    check(lambda: mb.constexpr_lut_to_dense(indices=nothing, lut=weights(4), shape=np.uint32([3, 0])), IOS16)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("blocks", [(1, 1, 1), (2, 1, 1), (1, 3, 1), (2, 3, 5)])
@pytest.mark.parametrize(("vector", "axis"), [(1, None), (1, 0), (2, 0), (3, 1), (2, -1), (4, -2)])
def test_palette(bits: int, blocks: tuple[int, ...], vector: int, axis: int | None) -> None:
    indices, lut = integers(f"uint{bits}", 4, 6, 5), weights(*blocks, 1 << bits, vector)

    check(lambda: mb.constexpr_lut_to_dense(indices=indices, lut=lut, vector_axis=axis), IOS18)


def test_palette_larger_than_the_stretch_that_is_looked_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_STRETCH", 7)
    indices, lut = integers("uint4", 4, 6, 5), weights(2, 1, 1, 16, 3)

    check(lambda: mb.constexpr_lut_to_dense(indices=indices, lut=lut, vector_axis=1), IOS18)


def sparse(kind: str, *shape: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Nonzero elements and the mask of where they belong."""
    mask = integers("uint1", *shape, seed=seed)
    count = np.count_nonzero(mask)
    return (weights(count) if kind == "float16" else integers(kind, count)), mask


@pytest.mark.parametrize("kind", ["int4", "uint4", "int8", "uint8", "float16"])
@pytest.mark.parametrize("shape", [(2, 3, 5), (13,), (1, 1)])
def test_sparse(kind: str, shape: tuple[int, ...]) -> None:
    nonzero, mask = sparse(kind, *shape)

    check(lambda: mb.constexpr_sparse_to_dense(nonzero_data=nonzero, mask=mask), IOS18)
    if kind.endswith(("8", "16")):
        bits = np.packbits(mask.reshape(-1), bitorder="little")
        check(lambda: mb.constexpr_sparse_to_dense(nonzero_data=nonzero, mask=bits, shape=np.uint32(mask.shape)), IOS16)


@pytest.mark.parametrize("nothing", [0, 1])
def test_sparse_with_all_or_no_elements(nothing: int) -> None:
    mask = np.full((2, 3), 1 - nothing).astype(integers("uint1", 1).dtype)
    nonzero = weights(6 * (1 - nothing)) if not nothing else np.zeros(0, np.float16)

    check(lambda: mb.constexpr_sparse_to_dense(nonzero_data=nonzero, mask=mask), IOS18)


@pytest.mark.parametrize("offset", ["int8", "float16", None])
@pytest.mark.parametrize("scale", [(1, 1), (4, 1), (2, 3), (1, 6)])
def test_sparse_shift_scale(scale: tuple[int, ...], offset: str | None) -> None:
    nonzero, mask = sparse("int8", 4, 6)
    offsets = None if offset is None else integers("int8", *scale, seed=1).astype(offset)

    def build() -> Any:
        return mb.constexpr_sparse_blockwise_shift_scale(
            nonzero_data=nonzero, data_mask=mask, scale=number(scale, "float16"), offset=offsets
        )

    check(build, IOS18)


@pytest.mark.parametrize("blocks", [(1, 1), (4, 1), (2, 3)])
@pytest.mark.parametrize(("vector", "axis"), [(1, None), (1, 1), (2, 0), (3, -1)])
def test_sparse_palette(blocks: tuple[int, ...], vector: int, axis: int | None) -> None:
    nonzero, mask = sparse("uint2", 4, 6)
    lut = weights(*blocks, 4, vector)

    def build() -> Any:
        return mb.constexpr_lut_to_sparse(indices_nonzero_data=nonzero, indices_mask=mask, lut=lut, vector_axis=axis)

    check(build, IOS18)


def test_quantized_palette() -> None:
    indices, lut = integers("uint4", 4, 6), integers("int8", 2, 1, 16, 1)
    scale = number((4, 1), "float16")

    def build() -> Any:
        palette = mb.constexpr_lut_to_dense(indices=indices, lut=lut)
        return mb.constexpr_blockwise_shift_scale(data=palette, scale=scale)

    check(build, IOS18)


def test_sparse_quantized_palette_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nonzero, mask = sparse("uint4", 4, 6)
    lut, scale = integers("int8", 1, 1, 16, 2), number((8, 3), "float16")
    calls = []
    monkeypatch.setitem(
        decoding._DECODERS, "constexpr_lut_to_sparse", lambda op: calls.append(op) or decoding._lut_to_sparse(op)
    )

    def dense() -> Any:
        masks, values = mb.constexpr_lut_to_sparse(
            indices_nonzero_data=nonzero, indices_mask=mask, lut=lut, vector_axis=0
        )
        masks, values = mb.constexpr_sparse_blockwise_shift_scale(nonzero_data=values, data_mask=masks, scale=scale)
        return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=masks)

    with Function({}, opset_version=available_target(IOS18)):
        result = constant_of(dense())
    indices = np.zeros((4, 6), np.int64)
    indices[mask != 0] = nonzero
    expected = np.where(mask[..., np.newaxis] != 0, lut[0, 0][indices], 0).transpose(0, 2, 1).reshape(8, 6)

    np.testing.assert_array_equal(result, expected * np.repeat(scale.astype(np.float32), 2, axis=1))
    assert len(calls) == 1


def test_scale_may_be_quantized_itself() -> None:
    data, inner = integers("int8", 4, 6), integers("uint8", 4, 1, seed=2)

    def build() -> Any:
        scale = mb.constexpr_blockwise_shift_scale(data=inner, scale=np.float32([[0.25]]))
        return mb.constexpr_blockwise_shift_scale(data=data, scale=scale)

    check(build, IOS18)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_half_precision_weights_are_rounded_where_the_precision_asks_for_it(precision: Any) -> None:
    data, scale = integers("uint8", 4, 6), number((4, 1), "float16")

    def body(x: Any) -> Any:
        return mb.cast(x=mb.constexpr_blockwise_shift_scale(data=data, scale=scale), dtype="fp32"), mb.identity(x=x)

    exact = data.astype(np.float32) * scale.astype(np.float32)
    (values, _) = run(body, IOS18, precision=precision, x=np.float32([1]))

    np.testing.assert_array_equal(values, exact.astype(np.float16) if precision == "float16" else exact)
    assert (exact != exact.astype(np.float16)).any()

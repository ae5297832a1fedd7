from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS16, IOS17, IOS18
from milopt.runtime.lower import lower_function
from support.running import program_of, run

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
MODES = ["STRICT_ALIGN_CORNERS", "ALIGN_CORNERS", "DEFAULT", "OFFSET_CORNERS", "UNALIGN_CORNERS"]


def points(mode: str, old: int, new: int) -> np.ndarray:
    i = np.arange(new)
    if mode == "ALIGN_CORNERS" and new == 1:
        return np.array([(old - 1) / 2])
    along = {
        "STRICT_ALIGN_CORNERS": i * (old - 1) / max(new - 1, 1),
        "ALIGN_CORNERS": i * (old - 1) / max(new - 1, 1),
        "DEFAULT": i * old / new,
        "OFFSET_CORNERS": (i + 0.5) * max(1, old - 1) / new,
        "UNALIGN_CORNERS": (i + 0.5) * old / new - 0.5,
    }
    return np.clip(along[mode], 0, old - 1)


def interpolated(x: np.ndarray, mode: str, targets: dict[int, int]) -> np.ndarray:
    for axis, new in targets.items():
        at = points(mode, x.shape[axis], new)
        low = np.floor(at).astype(int)
        weight = (at - low).reshape([-1 if each == axis % x.ndim else 1 for each in range(x.ndim)])
        high = np.minimum(low + 1, x.shape[axis] - 1)
        x = np.take(x, low, axis) * (1 - weight) + np.take(x, high, axis) * weight
    return x


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_resize_bilinear_samples_the_points_of_its_mode(mode: str, *, symbolic: bool) -> None:
    targets = [(8, 10), (1, 7), (7, 1), (1, 1), (4, 5), (3, 13)]

    def body(x: Any) -> list[Any]:
        return [
            mb.resize_bilinear(x=x, target_size_height=height, target_size_width=width, sampling_mode=mode)
            for height, width in targets
        ]

    for y, (height, width) in zip(run(body, symbolic=symbolic, x=X), targets, strict=True):
        close(y, interpolated(X, mode, {2: height, 3: width}))


@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 3, 2, 4, 5), (1, 1), (3, 1, 1)])
@pytest.mark.parametrize("symbolic", [False, True])
def test_resize_of_any_rank(shape: tuple[int, ...], *, symbolic: bool) -> None:
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)

    def body(x: Any) -> Any:
        return mb.resize(x=x, shape=[6, 7], resized_dims=np.uint32(2), sampling_mode="UNALIGN_CORNERS")

    (y,) = run(body, IOS17, symbolic=symbolic, x=x)

    close(y, interpolated(x, "UNALIGN_CORNERS", {-2: 6, -1: 7}))


@pytest.mark.parametrize("target", [[3, 9], [1, 0], [0, 5], [1, 1]])
def test_resize_to_sizes_that_are_inputs(target: list[int]) -> None:
    def body(x: Any, shape: Any) -> list[Any]:
        return [mb.resize(x=x, shape=shape, resized_dims=np.uint32(2), sampling_mode=mode) for mode in MODES]

    results = run(body, IOS17, symbolic=True, x=X, shape=np.int32([9, *target]))

    for y, mode in zip(results, MODES, strict=True):
        close(y, interpolated(X, mode, {2: target[0] or 4, 3: target[1] or 5}))


@pytest.mark.parametrize("symbolic", [False, True])
def test_a_size_of_zero_keeps_what_is_there(*, symbolic: bool) -> None:
    def body(x: Any) -> list[Any]:
        return [mb.resize(x=x, shape=[0, 8], resized_dims=np.uint32(2), sampling_mode=mode) for mode in MODES]

    for y, mode in zip(run(body, IOS17, symbolic=symbolic, x=X), MODES, strict=True):
        close(y, interpolated(X, mode, {2: 4, 3: 8}))


@pytest.mark.parametrize("dims", [1, 3, 4])
def test_resize_of_other_than_two_axes(dims: int) -> None:
    target = [3, 7, 2, 4][-dims:]

    def body(x: Any) -> Any:
        return mb.resize(x=x, shape=target, resized_dims=np.uint32(dims), sampling_mode="DEFAULT")

    (y,) = run(body, IOS17, x=X)

    close(y, interpolated(X, "DEFAULT", dict(zip(range(4 - dims, 4), target, strict=True))))


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_nearest_pixels_of_a_mode(mode: str, *, symbolic: bool) -> None:
    targets = [(8, 15), (6, 2), (1, 3), (4, 7)]
    options = {"interpolation_mode": "NEAREST_NEIGHBOR", "sampling_mode": mode}

    def body(x: Any) -> list[Any]:
        return [mb.resize(x=x, shape=list(each), resized_dims=np.uint32(2), **options) for each in targets]

    for y, target in zip(run(body, IOS17, symbolic=symbolic, x=X), targets, strict=True):
        rows, columns = (
            np.floor(points("UNALIGN_CORNERS" if mode == "DEFAULT" else mode, old, new) + 0.5).astype(int)
            for old, new in zip(X.shape[2:], target, strict=True)
        )
        np.testing.assert_array_equal(y, X[:, :, rows][..., columns])


def test_nearest_pixel_to_a_size_that_is_an_input() -> None:
    def body(x: Any, shape: Any) -> Any:
        return mb.resize(x=x, shape=shape, resized_dims=np.uint32(2), interpolation_mode="NEAREST_NEIGHBOR")

    (y,) = run(body, IOS17, symbolic=True, x=X[:, :, :2, :1], shape=np.int32([3, 2]))

    np.testing.assert_array_equal(y, X[:, :, [0, 1, 1]][..., [0, 0]])


def test_resize_of_integers() -> None:
    x = np.int32([[0, 3, 2**30 + 1, 2**30 + 3]])

    def body(x: Any) -> list[Any]:
        linear = mb.resize(x=x, shape=[7], resized_dims=np.uint32(1), sampling_mode="STRICT_ALIGN_CORNERS")
        nearest = mb.resize(x=x, shape=[8], resized_dims=np.uint32(1), interpolation_mode="NEAREST_NEIGHBOR")
        return [linear, nearest]

    linear, nearest = run(body, IOS17, x=x)

    np.testing.assert_array_equal(linear, np.int32([[0, 2, 3, 2**29 + 2, 2**30 + 1, 2**30 + 2, 2**30 + 3]]))
    np.testing.assert_array_equal(nearest, np.repeat(x, 2, axis=1))


@pytest.mark.parametrize("symbolic", [False, True])
def test_resize_nearest_neighbor_takes_the_pixel_under_the_centre(*, symbolic: bool) -> None:
    targets = [(8, 10), (3, 5), (4, 12), (1, 1), (2, 3)]

    def body(x: Any) -> list[Any]:
        return [mb.resize_nearest_neighbor(x=x, target_size_height=h, target_size_width=w) for h, w in targets]

    for y, (height, width) in zip(run(body, symbolic=symbolic, x=X), targets, strict=True):
        rows, columns = (2 * np.arange(height) + 1) * 4 // (2 * height), (2 * np.arange(width) + 1) * 5 // (2 * width)
        np.testing.assert_array_equal(y, X[:, :, rows][..., columns])


SCALES = [(2, 3), (1, 1), (1.0, 2.0), (2.6, 0.4), (1.75, 1.2), (0.25, 0.2)]


def scaled_sizes(scale: tuple[float, float]) -> tuple[int, int]:
    return int(np.float32(scale[0]) * np.float32(4)), int(np.float32(scale[1]) * np.float32(5))


@pytest.mark.parametrize("symbolic", [False, True])
def test_upsample_nearest_neighbor_takes_the_pixel_under_the_corner(*, symbolic: bool) -> None:
    def body(x: Any) -> list[Any]:
        return [mb.upsample_nearest_neighbor(x=x, scale_factor_height=h, scale_factor_width=w) for h, w in SCALES]

    for y, scale in zip(run(body, symbolic=symbolic, x=X), SCALES, strict=True):
        height, width = scaled_sizes(scale)
        rows, columns = np.arange(height) * 4 // height, np.arange(width) * 5 // width
        np.testing.assert_array_equal(y, X[:, :, rows][..., columns])


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("align", [False, True])
def test_upsample_bilinear_scales_by_the_new_size(*, align: bool, symbolic: bool) -> None:
    def body(x: Any) -> list[Any]:
        return [
            mb.upsample_bilinear(x=x, scale_factor_height=h, scale_factor_width=w, align_corners=align)
            for h, w in SCALES
        ]

    for y, scale in zip(run(body, symbolic=symbolic, x=X), SCALES, strict=True):
        height, width = scaled_sizes(scale)
        close(y, interpolated(X, "STRICT_ALIGN_CORNERS" if align else "UNALIGN_CORNERS", {2: height, 3: width}))


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 1, 3, 4, 5)])
def test_upsampling_of_any_rank_and_unknown_sizes(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).standard_normal(shape).astype(np.float32)

    def body(x: Any) -> list[Any]:
        scales = {"scale_factor_height": 2, "scale_factor_width": 3}
        return [mb.upsample_nearest_neighbor(x=x, **scales), mb.upsample_bilinear(x=x, **scales)]

    nearest, linear = run(body, symbolic=True, x=x)

    np.testing.assert_array_equal(nearest, x.repeat(2, axis=-2).repeat(3, axis=-1))
    close(linear, interpolated(x, "STRICT_ALIGN_CORNERS", {-2: 2 * shape[-2], -1: 3 * shape[-1]}))


def test_upsample_bilinear_without_centred_pixels() -> None:
    def body(x: Any) -> Any:
        return mb.upsample_bilinear(
            x=x, scale_factor_height=2, scale_factor_width=3, align_corners=False, half_pixel_centers=False
        )

    (y,) = run(body, IOS16, x=X)

    close(y, interpolated(X, "DEFAULT", {2: 8, 3: 15}))


def test_aligned_corners_and_centred_pixels_are_refused() -> None:
    with pytest.raises(RunError, match="aligned corners and centred pixels"):
        run(lambda x: mb.upsample_bilinear(x=x, align_corners=True, half_pixel_centers=True), IOS16, x=X)


def nodes(body: Callable[..., Any], *, symbolic: bool) -> list[str]:
    program = program_of(body, IOS18, {"x": X}, symbolic=symbolic)
    return [node.op_type for node in lower_function(program.functions["main"]).graph.main.nodes]


@pytest.mark.parametrize("op", [mb.upsample_bilinear, mb.upsample_nearest_neighbor])
def test_doubling_is_one_resize(op: Callable[..., Any]) -> None:
    assert nodes(lambda x: op(x=x, scale_factor_height=2, scale_factor_width=2), symbolic=False) == ["Resize"]
    assert nodes(lambda x: mb.upsample_nearest_neighbor(x=x, scale_factor_height=2), symbolic=True) == ["Resize"]


def test_the_same_size_needs_no_op_but_a_name() -> None:
    def body(x: Any) -> Any:
        return mb.resize_bilinear(x=x, target_size_height=4, target_size_width=5)

    assert nodes(body, symbolic=False) == ["Identity"]


def test_half_precision_rounds_interpolated_pixels() -> None:
    x = np.float16([[[1.0, 1 + 2**-10]]])

    (y,) = run(lambda x: mb.upsample_bilinear(x=x, scale_factor_width=3), IOS15, precision="float16", x=x)

    assert y.dtype == np.float16
    close(y, interpolated(x.astype(np.float32), "STRICT_ALIGN_CORNERS", {2: 6}).astype(np.float16))

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16, IOS17
from milopt.runtime.lower import lower_function
from support.running import program_of, run

X = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
# Beyond the image on all sides, and by more than its size.
PLACES = np.random.default_rng(1).uniform(-2.2, 2.2, (2, 6, 7, 2)).astype(np.float32)
NORMALIZED = ["normalized_minus_one_to_one", "normalized_zero_to_one"]
PADDINGS = ["constant", "border", "reflection", "symmetric"]


def in_pixels(places: np.ndarray, mode: str, size: int, *, align: bool) -> np.ndarray:
    if mode == "unnormalized":
        return places
    share = (places + 1) / 2 if mode == "normalized_minus_one_to_one" else places
    return share * (size - 1) if align else share * size - 0.5


def padded_index(index: np.ndarray, size: int, padding: str) -> np.ndarray:
    if padding in {"constant", "border"}:
        return np.clip(index, 0, size - 1)
    ends = {"symmetric": (size, -1), "reflection": (size - 1, 0)}[padding]
    period = np.array([*range(ends[0]), *range(size - 1, ends[1], -1)] or [0])
    return period[index % len(period)]


def pixel(x: np.ndarray, row: np.ndarray, column: np.ndarray, padding: str, value: float) -> np.ndarray:
    """Pixels of one image (channels, height, width), rows and columns being whole numbers."""
    row, column = row.astype(int), column.astype(int)
    height, width = x.shape[1:]
    found = x[:, padded_index(row, height, padding), padded_index(column, width, padding)]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(inside, found, value) if padding == "constant" else found


def read(x: np.ndarray, row: np.ndarray, column: np.ndarray, padding: str, value: float) -> np.ndarray:
    top, left = np.floor(row), np.floor(column)
    down, across = row - top, column - left
    result = 0
    for r, share in ((top, 1 - down), (top + 1, down)):
        for c, part in ((left, 1 - across), (left + 1, across)):
            result = result + pixel(x, r, c, padding, value) * share * part
    return result


def sampled(places: np.ndarray, x: np.ndarray = X, **options: Any) -> np.ndarray:
    mode, align = options["coordinates_mode"], options["align_corners"]
    results = []
    for image, each in zip(x, places.astype(np.float64), strict=True):
        column = in_pixels(each[..., 0], mode, x.shape[3], align=align)
        row = in_pixels(each[..., 1], mode, x.shape[2], align=align)
        if options["sampling_mode"] == "nearest":
            results.append(
                pixel(image, np.rint(row), np.rint(column), options["padding_mode"], options["padding_value"])
            )
        else:
            results.append(read(image, row, column, options["padding_mode"], options["padding_value"]))
    return np.stack(results)


def close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
def test_resample_with_normalized_coordinates(sampling: str, padding: str, *, symbolic: bool) -> None:
    options = [
        {
            "sampling_mode": sampling,
            "padding_mode": padding,
            "padding_value": value,
            "coordinates_mode": coordinates,
            "align_corners": align,
        }
        for coordinates in NORMALIZED
        for align in (False, True)
        for value in ((0.0, 6.5) if padding == "constant" else (0.0,))
    ]

    def body(x: Any, places: Any) -> list[Any]:
        return [mb.resample(x=x, coordinates=places, **each) for each in options]

    for actual, each in zip(run(body, symbolic=symbolic, x=X, places=PLACES), options, strict=True):
        close(actual, sampled(PLACES, **each))


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
@pytest.mark.parametrize("value", [0.0, 2.5])
def test_resample_with_coordinates_in_pixels(sampling: str, padding: str, value: float) -> None:
    options = {
        "sampling_mode": sampling,
        "padding_mode": padding,
        "padding_value": value,
        "coordinates_mode": "unnormalized",
        "align_corners": True,
    }
    places = PLACES * np.float32(3) + 2

    (y,) = run(lambda x, places: mb.resample(x=x, coordinates=places, **options), x=X, places=places)

    close(y, sampled(places, **options))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "float16"])
def test_resample_takes_coordinates_of_any_type(dtype: str) -> None:
    places = np.array([[[[0, 1], [4, 2], [3, 3]]]] * 2).astype(dtype)
    options = {
        "sampling_mode": "nearest",
        "padding_mode": "border",
        "padding_value": 0.0,
        "coordinates_mode": "unnormalized",
        "align_corners": False,
    }

    def body(x: Any, places: Any) -> Any:
        if dtype in {"int32", "float16"}:
            return mb.resample(x=x, coordinates=places, **options)
        return mb.resample(x=x, coordinates=mb.cast(x=places, dtype=dtype), **options)

    given = places if dtype in {"int32", "float16"} else places.astype(np.int32)
    (y,) = run(body, IOS17, x=X, places=given)

    np.testing.assert_array_equal(y, X[:, :, [1, 2, 3], [0, 4, 3]][:, :, None])


@pytest.mark.parametrize("padding", ["reflection", "symmetric"])
@pytest.mark.parametrize("symbolic", [False, True])
def test_a_single_column_is_its_own_mirror_image(padding: str, *, symbolic: bool) -> None:
    x = X[..., :1]
    options = {
        "sampling_mode": "bilinear",
        "padding_mode": padding,
        "padding_value": 0.0,
        "coordinates_mode": "normalized_minus_one_to_one",
        "align_corners": padding == "reflection",
    }

    (y,) = run(lambda x, p: mb.resample(x=x, coordinates=p, **options), symbolic=symbolic, x=x, p=PLACES)

    close(y, sampled(PLACES, x, **options))


def test_unknown_padding_is_refused() -> None:
    options = {
        "sampling_mode": "bilinear",
        "padding_mode": "wrap",
        "padding_value": 0.0,
        "coordinates_mode": "unnormalized",
        "align_corners": False,
    }
    with pytest.raises(RunError, match="unknown mode among 'bilinear', 'wrap'"):
        run(lambda x, p: mb.resample(x=x, coordinates=p, **options), x=X, p=PLACES)


def nodes(body: Callable[..., Any], **inputs: np.ndarray) -> list[str]:
    program = program_of(body, IOS16, inputs, symbolic=False)
    return [node.op_type for node in lower_function(program.functions["main"]).graph.main.nodes]


@pytest.mark.parametrize(("padding", "align"), [("constant", False), ("border", True), ("symmetric", False)])
def test_what_onnx_has_is_one_grid_sample(padding: str, *, align: bool) -> None:
    options = {
        "sampling_mode": "bilinear",
        "padding_mode": padding,
        "padding_value": 0.0,
        "coordinates_mode": "normalized_minus_one_to_one",
        "align_corners": align,
    }
    assert nodes(lambda x, p: mb.resample(x=x, coordinates=p, **options), x=X, p=PLACES) == ["GridSample"]


# --- affine


def transformed(matrices: np.ndarray, height: int, width: int, *, align: bool) -> np.ndarray:
    def ends(count: int) -> np.ndarray:
        if align:
            return np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
        return (2 * np.arange(count) + 1) / count - 1

    down, across = np.meshgrid(ends(height), ends(width), indexing="ij")
    homogeneous = np.stack([across, down, np.ones_like(down)])
    places = np.einsum("bkc,chw->bhwk", np.broadcast_to(matrices.reshape(-1, 2, 3), (2, 2, 3)), homogeneous)
    return sampled(
        places,
        sampling_mode="bilinear",
        padding_mode="constant",
        padding_value=0.0,
        coordinates_mode="normalized_minus_one_to_one",
        align_corners=align,
    )


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("symbolic", [False, True])
def test_affine_reads_where_the_matrix_says(count: int, *, symbolic: bool) -> None:
    matrices = np.float32([[0.8, -0.3, 0.1, 0.4, 1.1, -0.2], [-1.0, 0.2, 0.0, 0.1, 0.7, 0.3]])[:count]
    cases = [(6, 3, True), (6, 3, False), (1, 4, True)]

    def of(x: Any, matrix: Any, height: int, width: int, *, align: bool) -> Any:
        return mb.affine(
            x=x,
            transform_matrix=matrix,
            output_height=height,
            output_width=width,
            sampling_mode="bilinear",
            padding_mode="constant",
            padding_value=0.0,
            coordinates_mode="normalized_minus_one_to_one",
            align_corners=align,
        )

    def body(x: Any, matrix: Any) -> list[Any]:
        inputs = [of(x, matrix, height, width, align=align) for height, width, align in cases]
        return [*inputs, of(x, matrices, 2, 2, align=True)]

    results = run(body, symbolic=symbolic, x=X, matrix=matrices)

    for actual, (height, width, align) in zip(results, [*cases, (2, 2, True)], strict=True):
        close(actual, transformed(matrices, height, width, align=align))

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import coremltools as ct
import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16, IOS17
from milopt.runtime import Session
from support.packages import Shelf, package_of
from support.program_registry import Input, build_program
from support.refusals import refusal

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
COLORS = ct.colorlayout


def planes(pixels: np.ndarray) -> np.ndarray:
    """What a program gets for an RGB image."""
    return pixels.transpose(2, 0, 1)[np.newaxis].astype(np.float32)


def package(folder: Path, *, image: Any, output: Any = None, dtype: str = "fp32", channels: int = 3) -> Path:
    """A program that gives half of an image back, as an array unless `output` says otherwise."""
    shape = image.shape.shape if isinstance(image.shape, ct.Shape) else image.shape.default
    sizes = tuple(None if isinstance(size, ct.RangeDim) else size for size in shape[2:])
    flexible = isinstance(image.shape, ct.EnumeratedShapes)
    half = np.float16(0.5) if dtype == "fp16" else np.float32(0.5)
    program = build_program(
        lambda image: mb.mul(x=image, y=half, name="half"),
        IOS17,
        image=Input((1, channels, *((None, None) if flexible else sizes)), dtype),
    )
    if output is not None:
        program.functions["main"].set_output_types([output])
    return package_of(program, folder, inputs=[image])


def image_type(layout: str, *, size: Any = (20, 30), **options: Any) -> Any:
    channels = 3 if layout in (COLORS.RGB, COLORS.BGR) else 1
    return ct.ImageType(name="image", shape=(1, channels, *size), color_layout=layout, **options)


@pytest.mark.parametrize("layout", [COLORS.RGB, COLORS.BGR])
@pytest.mark.parametrize("form", ["array", "RGB", "RGBA"])
def test_color_images_come_as_planes_in_the_models_order(tmp_path: Path, layout: str, form: str) -> None:
    session = Session(package(tmp_path, image=image_type(layout)))
    alpha = np.full((20, 30, 1), 77, np.uint8)
    image = {"array": PIXELS, "RGB": Image.fromarray(PIXELS), "RGBA": Image.fromarray(np.dstack([PIXELS, alpha]))}

    (half,) = session.run({"image": image[form]}).values()

    ordered = PIXELS[..., ::-1] if layout == COLORS.BGR else PIXELS
    np.testing.assert_array_equal(half, planes(ordered) / 2)


@pytest.mark.parametrize("as_array", [True, False])
def test_gray_images(tmp_path: Path, *, as_array: bool) -> None:
    session = Session(package(tmp_path, image=image_type(COLORS.GRAYSCALE), channels=1))
    gray = PIXELS[..., 0]

    (half,) = session.run({"image": gray if as_array else Image.fromarray(gray)}).values()

    np.testing.assert_array_equal(half, gray[np.newaxis, np.newaxis] / np.float32(2))


@pytest.mark.parametrize("dtype", ["float16", "float32", "pillow"])
def test_gray_images_of_half_floats_keep_their_fractions(tmp_path: Path, dtype: str) -> None:
    layout = COLORS.GRAYSCALE_FLOAT16
    output = ct.ImageType(name="half", color_layout=layout)
    path = package(tmp_path, image=image_type(layout), output=output, dtype="fp16", channels=1)
    gray = np.random.default_rng(1).random((20, 30), np.float32)
    given = Image.fromarray(gray) if dtype == "pillow" else gray.astype(dtype)

    (image,) = Session(path).run({"image": given}).values()

    assert image.mode == "F"
    np.testing.assert_array_equal(np.asarray(image), gray.astype(np.float16) / 2)


def test_scale_and_bias_are_in_the_program(tmp_path: Path) -> None:
    image = image_type(COLORS.RGB, scale=1 / 127.5, bias=[-1, -0.5, 0])
    program = build_program(lambda image: mb.identity(x=image, name="seen"), IOS16, image=Input((1, 3, 20, 30), "fp32"))
    model = ct.convert(program, inputs=[image], convert_to="mlprogram", minimum_deployment_target=ct.target.iOS16,
                       compute_precision=ct.precision.FLOAT32, skip_model_load=True)  # fmt: skip
    path = tmp_path / "scaled.mlpackage"
    model.save(str(path))

    (seen,) = Session(path).run({"image": PIXELS}).values()

    bias = np.float32([-1, -0.5, 0]).reshape(3, 1, 1)
    np.testing.assert_allclose(seen, planes(PIXELS) / 127.5 + bias, rtol=1e-5, atol=1e-6)


# --- images that come out


def test_an_image_comes_out_as_a_pillow_image_with_an_opaque_alpha_channel(shelf: Shelf) -> None:
    session = Session(shelf["image_output"])

    (image,) = session.run({"image": PIXELS}).values()

    assert session.outputs[0].kind == "image"
    assert (image.mode, image.size) == ("RGBA", (30, 20))
    expected = np.minimum(np.rint(PIXELS * 1.25), 255)
    np.testing.assert_array_equal(np.asarray(image)[..., :3], expected)
    assert (np.asarray(image)[..., 3] == 255).all()
    again = session.run({"image": image})["brighter"]  # what comes out can go in
    assert again.mode == "RGBA"


def test_without_pillow_images_come_out_as_arrays(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_pillow(name: str, *arguments: Any) -> Any:
        if name.partition(".")[0] == "PIL":
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_pillow)
    (pixels,) = Session(shelf["image_output"]).run({"image": PIXELS}).values()

    assert isinstance(pixels, np.ndarray)
    np.testing.assert_array_equal(pixels, np.minimum(np.rint(PIXELS * 1.25), 255).astype(np.uint8))


@pytest.mark.parametrize(("layout", "channels"), [(COLORS.RGB, 3), (COLORS.BGR, 3), (COLORS.GRAYSCALE, 1)])
def test_values_beyond_a_byte_are_held_within_it(tmp_path: Path, layout: str, channels: int) -> None:
    program = build_program(lambda x: mb.identity(x=x, name="y"), IOS16, x=Input((1, channels, 2, 2), "fp32"))
    program.functions["main"].set_output_types([ct.ImageType(name="y", color_layout=layout)])
    session = Session(package_of(program, tmp_path))
    x = np.zeros((1, channels, 2, 2), np.float32)
    x[0, 0] = [[-3, 300], [1.4, 1.6]]

    pixels = np.asarray(session.run({"x": x})["y"])

    first = pixels if channels == 1 else pixels[..., 2 if layout == COLORS.BGR else 0]
    np.testing.assert_array_equal(first, [[0, 255], [1, 2]])


# --- sizes


def test_ranges_of_image_sizes(tmp_path: Path) -> None:
    size = (ct.RangeDim(2, 40, default=20), ct.RangeDim(3, 50, default=30))
    model = milopt.load(package(tmp_path, image=image_type(COLORS.RGB, size=size)))
    sizes = model.specification.description.input[0].type.imageType.imageSizeRange
    sizes.widthRange.upperBound = -1  # coremltools refuses to write what the format allows
    session = Session(model)

    assert session.inputs[0].ranges == ((2, 40), (3, None), (3, 3))
    assert session.run({"image": np.zeros((40, 100, 3), np.uint8)})["half"].shape == (1, 3, 40, 100)
    for shape in ((41, 30, 3), (20, 2, 3)):
        refusal(lambda shape=shape: session.run({"image": np.zeros(shape, np.uint8)}), RunError,
                r"an image of uint8\[2\.\.40, 3\.\., 3\] \(height, width, RGB\)")  # fmt: skip


def test_enumerated_image_sizes(tmp_path: Path) -> None:
    shapes = ct.EnumeratedShapes([(1, 3, 20, 30), (1, 3, 40, 50)], default=(1, 3, 20, 30))
    session = Session(package(tmp_path, image=ct.ImageType(name="image", shape=shapes, color_layout=COLORS.RGB)))

    assert session.inputs[0].shapes == ((20, 30, 3), (40, 50, 3))
    assert session.run({"image": np.zeros((40, 50, 3), np.uint8)})["half"].shape == (1, 3, 40, 50)
    image = Image.new("RGB", (50, 20))
    refusal(
        lambda: session.run({"image": image}), RunError, r"shape \[20, 50, 3\] .*uint8\[20, 30, 3\] or \[40, 50, 3\]"
    )


# --- refusals


def test_an_unknown_color_layout_is_refused(shelf: Shelf) -> None:
    model = milopt.load(shelf["image_output"])
    model.specification.description.input[0].type.imageType.colorSpace = 25
    refusal(lambda: Session(model), RunError, "image_output.mlpackage, feature 'image': the color layout 25 is unknown")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.new("L", (30, 20)), r"image of mode 'L' \(convert it with image.convert\(\"RGB\"\)\)"),
        (
            Image.new("RGB", (20, 30)),
            r"it has the shape \[30, 20, 3\] \(the model takes an image of uint8\[20, 30, 3\]",
        ),
        (PIXELS.astype(np.float32), r"it holds float32 \(the model takes an image of uint8"),
        (PIXELS[..., 0], r"it has the shape \[20, 30\]"),
        (planes(PIXELS).astype(np.uint8), r"it has the shape \[1, 3, 20, 30\]"),
        ("photo.png", "it holds"),
    ],
)
def test_what_is_no_such_image_is_refused(shelf: Shelf, image: Any, message: str) -> None:
    session = Session(shelf["image_output"])
    refusal(lambda: session.run({"image": image}), RunError, f"input 'image': .*{message}")

"""Images: Pillow's, or arrays of their pixels, between users and the float tensors that programs compute with.

An array of pixels is uint8 of shape (height, width, 3), red first whatever the model's own order, or
(height, width) without colors; of a GRAYSCALE_FLOAT16 image it is float16. Pillow is only needed by who uses it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.errors import RunError
from .features import Feature

# Pillow's modes for the color layouts; Core ML ignores an alpha channel.
_MODES = {"RGB": ("RGB", "RGBA"), "BGR": ("RGB", "RGBA"), "GRAYSCALE": ("L",), "GRAYSCALE_FLOAT16": ("F",)}


def accepted_image(feature: Feature, value: Any) -> np.ndarray:
    """The pixels of a Pillow image or of an array.

    Raises:
        RunError: another mode or type than the feature's, or a size that is not allowed.
    """
    pixels = _pixels_of_pillow(feature, value) if isinstance(getattr(value, "mode", None), str) else np.asarray(value)
    dtypes = ("float16", "float32") if feature.dtype == "float16" else ("uint8",)
    if pixels.dtype.name not in dtypes:
        raise _refusal(feature, f"it holds {pixels.dtype}", f"the model takes {feature}")
    if not feature.allows(pixels.shape):
        raise _refusal(feature, f"it has the shape {list(pixels.shape)}", f"the model takes {feature}")
    with np.errstate(over="ignore"):
        return pixels.astype(feature.dtype, copy=False)


def tensor_of(feature: Feature, pixels: np.ndarray) -> np.ndarray:
    """What the program computes with: floats of 0 to 255, of shape (1, channels, height, width)."""
    if feature.has_colors:
        ordered = pixels[..., ::-1] if feature.colors == "BGR" else pixels
        return np.ascontiguousarray(ordered.transpose(2, 0, 1)[np.newaxis], np.float32)
    return pixels[np.newaxis, np.newaxis].astype(np.float32)


def pixels_of(feature: Feature, tensor: np.ndarray) -> np.ndarray:
    """The inverse of `tensor_of`: values are rounded to the nearest whole number and held within 0 to 255.

    Raises:
        RunError: the program gives something that is no image.
    """
    channels = 3 if feature.has_colors else 1
    if tensor.ndim != 4 or tensor.shape[:2] != (1, channels):
        message = f"the program gives the shape {list(tensor.shape)} for a {feature.colors} image"
        raise RunError(message, where=f"output {feature.name!r}")
    if feature.dtype == "float16":
        return np.asarray(tensor[0, 0], np.float16)
    values = np.rint(np.clip(np.nan_to_num(tensor[0].astype(np.float32)), 0, 255)).astype(np.uint8)
    if not feature.has_colors:
        return np.asarray(values[0])
    return np.ascontiguousarray((values[::-1] if feature.colors == "BGR" else values).transpose(1, 2, 0))


def delivered_image(feature: Feature, pixels: np.ndarray) -> Any:
    """A Pillow image in the mode that coremltools gives (RGBA, L or F); the pixels themselves without Pillow."""
    try:
        from PIL import Image
    except ImportError:
        return pixels
    if feature.has_colors:
        return Image.fromarray(np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]))
    return Image.fromarray(pixels.astype(np.float32) if feature.dtype == "float16" else pixels)


def _pixels_of_pillow(feature: Feature, image: Any) -> np.ndarray:
    modes = _MODES.get(feature.colors, ())
    if image.mode not in modes:
        hint = f'convert it with image.convert("{modes[0]}")' if modes else f"the model takes {feature}"
        raise _refusal(feature, f"it is an image of mode {image.mode!r}", hint)
    pixels = np.asarray(image)
    return pixels[..., :3] if feature.has_colors else pixels


def _refusal(feature: Feature, message: str, hint: str) -> RunError:
    return RunError(message, where=f"input {feature.name!r}", hint=hint)

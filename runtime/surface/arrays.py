"""Arrays and numbers that users hand over: their types and shapes checked, and converted as Core ML does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.errors import RunError
from .features import Feature

# The element types that Core ML's arrays have; it converts between all of them.
ARRAY_TYPES = ("float64", "float32", "float16", "int32", "int8")


def accepted_array(feature: Feature, value: Any) -> np.ndarray:
    """The value as an array of the feature's type, or an fp32 array where that is fp16.

    Numbers and lists have no type of their own: whole numbers are taken wherever they fit.

    Raises:
        RunError: a type that Core ML has not, numbers that do not fit the type, or a shape that is not allowed.
    """
    array, is_typed = _as_array(feature, value)
    if array.ndim == 0 and feature.shape == (1,):
        array = array.reshape(1)
    if not feature.allows(array.shape):
        raise _refusal(feature, f"it has the shape {list(array.shape)}", f"the model takes {feature}")
    return _converted(feature, array, is_typed=is_typed)


def default_array(feature: Feature) -> np.ndarray:
    """What stands for an optional input that was left out."""
    return np.full([size or 0 for size in feature.shape or ()], feature.default, feature.dtype or None)


def accepted_number(feature: Feature, value: Any) -> float | int:
    """The value as the Python number that a `double` or `int64` feature has.

    Raises:
        RunError: it is no number, or a fraction where a whole number belongs.
    """
    array, _ = _as_array(feature, value)
    kinds = "iu" if feature.kind == "int64" else "iuf"
    if array.size != 1 or array.dtype.kind not in kinds:
        raise _refusal(feature, f"it is {value!r}", f"the model takes one number: {feature.kind}")
    number = array.reshape(()).item()
    return float(number) if feature.kind == "double" else int(number)


def _as_array(feature: Feature, value: Any) -> tuple[np.ndarray, bool]:
    """The value as an array, and whether its type is one that somebody chose."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _refusal(feature, f"it is no array: {error}", f"the model takes {feature}") from None
    return array, hasattr(value, "__array__")


def _converted(feature: Feature, array: np.ndarray, *, is_typed: bool) -> np.ndarray:
    dtype = np.dtype(feature.dtype) if feature.dtype else array.dtype
    if array.dtype == dtype:
        return array
    is_taken = array.dtype.name in ARRAY_TYPES or (array.dtype.kind in "iu" and not is_typed)
    if not is_taken or dtype.kind == "b":
        raise _refusal(
            feature,
            f"it is an array of {array.dtype}",
            f"Core ML takes arrays of {', '.join(ARRAY_TYPES)}; this input is {feature}: convert with "
            f".astype({dtype.name!r})",
        )
    if dtype.kind in "iu":
        limits, wide = np.iinfo(dtype), array.astype(np.float64)
        with np.errstate(invalid="ignore"):
            fits = (wide >= limits.min) & (wide <= limits.max) & (wide == np.trunc(wide))
        if not fits.all():
            raise _refusal(feature, f"it holds numbers that {dtype} does not", f"the model takes {feature}")
    if dtype == np.float16 and array.dtype == np.float32:
        return array  # the graph rounds it, in a tenth of numpy's time
    with np.errstate(over="ignore"):
        return array.astype(dtype)


def _refusal(feature: Feature, message: str, hint: str) -> RunError:
    return RunError(message, where=f"input {feature.name!r}", hint=hint)

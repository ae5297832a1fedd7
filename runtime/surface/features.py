"""What a model takes and gives, as its description says it: names, kinds, types, shapes and defaults."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from ...ir.descriptions.io_types import array_type, color_space
from ...ir.descriptions.shapes import Range, size_range
from ...ir.errors import RunError
from ...ir.pymil import ListVar, dtype_of
from ...ir.pymil import types as mil_types
from ..op import Shape, shape_of

Kind: TypeAlias = Literal["array", "image", "double", "int64", "string", "dictionary", "sequence"]

_KINDS: dict[str, Kind] = {
    "multiArrayType": "array",
    "stateType": "array",
    "imageType": "image",
    "doubleType": "double",
    "int64Type": "int64",
    "stringType": "string",
    "dictionaryType": "dictionary",
    "sequenceType": "sequence",
}


@attrs.frozen
class Feature:
    """An input, output or state of a model.

    Attributes:
        name: what `run` calls it.
        kind: `array`, `image`, `double`, `int64`, `string`, `dictionary` or `sequence`.
        dtype: the numpy name of an array's or image's elements; empty where the description leaves it open.
        shape: the shape, or the default one of a flexible feature; None where it, or a dimension, is not known.
            An image has the shape of its pixels: (height, width, 3), or (height, width) without colors.
        shapes: the possible shapes, where they are enumerated.
        ranges: least and greatest size of each dimension, where they are ranges; None for no greatest.
        optional: whether it may be left out.
        default: what fills an array that was left out; None for no default.
        colors: of an image: `RGB`, `BGR`, `GRAYSCALE` or `GRAYSCALE_FLOAT16`.
    """

    name: str
    kind: Kind = "array"
    dtype: str = ""
    shape: Shape | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[Range, ...] = ()
    optional: bool = False
    default: float | None = None
    colors: str = ""

    def allows(self, shape: Sequence[int]) -> bool:
        """Whether a value may have this shape."""
        if self.shapes:
            return tuple(shape) in self.shapes
        limits = self._limits()
        return limits is None or (
            len(limits) == len(shape)
            and all(
                low <= size and (high is None or size <= high) for size, (low, high) in zip(shape, limits, strict=True)
            )
        )

    def __str__(self) -> str:
        """What a value has to be, such as `float32[1..2, 40]`."""
        if self.shapes:
            sizes = " or ".join(str(list(shape)) for shape in self.shapes)
        else:
            limits = self._limits()
            sizes = "" if limits is None else f"[{', '.join(_range_text(limit) for limit in limits)}]"
        if self.kind == "image":
            return f"an image of {self.dtype}{sizes} (height, width{', RGB' if self.has_colors else ''})"
        return f"{self.dtype}{sizes}" if self.kind == "array" else self.kind

    @property
    def has_colors(self) -> bool:
        """Whether an image has three channels."""
        return self.colors in ("RGB", "BGR")

    def _limits(self) -> tuple[Range, ...] | None:
        if self.ranges or self.shape is None:
            return self.ranges or None
        return tuple((0, None) if size is None else (size, size) for size in self.shape)


@attrs.frozen
class Interface:
    """The features of a model, or of a stage of a pipeline; states are arrays."""

    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    states: tuple[Feature, ...] = ()


def interface_of_description(description: Any) -> Interface:
    """What a model's description says, or the description of one of its functions."""
    return Interface(*(_features(part) for part in (description.input, description.output, description.state)))


def interface_of_function(function: Any) -> Interface:
    """What a MIL function takes and gives: arrays in MIL's own types, and a classifier's label and probabilities."""
    inputs = {name: mil_types.is_state(var.sym_type) for name, var in function.inputs.items()}
    features = {name: _feature_of_var(name, var) for name, var in function.inputs.items()}
    return Interface(
        inputs=tuple(features[name] for name, is_state in inputs.items() if not is_state),
        outputs=tuple(_feature_of_var(var.name, var) for var in function.outputs),
        states=tuple(features[name] for name, is_state in inputs.items() if is_state),
    )


def _features(descriptions: Iterable[Any]) -> tuple[Feature, ...]:
    return tuple(_feature(description) for description in descriptions)


def _feature(description: Any) -> Feature:
    kind = description.type.WhichOneof("Type")
    if kind not in _KINDS:
        raise RunError(
            f"its description has no type that the runtime knows: {kind}", where=f"feature {description.name!r}"
        )
    feature = Feature(description.name, _KINDS[kind], optional=description.type.isOptional)
    if kind == "imageType":
        return attrs.evolve(feature, **_of_image(description.type.imageType, description.name))
    if feature.kind != "array":
        return feature
    array = description.type.stateType.arrayType if kind == "stateType" else description.type.multiArrayType
    return attrs.evolve(feature, **_of_array(array))


def _of_array(array: Any) -> dict[str, Any]:
    flexible = array.WhichOneof("ShapeFlexibility")
    shapes = [tuple(each.shape) for each in array.enumeratedShapes.shapes] if flexible == "enumeratedShapes" else []
    ranges = [size_range(each) for each in array.shapeRange.sizeRanges] if flexible == "shapeRange" else []
    shape = tuple(array.shape) or next(iter(shapes), ()) or tuple(low for low, _ in ranges)
    default = array.WhichOneof("defaultOptionalValue")
    known = array_type(array.dataType)  # a damaged model may hold any number
    return {
        "dtype": known.numpy if known else "",
        "shape": shape or None,
        "shapes": tuple(shapes),
        "ranges": tuple(ranges),
        "default": None if default is None else getattr(array, default),
    }


def _of_image(image: Any, name: str) -> dict[str, Any]:
    colors = color_space(image.colorSpace)
    if colors is None:
        raise RunError(f"the color layout {image.colorSpace} is unknown", where=f"feature {name!r}")
    channels = (colors.channels,) if colors.channels > 1 else ()
    flexible = image.WhichOneof("SizeFlexibility")
    ranges: tuple[Range, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    if flexible == "enumeratedSizes":
        shapes = tuple((size.height, size.width, *channels) for size in image.enumeratedSizes.sizes)
    elif flexible == "imageSizeRange":
        sizes = image.imageSizeRange
        ranges = (size_range(sizes.heightRange), size_range(sizes.widthRange), *((size, size) for size in channels))
    return {
        "colors": colors.name,
        "dtype": colors.numpy,
        "shape": (image.height, image.width, *channels),
        "shapes": shapes,
        "ranges": ranges,
    }


def _feature_of_var(name: str, var: Any) -> Feature:
    if mil_types.is_dict(var.sym_type):
        return Feature(name, "dictionary")
    if mil_types.is_str(var.sym_type):
        return Feature(name, "string")
    if var.sym_type == mil_types.int64 and var.op is not None and var.op.op_type == "classify":
        return Feature(name, "int64")
    return Feature(name, dtype=dtype_of(var).numpy, shape=None if isinstance(var, ListVar) else shape_of(var))


def _range_text(limits: Range) -> str:
    low, high = limits
    if low == high:
        return str(low)
    return "?" if limits == (0, None) else f"{low}..{'' if high is None else high}"

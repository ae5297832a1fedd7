"""Inputs, outputs and states as a model's description holds them: how they are filled in and put into words.

Importing this module imports coremltools.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Sized
from typing import Any, TypeAlias

import attrs

from ..pymil import proto
from .io_types import ArrayType, array_type, color_space

Shape: TypeAlias = "tuple[int, ...]"
# Least and greatest size of each dimension; -1 for a dimension that may grow without bound.
Ranges: TypeAlias = "tuple[tuple[int, int], ...]"

UNBOUNDED = -1


@attrs.frozen
class Flexibility:
    """The shapes that an array may have beside its default one: ranges, or an enumeration, or neither.

    Attributes:
        ranges: least and greatest size of each dimension.
        shapes: the possible shapes; where there are any, `ranges` do not count.
    """

    ranges: Ranges = ()
    shapes: tuple[Shape, ...] = ()


FIXED = Flexibility()


def fill_array(array: Any, dtype: ArrayType, shape: Iterable[int], flexibility: Flexibility = FIXED) -> None:
    """Fills in an empty `ArrayFeatureType`."""
    array.dataType = dtype.number
    array.shape.extend(shape)
    if flexibility.shapes:
        for each in flexibility.shapes:
            array.enumeratedShapes.shapes.add().shape.extend(each)
        return
    for least, greatest in flexibility.ranges:
        fill_range(array.shapeRange.sizeRanges.add(), least, greatest)


def fill_range(size: Any, least: int, greatest: int) -> None:
    """Fills in a `SizeRange`."""
    size.lowerBound = least
    size.upperBound = UNBOUNDED if greatest < 0 else greatest


def interface_parts(description: Any) -> dict[str, Any]:
    """The parts of a `ModelDescription` that hold inputs and outputs, by function; the empty name without functions.

    A `FunctionDescription` and a `ModelDescription` call their features alike.
    """
    return {part.name: part for part in description.functions} or {"": description}


def function_part(description: Any, name: str, functions: Sized) -> Any:
    """The part that describes a function; None where none does.

    Args:
        description: a `ModelDescription`; without functions of its own it is that of `main`, or of the only function.
        name: of the function.
        functions: all of the program's.
    """
    parts = interface_parts(description)
    return parts.get(name) or (parts.get("") if name == "main" or len(functions) == 1 else None)


def is_special(feature: Any) -> bool:
    """Whether a feature says what no program tells: an image, sizes to choose from, something that is optional."""
    kind = feature.type
    flexible = kind.multiArrayType.WhichOneof("ShapeFlexibility") is not None
    return bool(kind.isOptional or kind.WhichOneof("Type") == "imageType" or flexible)


def full_feature_words(feature: Any) -> str:
    """The words for a feature, and the default of one that is optional: `optional float32 [1, 40], else 0.5`."""
    array = feature.type.multiArrayType
    default = array.WhichOneof("defaultOptionalValue")
    return feature_words(feature) + (f", else {getattr(array, default):g}" if default else "")


def feature_words(feature: Any) -> str:
    """What a feature is, such as `float32 [1, 40] in [[1, 9], [40, 40]]`; descriptions and defaults are left out."""
    kind = feature.type.WhichOneof("Type") or "no type"
    optional = "optional " if feature.type.isOptional else ""
    if kind in ("multiArrayType", "stateType"):
        is_state = kind == "stateType"
        array = feature.type.stateType.arrayType if is_state else feature.type.multiArrayType
        return f"{optional}{'state of ' if is_state else ''}{_array_words(array)}"
    if kind == "imageType":
        return f"{optional}{_image_words(feature.type.imageType)}"
    if kind == "dictionaryType":
        keys = feature.type.dictionaryType.WhichOneof("KeyType") or "KeyType"
        return f"{optional}dictionary of {keys.removesuffix('KeyType')} keys"
    if kind == "sequenceType":
        return f"{optional}{_sequence_words(feature.type.sequenceType)}"
    return f"{optional}{kind.removesuffix('Type')}"


def _sequence_words(sequence: Any) -> str:
    elements = (sequence.WhichOneof("Type") or "no type").removesuffix("Type")
    return f"sequence of {elements} in {[sequence.sizeRange.lowerBound, sequence.sizeRange.upperBound]}"


def _array_words(array: Any) -> str:
    dtype = array_type(array.dataType)
    words = f"{dtype.name.lower() if dtype else array.dataType} {list(array.shape)}"
    choices = [list(each.shape) for each in array.enumeratedShapes.shapes]
    return words + _flexible_words(array.WhichOneof("ShapeFlexibility"), choices, array.shapeRange.sizeRanges)


def _image_words(image: Any) -> str:
    colors, limits = color_space(image.colorSpace), image.imageSizeRange
    words = f"{colors.name if colors else image.colorSpace} image {image.width} x {image.height}"
    choices = [[each.width, each.height] for each in image.enumeratedSizes.sizes]
    return words + _flexible_words(
        image.WhichOneof("SizeFlexibility"), choices, [limits.widthRange, limits.heightRange]
    )


def _flexible_words(flexibility: str | None, choices: list[list[int]], ranges: Sequence[Any]) -> str:
    """Which sizes there may be: ` of` choices, ` in` ranges, or nothing where there is one size."""
    if flexibility is None:
        return ""
    if flexibility.startswith("enumerated"):
        return f" of {choices}"
    return f" in {[[each.lowerBound, each.upperBound] for each in ranges]}"


def empty_description() -> Any:
    """A new protobuf `ModelDescription`."""
    return proto.Model_pb2.ModelDescription()

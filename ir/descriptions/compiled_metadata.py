"""`metadata.json` of a compiled model: the model's description in Apple's own words.

It tells everything but the defaults of optional inputs and the names of a classifier's outputs. The keys are those of
coremltools' C++ sources (`mlmodel/src/Format.cpp`) and of files that Apple's compiler wrote.

Importing this module imports coremltools.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from ..errors import ProgramError, located
from ..pymil import proto
from .features import Flexibility, empty_description, fill_array, fill_range
from .io_types import ARRAY_TYPES, COLOR_SPACES, DICTIONARY_KEYS

FILE = "metadata.json"
_PARTS = {"input": "inputSchema", "output": "outputSchema", "state": "stateSchema"}
# The fields of the description's metadata, and what the file calls them.
METADATA = {
    "shortDescription": "shortDescription",
    "author": "author",
    "license": "license",
    "versionString": "version",
}
# String, Int64; Float32, Double, ...
_KEYS = {name.capitalize(): field for name, field in DICTIONARY_KEYS.items()}
_ARRAYS = {each.name.capitalize(): each for each in ARRAY_TYPES}
_COLORS = {"Grayscale": "GRAYSCALE", "RGB": "RGB", "BGR": "BGR", "Grayscale16Half": "GRAYSCALE_FLOAT16"}
_COLOR_NUMBERS = {each.name: each.number for each in COLOR_SPACES}

_Entry: TypeAlias = Mapping[str, Any]


@attrs.frozen
class CompiledMetadata:
    """What the file tells.

    Attributes:
        description: a protobuf `ModelDescription`.
        specification_version: None where it is not told.
    """

    description: Any
    specification_version: int | None = None


def read_metadata(data: bytes) -> CompiledMetadata:
    """Reads the bytes of the file.

    Raises:
        ProgramError: it is not JSON, or not built as such files are.
    """
    with located(FILE):
        (model, *_) = json.loads(data)
        result = empty_description()
        functions = model.get("functions") or []
        for function in functions:
            _fill_part(result.functions.add(name=function["name"]), function)
        if functions:
            result.defaultFunctionName = model["defaultFunctionName"]
        else:
            _fill_part(result, model)
        _fill_metadata(result.metadata, model)
        return CompiledMetadata(result, _version(model.get("specificationVersion")))


def _version(told: int | None) -> int | None:
    """The specification version, if the protobuf can hold it."""
    return told if told is None else int(proto.Model_pb2.Model(specificationVersion=told).specificationVersion)


def _fill_part(part: Any, told: _Entry) -> None:
    for name, key in _PARTS.items():
        for entry in told.get(key, []):
            feature = getattr(part, name).add(name=entry["name"], shortDescription=entry.get("shortDescription", ""))
            with located(f"{FILE}: {name} {feature.name!r}"):
                _fill_type(feature.type, entry, is_state=name == "state")


def _fill_metadata(metadata: Any, told: _Entry) -> None:
    for field, key in METADATA.items():
        setattr(metadata, field, told.get(key, ""))
    metadata.userDefined.update(told.get("userDefinedMetadata", {}))


def _fill_type(feature: Any, entry: _Entry, *, is_state: bool) -> None:
    if is_state:
        _fill_array(feature.stateType.arrayType, entry)
    elif entry["type"] in _FILLERS:
        _FILLERS[entry["type"]](feature, entry)
    else:
        raise ProgramError(f"it is of the unknown type {entry['type']!r}")
    if entry.get("isOptional") == "1":
        feature.isOptional = True


def _fill_array(array: Any, entry: _Entry) -> None:
    ranges = tuple((least, greatest) for least, greatest in _numbers(entry, "shapeRange"))
    shapes = tuple(tuple(shape) for shape in _numbers(entry, "enumeratedShapes"))
    fill_array(array, _ARRAYS[entry["dataType"]], _numbers(entry, "shape"), Flexibility(ranges, shapes))


def _fill_image(image: Any, entry: _Entry) -> None:
    image.width, image.height = int(entry["width"]), int(entry["height"])
    image.colorSpace = _COLOR_NUMBERS[_COLORS[entry["colorspace"]]]
    for width, height in _numbers(entry, "enumeratedSizes"):
        image.enumeratedSizes.sizes.add(width=width, height=height)
    if "sizeRange" in entry:
        width, height = _numbers(entry, "sizeRange")
        fill_range(image.imageSizeRange.widthRange, *width)
        fill_range(image.imageSizeRange.heightRange, *height)


def _numbers(entry: _Entry, key: str) -> Iterable[Any]:
    """The lists of numbers that a text under `key` holds; none without it."""
    found = json.loads(entry.get(key, "[]"))
    if not isinstance(found, list):
        raise TypeError(f"{key} is {found!r}")
    return found


def _single(kind: str) -> Callable[[Any, _Entry], None]:
    return lambda feature, _: getattr(feature, kind).SetInParent()


_FILLERS: dict[str, Callable[[Any, _Entry], None]] = {
    "MultiArray": lambda feature, entry: _fill_array(feature.multiArrayType, entry),
    "Image": lambda feature, entry: _fill_image(feature.imageType, entry),
    "Dictionary": lambda feature, entry: getattr(feature.dictionaryType, _KEYS[entry["keyType"]]).SetInParent(),
    "String": _single("stringType"),
    "Int64": _single("int64Type"),
    "Double": _single("doubleType"),
}

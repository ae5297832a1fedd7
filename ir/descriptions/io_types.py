"""What a model can take and give, and since which deployment target, as tables; `io_checks.py` checks models.

Sources: "validator" is Apple's own check of a model's description, `mlmodel/src/Validation/InterfaceValidators.cpp`
of coremltools' repository, and `mlmodel/src/Utils.cpp`, which says from which version on a model needs a feature;
"converter" is coremltools 9.0, `converters/_converters_entry.py`; "exporter" its `converters/mil/backend/mil/load.py`
and `helper.py`; "adjuster" its `converters/mil/backend/mil/passes/adjust_io_to_supported_types.py`.
"""

from __future__ import annotations

import functools

import attrs

from ..dtypes import dtype_named
from ..targets import IOS15, IOS16, IOS17, IOS18, IOS26, Opset


@attrs.frozen
class ArrayType:
    """One element type of the description's arrays.

    Attributes:
        number: of the file format's `ArrayDataType`.
        name: in the file format.
        dtype: the name of MIL's element type.
        first: the first opset whose ML programs have it at their border; None for none.
        source: where that stands; see above.
    """

    number: int
    name: str
    dtype: str
    first: Opset | None
    source: str

    @property
    def numpy(self) -> str:
        """The name of numpy's type."""
        return dtype_named(self.dtype).numpy


ARRAY_TYPES = (
    ArrayType(65568, "FLOAT32", "fp32", IOS15, "adjuster"),
    ArrayType(131104, "INT32", "int32", IOS15, "adjuster"),
    ArrayType(65552, "FLOAT16", "fp16", IOS16, "validator; converter; adjuster"),
    ArrayType(131080, "INT8", "int8", IOS26, "converter; adjuster"),
    ArrayType(65600, "DOUBLE", "fp64", None, "adjuster and exporter: they make fp32 of it, or refuse it"),
)


@attrs.frozen
class ColorSpace:
    """One layout of the description's images.

    Attributes:
        number: of the file format's `ColorSpace`.
        name: in the file format.
        channels: of the tensor that the program has for it.
        numpy: the name of numpy's type for a channel of a pixel.
        first: the first opset that has it.
        source: where that stands; see above.
    """

    number: int
    name: str
    channels: int
    numpy: str
    first: Opset
    source: str


COLOR_SPACES = (
    ColorSpace(10, "GRAYSCALE", 1, "uint8", IOS15, "validator"),
    ColorSpace(20, "RGB", 3, "uint8", IOS15, "validator"),
    ColorSpace(30, "BGR", 3, "uint8", IOS15, "validator"),
    ColorSpace(40, "GRAYSCALE_FLOAT16", 1, "float16", IOS16, "validator"),
)

# Element types of the tensors behind images; uint8 stands behind 8-bit gray inputs only (`ImageType` in coremltools).
IMAGE_DTYPES = ("fp32", "fp16")
GRAY_IMAGE_DTYPES = (*IMAGE_DTYPES, "uint8")

# Types of a dictionary's keys, as MIL names them, and the description's fields for them.
DICTIONARY_KEYS = {"string": "stringKeyType", "int64": "int64KeyType"}

# What MIL functions compute with at all: the inputs of a function that no description describes ("adjuster").
FUNCTION_DTYPES = dict.fromkeys(("fp32", "fp16", "int32", "string", "bool"), IOS15) | dict.fromkeys(
    ("int8", "uint8", "int16", "uint16"), IOS17
)

# Which of the description's default values an array type takes ("validator"; of INT8 it does not know).
DEFAULT_VALUES = {
    "FLOAT32": "floatDefaultValue",
    "FLOAT16": "floatDefaultValue",
    "INT32": "intDefaultValue",
    "DOUBLE": "doubleDefaultValue",
}


@attrs.frozen
class Rule:
    """Something that not every target has.

    Attributes:
        words: what it is, in the plural.
        first: the first opset that has it.
        source: where that stands; see above.
        advice: what to do for an earlier target.
    """

    words: str
    first: Opset
    source: str
    advice: str


STATES = Rule("states", IOS18, "validator", "make it an input and an output")
SEVERAL_FUNCTIONS = Rule("models of several functions", IOS18, "validator", "make a model of each function")
NO_INPUTS = Rule("models without inputs", IOS18, "validator", "give the function an input")
SEVERAL_ENUMERATED = Rule(
    "models with several inputs of enumerated shapes", IOS18, "converter", "enumerate the shapes of one input only"
)
UINT8_IMAGES = Rule("images as uint8 tensors", IOS17, "adjuster; ImageType", "take fp32 and cast inside the program")


@functools.cache
def _array_types() -> dict[object, ArrayType]:
    by_number: dict[object, ArrayType] = {each.number: each for each in ARRAY_TYPES}
    return by_number | {each.dtype: each for each in ARRAY_TYPES}


def array_type(key: int | str) -> ArrayType | None:
    """The array type of a number of the file format, or that of the name of MIL's element type."""
    return _array_types().get(key)


def color_space(number: int) -> ColorSpace | None:
    """The color space with this number."""
    return next((each for each in COLOR_SPACES if each.number == number), None)

"""Values at a model's surface: what users hand over becomes what stages compute with, and back.

Between stages an array is one of its feature's type, an image its pixels (see `images.py`), the rest plain Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ...ir.errors import RunError, did_you_mean
from .arrays import accepted_array, accepted_number, default_array
from .features import Feature, Kind
from .images import accepted_image, delivered_image

Values: TypeAlias = "Mapping[str, Any]"


def accepted(features: Sequence[Feature], values: Values) -> dict[str, Any]:
    """The values of inputs, checked and converted; defaults stand for what was left out.

    Raises:
        RunError: an input is missing, unknown, or not what the model takes.
    """
    if not isinstance(values, Mapping):
        raise RunError(f"the inputs are a {type(values).__name__}", hint='give a value by name: {"x": array}')
    known = [feature.name for feature in features]
    for name in values:
        if name not in known:
            raise RunError(
                f"there is no input {name!r}",
                hint=did_you_mean(str(name), known) or f"the inputs are {', '.join(known)}",
            )
    result = {}
    for feature in features:
        if feature.name in values:
            result[feature.name] = _ACCEPTED[feature.kind](feature, values[feature.name])
        elif feature.default is not None:
            result[feature.name] = default_array(feature)
        elif not feature.optional:
            raise missing(feature)
    return result


def missing(feature: Feature) -> RunError:
    """The error for an input that was left out and has no default."""
    return RunError("it is missing", where=f"input {feature.name!r}", hint=f"the model takes {feature}")


def delivered(feature: Feature, value: Any) -> Any:
    """The value of an output as users get it."""
    return delivered_image(feature, value) if feature.kind == "image" else value


def _text(feature: Feature, value: Any) -> str:
    if not isinstance(value, str):
        raise RunError(f"it is {value!r}", where=f"input {feature.name!r}", hint="the model takes a string")
    return value


def _dictionary(feature: Feature, value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise RunError(f"it is {value!r}", where=f"input {feature.name!r}", hint="the model takes a dictionary")
    return dict(value)


def _sequence(feature: Feature, _: Any) -> Any:
    raise RunError("sequences can not be run", where=f"input {feature.name!r}")


_ACCEPTED: dict[Kind, Callable[[Feature, Any], Any]] = {
    "array": accepted_array,
    "image": accepted_image,
    "double": accepted_number,
    "int64": accepted_number,
    "string": _text,
    "dictionary": _dictionary,
    "sequence": _sequence,
}

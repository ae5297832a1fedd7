"""The function attribute `FlexibleShapeInformation`: which shapes a compiled program's inputs may have.

Apple's compiler writes it where a description told of flexible inputs: a tuple of pairs of a name and a dictionary.

- `DefaultShapes`: the default shape of each flexible input;
- `RangeDims`: the least and greatest size of each of its dimensions;
- `EnumeratedShapes`: under keys without meaning, the shapes that the inputs have together.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import ProgramError
from .features import Flexibility, Ranges, Shape

ATTRIBUTE = "FlexibleShapeInformation"
_CHOICES = "EnumeratedShapes"


@attrs.frozen
class FlexibleShapes:
    """What the attribute says, by input.

    Attributes:
        defaults: default shapes.
        ranges: least and greatest sizes.
        choices: the enumerated shapes, the default one first.
    """

    defaults: dict[str, Shape] = attrs.field(factory=dict)
    ranges: dict[str, Ranges] = attrs.field(factory=dict)
    choices: dict[str, tuple[Shape, ...]] = attrs.field(factory=dict)

    def default_shape(self, name: str, rank: int) -> Shape | None:
        """The default shape of an input; without one the first enumerated shape, or the least sizes.

        Raises:
            ProgramError: it has not as many dimensions as the input.
        """
        ranges = self.ranges.get(name)
        least = tuple(low for low, _ in ranges) if ranges else None
        found = self.defaults.get(name) or next(iter(self.choices.get(name, ())), least)
        return found if found is None else _of_rank(found, rank)

    def flexibility(self, name: str, rank: int) -> Flexibility | None:
        """What is told of an input's shapes.

        Raises:
            ProgramError: a shape or the ranges have not as many dimensions as the input.
        """
        shapes, ranges = self.choices.get(name, ()), self.ranges.get(name, ())
        for each in (*shapes, *((ranges,) if ranges else ())):
            _of_rank(each, rank)
        return Flexibility(ranges, shapes) if shapes or ranges else None


def flexible_shapes(function: Any) -> FlexibleShapes:
    """Reads the attribute of a protobuf function; without it, nothing is known.

    Raises:
        ProgramError: the attribute is not built as described above.
    """
    if ATTRIBUTE not in function.attributes:
        return FlexibleShapes()
    try:
        told = dict(_plain(function.attributes[ATTRIBUTE]))
        defaults = {name: tuple(shape) for name, shape in told.get("DefaultShapes", {}).items()}
        ranges = {
            name: tuple((least, greatest) for least, greatest in sizes)
            for name, sizes in told.get("RangeDims", {}).items()
        }
        return FlexibleShapes(defaults, ranges, _choices(told.get(_CHOICES, {}), defaults))
    except (AttributeError, TypeError, ValueError) as error:
        raise ProgramError(f"the attribute {ATTRIBUTE} is not built as it should be: {error}") from error


def _choices(entries: dict[str, dict[str, list[int]]], defaults: dict[str, Shape]) -> dict[str, tuple[Shape, ...]]:
    """The shapes by input: the entry of the default shapes first, as coremltools lists them.

    The n-th shapes of all inputs belong together, so that equal shapes of one input are all kept.
    """
    shapes = [{name: tuple(shape) for name, shape in entry.items()} for entry in entries.values()]
    shapes.sort(key=lambda entry: any(defaults.get(name) != shape for name, shape in entry.items()))
    names = dict.fromkeys(name for entry in shapes for name in entry)
    return {name: tuple(entry[name] for entry in shapes if name in entry) for name in names}


def _plain(value: Any) -> Any:
    """A protobuf value of strings and whole numbers as Python's own tuples, lists, dictionaries and strings."""
    immediate = value.immediateValue
    kind = immediate.WhichOneof("value")
    if kind == "tensor":
        return _plain_tensor(value.type.tensorType, immediate.tensor)
    if kind == "dictionary":
        return {_plain(pair.key): _plain(pair.value) for pair in immediate.dictionary.values}
    if kind in ("tuple", "list"):
        return [_plain(item) for item in getattr(immediate, kind).values]
    raise ValueError(f"a value of kind {kind!r}")


def _plain_tensor(declared: Any, tensor: Any) -> Any:
    kind = tensor.WhichOneof("value")
    if kind not in ("ints", "longInts", "strings"):
        raise ValueError(f"a tensor of {kind}")
    items = list(getattr(tensor, kind).values)
    if declared.dimensions:
        return items
    (item,) = items
    return item


def _of_rank(sizes: Any, rank: int) -> Any:
    if len(sizes) != rank:
        raise ProgramError(f"{ATTRIBUTE} gives it the sizes {list(sizes)}, but it has {rank} dimensions")
    return sizes

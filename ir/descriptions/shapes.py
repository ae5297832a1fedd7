"""The shapes that a model's description allows a feature to have, and whether the program's own shape fits them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs

# Sizes of a program's value; None for one that is only known when it runs.
Shape: TypeAlias = "tuple[int | None, ...]"
# Least and greatest size of a dimension; None for one that may grow without bound.
Range: TypeAlias = "tuple[int, int | None]"


class Fault(NamedTuple):
    """What is wrong with a feature, and what to do about it."""

    message: str
    hint: str


@attrs.frozen
class DescribedShapes:
    """What a description says of a feature's shape; an image has the shape of its tensor.

    Attributes:
        default: the fixed shape, or the default one of a flexible feature; empty for none.
        choices: the possible shapes, where they are enumerated.
        ranges: the range of each dimension, where there are ranges.
    """

    default: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...] | None = None
    ranges: tuple[Range, ...] | None = None

    @property
    def is_flexible(self) -> bool:
        """Whether more than one shape may be allowed."""
        return self.choices is not None or self.ranges is not None

    def faults(self) -> Iterator[Fault]:
        """What is wrong with the description by itself."""
        found = [*self._wrong_sizes()]
        yield from found
        if self.default and not found and not any(_holds(option, self.default) for option in self._options()):
            message = f"its default shape {shape_text(self.default)} is not among those that it allows: {self}"
            yield Fault(message, "choose a default that is allowed, or allow the default")

    def _wrong_sizes(self) -> Iterator[Fault]:
        if any(size < 0 for shape in (self.default, *(self.choices or ())) for size in shape):
            yield Fault("its description holds a negative size", "only an upper bound may be negative, for no bound")
        if self.choices == ():
            yield Fault("its enumerated shapes are none at all", "list its shapes, or describe one fixed shape")
        for place, (low, high) in enumerate(self.ranges or ()):
            if high is not None and low > high:
                message = f"the range of its dimension {place} begins at {low} and ends at {high}"
                yield Fault(message, "make the lower bound no greater than the upper one")

    def misfit(self, actual: Shape, *, is_input: bool) -> Fault | None:
        """What keeps the program's shape from being as described.

        Args:
            actual: the program's.
            is_input: a program must take every shape that is described; what it gives must be one of them.
        """
        options = self._options()
        if not options or (not actual and all(option in ((), ((1, 1),)) for option in options)):
            return None  # Core ML has no arrays without axes: they are described with one element, or not at all
        ranks, rank = {len(option) for option in options}, len(actual)
        verb, hint = "takes" if is_input else "gives", _advice(actual)
        if ranks != {rank} if is_input else rank not in ranks:
            described = " or ".join(str(each) for each in sorted(ranks))
            message = f"the description has rank {described}, {self}; the program {verb} rank {rank}, "
            return Fault(message + shape_text(actual), hint)
        fits = all(_is_taken(each, actual) for each in options) if is_input else any(
            _holds(each, actual) for each in options)  # fmt: skip
        return None if fits else Fault(f"the description says {self}, the program {verb} {shape_text(actual)}", hint)

    def _options(self) -> list[tuple[Range, ...]]:
        if self.ranges is not None:
            return [self.ranges]
        shapes = self.choices if self.choices is not None else (self.default,) if self.default else ()
        return [tuple((size, size) for size in shape) for shape in shapes]

    def __str__(self) -> str:
        """Every allowed shape, such as `[1..2, 40]`."""
        return " or ".join(f"[{', '.join(_range_text(limits) for limits in option)}]" for option in self._options())


def array_shapes(array: Any) -> DescribedShapes:
    """What a protobuf `ArrayFeatureType` allows."""
    flexible = array.WhichOneof("ShapeFlexibility")
    return DescribedShapes(
        tuple(array.shape),
        tuple(tuple(each.shape) for each in array.enumeratedShapes.shapes) if flexible == "enumeratedShapes" else None,
        tuple(size_range(each) for each in array.shapeRange.sizeRanges) if flexible == "shapeRange" else None,
    )


def image_shapes(image: Any, channels: int) -> DescribedShapes:
    """What a protobuf `ImageFeatureType` allows, as shapes of tensors: one image, channels, height, width."""
    flexible = image.WhichOneof("SizeFlexibility")
    sizes, limits = image.enumeratedSizes.sizes, image.imageSizeRange
    ranges = ((1, 1), (channels, channels), size_range(limits.heightRange), size_range(limits.widthRange))
    return DescribedShapes(
        (1, channels, image.height, image.width) if image.height > 0 and image.width > 0 else (),
        tuple((1, channels, each.height, each.width) for each in sizes) if flexible == "enumeratedSizes" else None,
        ranges if flexible == "imageSizeRange" else None,
    )


def tensor_sizes(tensor: Any) -> Shape | None:
    """The shape that a protobuf `TensorType` declares; None where even the number of its dimensions is unknown."""
    if any(each.unknown.variadic for each in tensor.dimensions):
        return None
    return tuple(
        int(each.constant.size) if each.WhichOneof("dimension") == "constant" else None for each in tensor.dimensions
    )


def shape_text(shape: Shape) -> str:
    """A shape in words: `[1, ?, 40]`."""
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _advice(actual: Shape) -> str:
    known = f"describe it as {shape_text(actual or (1,))}"
    return f"{known}, with a range or several shapes for ?" if None in actual else known


def _is_taken(option: Sequence[Range], actual: Shape) -> bool:
    return all(size is None or limits == (size, size) for limits, size in zip(option, actual, strict=True))


def _holds(option: Sequence[Range], actual: Shape) -> bool:
    return len(option) == len(actual) and all(
        size is None or (low <= size and (high is None or size <= high))
        for (low, high), size in zip(option, actual, strict=True)
    )


def size_range(size: Any) -> Range:
    """The sizes that a protobuf `SizeRange` allows; None for no end."""
    return int(size.lowerBound), None if size.upperBound < 0 else int(size.upperBound)


def _range_text(limits: Range) -> str:
    low, high = limits
    return str(low) if low == high else f"{low}..{'' if high is None else high}"

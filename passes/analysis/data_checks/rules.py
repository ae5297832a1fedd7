"""What is wrong with calibration data, by what its values were like: a table of rules, each with its advice.

`missed` is said of data that make calibration worse than it could be, `analysis` of what may well be meant so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import attrs

from .inputs import InputFacts

_FEWEST_SAMPLES = 32  # with fewer, one unusual sample decides about the ranges
_ENOUGH_SAMPLES = 128
_LARGEST_HALF = 65_504.0
# A constant of fewer elements may be a setting, such as a rate or a threshold.
_MOST_SETTINGS = 16


@attrs.frozen
class Finding:
    """What is to be said of an input, or of the samples as a whole; see `Remark`."""

    kind: Literal["missed", "analysis"]
    code: str
    message: str
    suggestion: str
    source: str | None = None
    data: dict[str, float] = attrs.field(factory=dict)


Rule = Callable[[InputFacts], Finding | None]


def of_input(facts: InputFacts) -> Iterator[Finding]:
    """What there is to say about the values of one input."""
    return (finding for rule in _RULES if (finding := rule(facts)) is not None)


def of_samples(count: int, calls: int, repeated: int) -> Iterator[Finding]:
    """What there is to say about the samples as a whole.

    Args:
        count: of samples; a sequence of calls is one.
        calls: in all of them; whether they are few is told from it, because each call shows other values.
        repeated: how many samples had the same inputs as one before.
    """
    if calls < _ENOUGH_SAMPLES:
        of_calls = "" if calls == count else f" of {calls} calls in all"
        yield Finding(
            "missed" if calls < _FEWEST_SAMPLES else "analysis",
            "few-samples",
            f"{count} sample{'' if count == 1 else 's'}{of_calls} may not show the values that users will give",
            f"give at least {_FEWEST_SAMPLES}, better {_ENOUGH_SAMPLES} and more, of all kinds that occur in use",
            source="LiteRT's guide to post-training quantization asks for about 100 to 500",
            data={"samples": count, "calls": calls},
        )
    if repeated:
        yield Finding(
            "missed" if 2 * repeated >= count else "analysis",
            "repeated-samples",
            f"{repeated} of {count} samples have the same inputs as an earlier one",
            "give each sample once: repeated ones add time and no knowledge",
            data={"repeated": repeated, "samples": count},
        )


def _not_finite(facts: InputFacts) -> Finding | None:
    if not facts.not_finite:
        return None
    return Finding(
        "missed",
        "not-finite",
        f"{facts.not_finite} elements are infinite or no numbers, the first in sample {facts.first_not_finite}",
        "mend or leave out these samples: activations that such numbers reach are not quantized",
        data={"elements": facts.not_finite, "first_sample": facts.first_not_finite},
    )


def _constant(facts: InputFacts) -> Finding | None:
    if not facts.samples or not facts.is_constant:
        return None
    kind: Literal["missed", "analysis"] = "analysis"
    if facts.is_float and facts.elements_per_sample >= _MOST_SETTINGS:
        kind = "missed"
    return Finding(
        kind,
        "constant-input",
        f"all elements of all samples are {facts.minimum:.6g}",
        "give the values that occur in use, unless it never has any other",
        data={"value": facts.minimum},
    )


def _same(facts: InputFacts) -> Finding | None:
    if facts.differs or facts.is_constant or facts.samples < 2:
        return None
    return Finding(
        "analysis",
        "same-in-all-samples",
        "it is the same in all samples",
        "give the values that occur in use, unless it never has any other",
    )


def _noise(facts: InputFacts) -> Finding | None:
    distribution = facts.noise.distribution()
    if distribution is None:
        return None
    return Finding(
        "missed",
        "random-looking",
        f"its values look like random numbers ({distribution}): neighbours have nothing to do with each other",
        "calibrate with real data: ranges inside the model depend on it; leave it if the model takes noise",
    )


def _scaled_twice(facts: InputFacts) -> Finding | None:
    if not facts.is_float or facts.minimum < 0 or not 0 < facts.maximum <= 1:
        return None
    if facts.expectation.is_bytes:
        message = f"it reaches {facts.maximum:.6g}, and the program itself divides it by about 255"
        return Finding("missed", "scaled-twice", message, "give values of 0 to 255", data={"maximum": facts.maximum})
    if facts.maximum > 1.001 / 255 or facts.elements_per_sample < _MOST_SETTINGS:
        return None
    message = f"all values are within 0 and {facts.maximum:.6g}, like bytes that were divided by 255 twice"
    return Finding("missed", "scaled-twice", message, "divide once", data={"maximum": facts.maximum})


def _mixed_scales(facts: InputFacts) -> Finding | None:
    units, byte_like = facts.unit_samples, facts.byte_samples
    if not (units and byte_like) or units + byte_like < facts.samples:
        return None
    return Finding(
        "missed",
        "mixed-scales",
        f"{units} samples lie within 0 and 1, {byte_like} within 0 and 255",
        "prepare all samples alike",
        data={"unit_samples": units, "byte_samples": byte_like},
    )


def _dark_pixels(facts: InputFacts) -> Finding | None:
    is_dark = facts.feature.kind == "image" and facts.feature.dtype == "uint8" and 0 < facts.maximum <= 1
    if not is_dark:
        return None
    message = "its pixels are 0 and 1 only, of 0 to 255: images of 0 to 1 became whole numbers"
    return Finding("missed", "dark-pixels", message, "multiply by 255 before converting to uint8")


def _out_of_table(facts: InputFacts) -> Finding | None:
    size = facts.expectation.table
    if size is None or not facts.samples or (facts.maximum < size and facts.minimum >= -size):
        return None
    return Finding(
        "missed",
        "out-of-table",
        f"it goes from {facts.minimum:.0f} to {facts.maximum:.0f}, and is an index of a table of {size}",
        f"give whole numbers of 0 to {size - 1}",
        data={"minimum": facts.minimum, "maximum": facts.maximum, "size": size},
    )


def _too_large(facts: InputFacts) -> Finding | None:
    largest = max(-facts.minimum, facts.maximum)
    if facts.feature.kind != "array" or facts.feature.dtype != "float16" or largest <= _LARGEST_HALF:
        return None
    return Finding(
        "missed",
        "past-fp16",
        f"it reaches {largest:.6g}, which fp16, its type, does not hold",
        f"scale it to within {_LARGEST_HALF:.0f}",
        data={"absmax": largest},
    )


_RULES: tuple[Rule, ...] = (
    _not_finite,
    _constant,
    _same,
    _noise,
    _scaled_twice,
    _mixed_scales,
    _dark_pixels,
    _out_of_table,
    _too_large,
)

"""Whether values can share a scale that the program has already, and what such scales tell of ranges."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from ...canonicalization.schemes import Scheme
from ..calibration.tensor_statistics import Range
from ..refusal import Refusal
from .classes import origin
from .evidence import Evidence

_OWN_PAIR = "each keeps a pair of its own; train with one scale for all that it puts together"


def extent(scheme: Scheme) -> Range:
    """The numbers between which a scheme has codes; around zero as far down as up, as symmetric codes are used."""
    low, high = (float(scheme.scale) * (code - int(scheme.zero_point)) for code in scheme.range)
    return Range(-high, high) if low < 0 and not scheme.zero_point else Range(low, high)


def told_by_codes(value: Any, schemes: Mapping[Any, Scheme]) -> Evidence | None:
    """What is known of a concat's output by the codes of all of its inputs alone.

    Args:
        value: any value.
        schemes: those that the program has, by the origins of the values.
    """
    if value.op is None or value.op.op_type != "concat":
        return None
    found = [schemes.get(origin(each)) for each in value.op.values]
    extents = [extent(each) for each in found if each is not None]
    if len(extents) < len(found):
        return None
    return Evidence(value, "the scales of what it puts together", known=reduce(Range.union, extents))


def is_symmetric(scheme: Scheme) -> bool:
    """Whether as many codes lie below zero as above, but for one."""
    there = extent(scheme)
    return there.low < 0 and abs(there.low + there.high) < 1.5 * float(scheme.scale)


def disagreement(schemes: list[Scheme]) -> Refusal | None:
    """Why values do not share a scale: the program has several for them."""
    if all(each.agrees(schemes[0]) for each in schemes):
        return None
    return _refusal("the program has several scales already for what would share one")


def misfit(scheme: Scheme, name: str, found: Range) -> Refusal | None:
    """Why a value does not share the scale that the program has for others: numbers of it would be cut off.

    Args:
        scheme: of the others.
        name: the value's.
        found: its range.
    """
    step, there = float(scheme.scale), extent(scheme)
    if there.low - step <= found.low and found.high <= there.high + step:
        return None
    reach = f"the scale that the program has already for others ends at {there.low:.4g} and {there.high:.4g}"
    return _refusal(f"{name!r} reaches from {found.low:.4g} to {found.high:.4g}, and {reach}")


def _refusal(message: str) -> Refusal:
    return Refusal("missed", "other-scale", message, _OWN_PAIR)

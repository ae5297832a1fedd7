"""What users choose about activations: for all, for some ops, and ranges that they know."""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import isfinite
from typing import Any, Literal, cast

import attrs

from ....ir.errors import OptionError
from ...options import option

Mode = Literal["symmetric", "affine", "unsigned-after-relu"]
MODES = ("symmetric", "affine", "unsigned-after-relu")
_INHERIT = "inherit"


def check_observer(text: str) -> None:
    """Raises unless a text is empty or names an observer.

    Raises:
        OptionError: there is no such observer.
    """
    from ..calibration.observers import parse_observer

    if text:
        parse_observer(text)


@attrs.frozen(kw_only=True)
class Override:
    """What is different for some ops, and for the values that they make.

    An input of a function counts as an op of its name and of the type `input`.
    """

    op: str = option("*", help="the names of ops; * and ? stand for any letters, and for one")
    op_type: str = option("*", help="the types of ops, likewise")
    skip: bool = option(default=False, help="leave these ops alone: they take floats, and no pair is put behind them")
    force: bool = option(default=False, help="quantize these ops whatever vanishes of what they take and make")
    observer: str = option("", help="what decides on the ranges of what they make", check=check_observer)
    activation_mode: str = option(_INHERIT, help="the codes of what they make", choices=(_INHERIT, *MODES))

    def matches(self, name: str, op_type: str) -> bool:
        """Whether an op is meant."""
        return fnmatchcase(name, self.op) and fnmatchcase(op_type, self.op_type)


def _check_finite(number: float) -> None:
    if not isfinite(number):
        raise OptionError("a range has finite limits")


@attrs.frozen(kw_only=True)
class GivenRange:
    """A range that the user knows, instead of a measured one."""

    tensor: str = option(str, help="the names of values; * and ? stand for any letters, and for one")
    low: float = option(float, help="the least number", check=_check_finite)
    high: float = option(float, help="the greatest number", check=_check_finite)

    def __attrs_post_init__(self) -> None:
        if not self.low <= self.high:
            raise OptionError(f"the range of {self.tensor!r} is empty: {self.low:g} to {self.high:g}")


@attrs.frozen(kw_only=True)
class Choices:
    """Everything that decides beside the program and its statistics.

    Attributes:
        mode: the codes: signed around 0, the whole range with a zero point, or unsigned where nothing is below 0.
        dtype: the type of the codes; where `unsigned-after-relu` makes them unsigned, that wins.
        observer: what decides on ranges; empty for that of the statistics.
        fixed_ranges: whether ranges that an op gives by itself are used as they are, or only limit measured ones.
        max_vanishing: of a quantized value, the greatest share of its numbers but 0 that may become 0.
        outputs: whether outputs of functions are quantized too.
        overrides: the first that matches an op holds.
        ranges: known ranges, likewise.
    """

    mode: Mode = "symmetric"
    dtype: str = "int8"
    observer: str = ""
    fixed_ranges: bool = True
    max_vanishing: float = 0.33
    outputs: bool = False
    overrides: tuple[Override, ...] = ()
    ranges: tuple[GivenRange, ...] = ()

    def override(self, name: str, op_type: str) -> Override | None:
        """What is different for an op."""
        return next((each for each in self.overrides if each.matches(name, op_type)), None)

    def skips(self, operation: Any) -> bool:
        """Whether an op is to be left alone."""
        found = self.override(operation.name, operation.op_type)
        return found is not None and found.skip

    def forces(self, operation: Any) -> bool:
        """Whether an op is to be quantized whatever that does to small numbers."""
        found = self.override(operation.name, operation.op_type)
        return found is not None and found.force

    def override_of_maker(self, value: Any) -> Override | None:
        """What is different for the op that makes a value, or for the input that it is."""
        if value.op is None:
            return self.override(value.name, "input")
        return self.override(value.op.name, value.op.op_type)

    def observer_of(self, value: Any) -> str | None:
        """The observer for a value; None for that of the statistics."""
        found = self.override_of_maker(value)
        return (found.observer if found else "") or self.observer or None

    def mode_of(self, value: Any) -> Mode:
        """The codes for a value."""
        found = self.override_of_maker(value)
        return cast("Mode", found.activation_mode) if found and found.activation_mode != _INHERIT else self.mode

    def decides_on(self, value: Any) -> bool:
        """Whether the user chose a range or codes for a value, other than those for all."""
        found = self.override_of_maker(value)
        is_chosen = found is not None and bool(found.observer or found.activation_mode != _INHERIT)
        return is_chosen or self.given_range(value.name) is not None

    def given_range(self, name: str) -> GivenRange | None:
        """The range that the user gave for a value."""
        return next((each for each in self.ranges if fnmatchcase(name, each.tensor)), None)

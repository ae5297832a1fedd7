"""Passes with every kind of option, registered for the length of a test module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import attrs
from milopt.passes.base import Anchor, Pass
from milopt.passes.options import option
from milopt.passes.pipeline import Member, NamedPipeline, program_pipeline
from milopt.passes.pipeline_option import option_pipeline
from milopt.passes.registry import register, unregister


@attrs.frozen(kw_only=True)
class Rounding:
    """A record of options."""

    mode: str = option("even", help="how", choices=("even", "nearest-up", "down"))
    bits: tuple[int, ...] = option((8, 4), help="how many", minimum=1)
    words: tuple[str, ...] = option((), of=str, help="words")


@attrs.frozen(kw_only=True)
class Strict:
    """A record of an option that must be given."""

    bits: int = option(int, help="how many")


@attrs.frozen(kw_only=True)
class Nested:
    """A record in which a record is."""

    rounding: Rounding = option(Rounding(mode="down"), help="how it rounds")
    scale: float = option(1.0, help="a number", minimum=0)


@attrs.frozen(kw_only=True)
class EveryKind(Pass):
    """Has every kind of option."""

    flag: bool = option(False, help="a flag")  # noqa: FBT003 - the default that gives the option its type
    switch: bool = option(True, help="a flag that is set")  # noqa: FBT003
    count: int = option(0, help="a count")
    ratio: float = option(1.0, help="a ratio")
    word: str = option("left", help="a word")
    side: str = option("left", help="a side", choices=("left", "right", "both sides"))
    flags: tuple[bool, ...] = option((), of=bool, help="flags")
    counts: tuple[int, ...] = option((1, 2), help="counts", minimum=-5)
    ratios: tuple[float, ...] = option((), of=float, help="ratios")
    words: tuple[str, ...] = option(("a", "b"), help="words")
    sides: tuple[str, ...] = option((), of=str, help="sides", choices=("left", "right", "both sides"))
    rounding: Rounding = option(Rounding(), help="how it rounds")
    roundings: tuple[Rounding, ...] = option((), of=Rounding, help="how it rounds each time")
    nested: Nested = option(Nested(), help="a record in a record")
    strict: Strict = option(Strict(bits=8), help="a record that is never empty")
    then: Any = option_pipeline(help="what to run", default=program_pipeline())


@attrs.frozen(kw_only=True)
class OnFunctions(Pass):
    """Runs on functions."""

    anchor: ClassVar[Anchor] = "function"
    word: str = option("left", help="a word")


@attrs.frozen(kw_only=True)
class Needy(Pass):
    """Has options that must be given."""

    pipeline: Any = option_pipeline(help="what to run")
    sizes: tuple[int, ...] = option(tuple, of=int, help="sizes")


@attrs.frozen(kw_only=True)
class TwoCounts(NamedPipeline):
    """Counts twice."""

    first: int = option(1, help="the first count", minimum=0)
    second: int = option(2, help="the second count")

    def build(self) -> tuple[Member, ...]:
        return (EveryKind(count=self.first), program_pipeline(EveryKind(count=self.second)).elements[0])


@attrs.frozen(kw_only=True)
class TwiceTwo(NamedPipeline):
    """Counts four times."""

    def build(self) -> tuple[Member, ...]:
        return (TwoCounts(), TwoCounts(first=3, second=4))


@attrs.frozen(kw_only=True)
class Endless(NamedPipeline):
    """Consists of itself."""

    def build(self) -> tuple[Member, ...]:
        return (self,)


@attrs.frozen(kw_only=True)
class Broken(NamedPipeline):
    """Can not be built."""

    def build(self) -> tuple[Member, ...]:
        raise ZeroDivisionError("by nothing")


@attrs.frozen(kw_only=True)
class Strange(NamedPipeline):
    """Consists of what is no pass."""

    def build(self) -> tuple[Member, ...]:
        return ("every-kind",)  # type: ignore[return-value]


@contextmanager
def option_passes() -> Iterator[None]:
    """Registers them."""
    classes = (EveryKind, OnFunctions, Needy, TwoCounts, TwiceTwo, Endless, Broken, Strange)
    for cls in classes:
        register(cls)
    try:
        yield
    finally:
        for cls in classes:
            unregister(cls)

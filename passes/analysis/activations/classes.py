"""Which values share a scale: what comes from one origin by ops that keep values, and what a `concat` puts together."""

from __future__ import annotations

from typing import Any

from .tables import carried_input
from .values import is_activation


def origin(value: Any) -> Any:
    """Where the numbers of a value come from: the value in front of all ops that keep values."""
    return chain(value)[0]


def chain(value: Any) -> list[Any]:
    """The values from the origin of a value to itself, each carried from the one before."""
    found = [value]
    while (source := carried_from(found[-1])) is not None:
        found.append(source)
    return found[::-1]


def carried_from(value: Any) -> Any | None:
    """The activation whose numbers a value holds, if the op that makes it keeps them."""
    source = None if value.op is None else carried_input(value.op)
    return source if source is not None and is_activation(source) else None


class Classes:
    """Origins in classes that share a scale. The first of a class that was asked for stands for it."""

    def __init__(self) -> None:
        self._classes: dict[Any, list[Any]] = {}
        self._numbers: dict[Any, int] = {}

    def members(self, value: Any) -> list[Any]:
        """The origins in a value's class, in the order in which they were asked for."""
        value = origin(value)
        self._numbers.setdefault(value, len(self._numbers))
        return self._classes.setdefault(value, [value])

    def number(self, value: Any) -> int:
        """A number for a value's class."""
        return self._numbers[self.members(value)[0]]

    def unite(self, first: Any, second: Any) -> None:
        """Makes the classes of two values one."""
        one, other = self.members(first), self.members(second)
        if one is not other:
            both = sorted([*one, *other], key=self._numbers.__getitem__)
            self._classes |= dict.fromkeys(both, both)

"""Which input or output of one function is which of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from ..type_words import type_words
from .records import Change

Named = tuple[str, Any]


@attrs.frozen
class Pairing:
    """Inputs or outputs of two functions, numbered so that those that correspond have the same number.

    Attributes:
        old: a number for each of the old function.
        new: a number for each of the new one.
    """

    old: tuple[int, ...]
    new: tuple[int, ...]

    @property
    def is_reordered(self) -> bool:
        """Those that are on both sides stand in another order."""
        both = set(self.old) & set(self.new)
        return [key for key in self.old if key in both] != [key for key in self.new if key in both]


def pair_up(old: Sequence[Named], new: Sequence[Named], *, by_name: bool) -> Pairing:
    """Pairs values by name, then by type in order; then, if as many are left on both sides, in order."""
    partners: dict[int, int] = {}  # new to old
    for key in (_name, _type) if by_name else (_type,):
        _pair_equal([key(each) for each in old], [key(each) for each in new], partners)
    taken = set(partners.values())
    free = [at for at in range(len(old)) if at not in taken], [at for at in range(len(new)) if at not in partners]
    if len(free[0]) == len(free[1]):
        partners.update(zip(free[1], free[0], strict=True))
    numbers = (partners.get(at, len(old) + at) for at in range(len(new)))
    return Pairing(tuple(range(len(old))), tuple(numbers))


def _name(named: Named) -> str:
    return named[0]


def _type(named: Named) -> str:
    return type_words(named[1].sym_type)


def _pair_equal(old: list[str], new: list[str], partners: dict[int, int]) -> None:
    free: dict[str, list[int]] = {}
    taken = set(partners.values())
    for at, key in enumerate(old):
        if at not in taken:
            free.setdefault(key, []).append(at)
    for at, key in enumerate(new):
        if at not in partners and free.get(key):
            partners[at] = free[key].pop(0)


@attrs.frozen(eq=False)
class Border:
    """The inputs or the outputs of two functions.

    Attributes:
        kind: `input` or `output`.
        old: those of the old function.
        new: those of the new one.
        pairing: which is which.
    """

    kind: str
    old: list[Named]
    new: list[Named]
    pairing: Pairing

    def pairs(self) -> list[tuple[Named, Named]]:
        """Those that are on both sides, old and new."""
        theirs = dict(zip(self.pairing.new, self.new, strict=True))
        return [(named, theirs[key]) for key, named in zip(self.pairing.old, self.old, strict=True) if key in theirs]

    def retyped(self) -> list[tuple[Named, Named]]:
        """Those that are on both sides with other types."""
        return [(old, new) for old, new in self.pairs() if _type(old) != _type(new)]

    def changes(self, *, names: bool) -> Iterator[Change]:
        """What came, went, got another type, name or order."""
        ours = dict(zip(self.pairing.old, self.old, strict=True))
        theirs = dict(zip(self.pairing.new, self.new, strict=True))
        for key, (name, var) in ours.items():
            if key not in theirs:
                yield Change(self.kind, name, type_words(var.sym_type), None)
                continue
            other, value = theirs[key]
            if names and name != other:
                yield Change(f"{self.kind} name", name, name, other)
            if type_words(var.sym_type) != type_words(value.sym_type):
                yield Change(f"{self.kind} type", other, type_words(var.sym_type), type_words(value.sym_type))
        yield from (Change(self.kind, *_new(theirs[key])) for key in theirs if key not in ours)
        if names and self.pairing.is_reordered:
            yield Change(f"{self.kind} order", "", *(", ".join(n for n, _ in side) for side in (self.old, self.new)))


def border(kind: str, old: Any, new: Any, *, by_name: bool) -> Border:
    """The inputs or the outputs, as `kind` says, of two PyMIL functions, paired."""
    ours, theirs = (
        list(function.inputs.items()) if kind == "input" else [(var.name, var) for var in function.outputs]
        for function in (old, new)
    )
    return Border(kind, ours, theirs, pair_up(ours, theirs, by_name=by_name))


def _new(named: Named) -> tuple[str, None, str]:
    return named[0], None, type_words(named[1].sym_type)

"""The families of patterns, by name; their modules are imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from ...ir.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from ...ir.rewriting.patterns import Pattern

# In the order in which patterns of the same benefit are tried. Each is a module with a tuple `EXACT` of patterns that
# change no bit of any result, and `BOUNDED`, the same and looser ones, if it has any.
FAMILIES = ("identities", "casts", "constants", "quantize", "scales", "movement")


def patterns(families: Iterable[str] = FAMILIES, *, exact: bool = True, without: Iterable[str] = ()) -> list[Pattern]:
    """The patterns of some families.

    Args:
        families: of `FAMILIES`; the order does not matter.
        exact: only those that change no bit of any result.
        without: names of patterns to leave out.
    """
    left_out, chosen = set(without), set(families)
    return [
        pattern
        for family in FAMILIES
        if family in chosen
        for pattern in _patterns_of(family, exact=exact)
        if pattern.name not in left_out
    ]


def _patterns_of(family: str, *, exact: bool) -> tuple[Pattern, ...]:
    module = importlib.import_module(f".{family}", __package__)
    found: tuple[Pattern, ...] = module.EXACT if exact else getattr(module, "BOUNDED", module.EXACT)
    return found


def check_names(names: Collection[str]) -> None:
    """Checks that there are patterns of these names.

    Raises:
        OptionError: there is none.
    """
    for name in names:
        if name not in RULES:
            hint = did_you_mean(name, RULES) or f"they are {', '.join(sorted(RULES))}"
            raise OptionError(f"there is no pattern {name!r}", hint=hint)


class _Rules(Mapping[str, str]):
    """The algebra of each pattern by its name; the families are imported when it is first asked for."""

    @cached_property
    def _by_name(self) -> dict[str, str]:
        return {pattern.name: pattern.rule for pattern in patterns(exact=False)}

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


RULES = _Rules()
"""What each pattern does, by name."""

"""Tells whether a program may have been edited, at next to no cost: passes of other origin do not say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from .pymil import Block, Operation, Program, Var

_PARTS = (Block, Operation, Program, Var)
# Derived by PyMIL from the program, when a block is left or types are inferred anew: no edits can be told from them.
_DERIVED = frozenset(
    {"_nonreplaceable_vars_upstream", "nonreplaceable_vars_upstream", "is_descendant_of_const", "_sym_val"}
)
_NOTHING = object()


class EditWatch:
    """Counts attributes of parts of any program that get another value: no pass edits one without setting some.

    Ops enter and leave blocks, values get users, names and types change by attributes. What is missed is an input that
    is put into an op's own dictionary, or a function into the program's, and nothing else done: who can not rule that
    out compares `structure.snapshot`s instead.

    Attributes:
        count: grows with each attribute.
        names: all that ops and values were given.
    """

    def __init__(self) -> None:
        self.count = 0
        self.names: set[str] = set()


_lock = RLock()
_watches: list[EditWatch] = []


def _set_attribute(part: Any, name: str, value: Any) -> None:
    before = getattr(part, name, _NOTHING)
    object.__setattr__(part, name, value)
    if before is not value and name not in _DERIVED:
        for watch in _watches:
            watch.count += 1
            if name == "name":
                watch.names.add(value)


@contextmanager
def watching_edits() -> Iterator[EditWatch]:
    """A watch that counts while this lasts.

    The first of several that overlap costs a millisecond, because every class of ops forgets what it had looked up.
    """
    watch = EditWatch()
    with _lock:
        if not _watches:
            _install(_set_attribute)
        _watches.append(watch)
    try:
        yield watch
    finally:
        with _lock:
            _watches.remove(watch)
            if not _watches:
                _install(None)


def _install(setter: Callable[[Any, str, Any], None] | None) -> None:
    for part in _PARTS:
        if setter is not None:
            part.__setattr__ = setter
        elif "__setattr__" in vars(part):
            del part.__setattr__

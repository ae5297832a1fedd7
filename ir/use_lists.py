"""Long use lists: PyMIL looks through the whole list of a value's users for the one that leaves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

Operation: TypeAlias = Any


class UseList(Sequence[Operation]):
    """A list of ops that finds, adds and removes them in constant time; an op stands in it once for each use.

    It reads like a list: in order, by index, compared with lists. A removal takes the first of equal items.

    Args:
        operations: to begin with.
    """

    def __init__(self, operations: Iterable[Operation] = ()) -> None:
        # Ordered dictionaries find their first item at once, however many were removed in front of it.
        self._at: OrderedDict[int, Operation] = OrderedDict()
        self._places: dict[Operation, list[int]] = {}
        self._next = 0
        for operation in operations:
            self.append(operation)

    def append(self, operation: Operation) -> None:
        """Adds an op at the end."""
        self._at[self._next] = operation
        self._places.setdefault(operation, []).append(self._next)
        self._next += 1

    def remove(self, operation: Operation) -> None:
        """Removes the first of an op's places.

        Raises:
            ValueError: it has none.
        """
        places = self._places.get(operation)
        if places is None:
            raise ValueError(f"{operation!r} is not in the list")
        del self._at[places.pop(0)]
        if not places:
            del self._places[operation]

    def count(self, operation: Operation) -> int:
        """How often an op stands in the list."""
        return len(self._places.get(operation, ()))

    def copy(self) -> list[Operation]:
        """A plain list of the same."""
        return [*self]

    def __contains__(self, operation: object) -> bool:
        return operation in self._places

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._at.values())

    def __reversed__(self) -> Iterator[Operation]:
        return reversed(self._at.values())

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            near = index.start in (None, 0) and index.step in (None, 1) and (index.stop or 0) > 0
            return [*islice(self, index.stop)] if near else [*self][index]
        if index in (0, -1) and self:
            return next(reversed(self) if index else iter(self))
        return [*self][index]

    def __add__(self, other: Iterable[Operation]) -> list[Operation]:
        return [*self, *other]

    def __radd__(self, other: Iterable[Operation]) -> list[Operation]:
        return [*other, *self]

    def __eq__(self, other: object) -> bool:
        return [*self] == [*other] if isinstance(other, list | UseList) else NotImplemented

    def __hash__(self) -> int:
        raise TypeError("use lists change, and have no hash")

    def __repr__(self) -> str:
        return repr([*self])

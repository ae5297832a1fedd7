"""The ops that are still to be looked at."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeAlias

Operation: TypeAlias = Any


class Worklist:
    """A stack of ops, each of them on it once; ops that no pattern begins at are not taken.

    Args:
        op_types: those that patterns begin at.
    """

    def __init__(self, op_types: Collection[str]) -> None:
        self._op_types = op_types
        self._stack: list[Operation] = []
        self._waiting: set[Operation] = set()

    def push(self, operations: Iterable[Operation]) -> None:
        """Puts ops on top, the first of them uppermost; those that wait already keep their places."""
        for operation in reversed([*operations]):
            if operation.op_type in self._op_types and operation not in self._waiting:
                self._waiting.add(operation)
                self._stack.append(operation)

    def drop(self, operation: Operation) -> None:
        """Forgets an op that left the program."""
        self._waiting.discard(operation)

    def pop(self) -> Operation | None:
        """The next op; None when there is none."""
        while self._stack:
            operation = self._stack.pop()
            if operation in self._waiting:
                self._waiting.remove(operation)
                return operation
        return None

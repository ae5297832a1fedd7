"""Which of two ops comes first, without walking from one to the other."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, TypeAlias

from ..pymil_editing import following, preceding

Operation: TypeAlias = Any
Block: TypeAlias = Any

# The distance of neighbours, so large that there are numbers between them for as many new ops as there will be.
_DISTANCE = 1 << 64


class Order:
    """Numbers that rise with the order of ops: a block is numbered once, new ops get numbers between others'.

    It must be asked about ops that stand in the program; ops may be added and removed between questions.
    """

    def __init__(self) -> None:
        self._numbers: dict[Operation, int] = {}
        self._known: set[Block] = set()

    def precedes(self, first: Operation, second: Operation) -> bool:
        """Whether `first` has run whenever `second` runs: it stands before it, or before an op that it is nested in."""
        while second.enclosing_block is not first.enclosing_block:
            if second.enclosing_block.outer_op is None:
                return False
            second = second.enclosing_block.outer_op
        return self._number(first) < self._number(second)

    def _number(self, operation: Operation) -> int:
        if operation.enclosing_block not in self._known:
            self._number_block(operation.enclosing_block)
        if operation not in self._numbers:
            self._number_between(operation)
        return self._numbers[operation]

    def _number_block(self, block: Block) -> None:
        self._known.add(block)
        self._numbers.update((operation, at * _DISTANCE) for at, operation in enumerate(block.operations))

    def _number_between(self, operation: Operation) -> None:
        """Numbers an op and the new ones around it."""
        before = [*takewhile(lambda each: each not in self._numbers, preceding(operation))][::-1]
        after = [*takewhile(lambda each: each not in self._numbers, following(operation))]
        new = [*before, operation, *after]
        last, next_ = next(preceding(new[0]), None), next(following(new[-1]), None)
        low = self._numbers[next_] - _DISTANCE if last is None and next_ is not None else self._numbers.get(last, 0)
        high = low + _DISTANCE if next_ is None else self._numbers[next_]
        step = (high - low) // (len(new) + 1)
        if step:
            self._numbers.update((each, low + step * at) for at, each in enumerate(new, 1))
        else:
            self._number_block(operation.enclosing_block)

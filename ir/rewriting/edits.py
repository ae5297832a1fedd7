"""What an attempt is about to do, and how that is done or taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import attrs

from ..pymil_editing import connect, detach, inherit_scopes, rewire
from ..walking import input_values

Operation: TypeAlias = Any
Var: TypeAlias = Any


@attrs.frozen
class Replacement:
    """Values that take the place of an op's outputs.

    Attributes:
        operation: leaves.
        values: one for each of its outputs.
        named: whether the values take over all names, and not only those of outputs of blocks.
    """

    operation: Operation
    values: tuple[Var, ...]
    named: bool = False

    def pairs(self) -> Iterator[tuple[Var, Var]]:
        """Each old value and the one that takes its place."""
        return zip(self.operation.outputs, self.values, strict=True)


@attrs.frozen
class InputChange:
    """Another input for an op: a value, or several for a variadic parameter."""

    operation: Operation
    parameter: str
    value: Any


@attrs.frozen
class Remark:
    """Something to be said about an op; see `milopt.passes.remarks.Remark`."""

    kind: str
    operation: Operation
    code: str
    message: str
    more: dict[str, Any]


@attrs.frozen(eq=False)
class Edits:
    """What one attempt made, and what it is about to do.

    Attributes:
        made: new ops, constants included, which stand in the program already.
        replacements: in order.
        input_changes: in order.
        erased: ops that leave, beside those that are replaced.
        remarks: what is to be said.
    """

    made: list[Operation] = attrs.field(factory=list)
    replacements: list[Replacement] = attrs.field(factory=list)
    input_changes: list[InputChange] = attrs.field(factory=list)
    erased: list[Operation] = attrs.field(factory=list)
    remarks: list[Remark] = attrs.field(factory=list)

    def __bool__(self) -> bool:
        """Whether anything would change."""
        return bool(self.replacements or self.input_changes or self.erased)

    def heir_of(self, value: Var) -> Var:
        """What stands in the place of a value after the replacements so far."""
        for replacement in self.replacements:
            for old, new in replacement.pairs():
                value = new if old is value else value
        return value

    def ancestors_of(self, value: Var) -> list[Var]:
        """The values in whose places this one stands after the replacements so far, and itself."""
        pairs = (pair for replacement in self.replacements for pair in replacement.pairs())
        return [value, *(old for old, new in pairs if new is value)]

    def uses(self, value: Var, other: Var) -> bool:
        """Whether a new value is computed from another one, by new ops only."""
        return value is other or (any(user in self.made for user in other.child_ops) and self._reaches(value, other))

    def _reaches(self, value: Var, other: Var) -> bool:
        found = value.op in self.made and any(self._reaches(var, other) for _, var in input_values(value.op))
        return value is other or found


@attrs.frozen
class Done:
    """What edits changed.

    Attributes:
        freed: values that lost a use.
        touched: ops that are new or take something new.
        gone: ops that left.
    """

    freed: list[Var]
    touched: list[Operation]
    gone: list[Operation]


def take_back(edits: Edits) -> None:
    """Removes what the attempt made."""
    for operation in reversed(edits.made):
        detach(operation)


def carry_out(edits: Edits, root: Operation, pattern: str) -> Done:
    """Does it.

    Args:
        edits: checked when they were asked for.
        root: the op that the pattern began at; new ops take over where it came from.
        pattern: its name.

    Raises:
        ValueError: an op that leaves is still used.
    """
    for operation in edits.made:
        inherit_scopes(operation, root, pattern)
    done = Done([], [*edits.made], [])
    for replacement in edits.replacements:
        for old, new in replacement.pairs():
            done.touched.extend(_hand_over(old, new, named=replacement.named))
    for change in edits.input_changes:
        done.freed.extend(_change(change))
        done.touched.extend(_change_reaches(change))
    done.gone.extend(_leaving(edits))
    for operation in done.gone:
        done.freed.extend(detach(operation))
    return done


def _hand_over(old: Var, new: Var, *, named: bool) -> list[Operation]:
    """Lets everything that uses one value use another; returns the ops among that."""
    users = [*dict.fromkeys(old.child_ops)]
    for user in users:
        rewire(user, old, new)
    if named or old.consuming_blocks:
        new.name = old.name
    for block in [*old.consuming_blocks]:
        block.replace_block_output_var(old, new)
    return users


def _change(change: InputChange) -> tuple[Var, ...]:
    before = change.operation.inputs.get(change.parameter, ())
    connect(change.operation, change.parameter, change.value)
    return tuple(before) if isinstance(before, list | tuple) else (before,)


def _change_reaches(change: InputChange) -> Iterator[Operation]:
    yield change.operation
    for var in change.operation.outputs:
        yield from dict.fromkeys(var.child_ops)


def _leaving(edits: Edits) -> list[Operation]:
    """The ops that leave, users before what they use."""
    waiting = dict.fromkeys([*(each.operation for each in edits.replacements), *edits.erased])
    ordered: dict[Operation, None] = {}
    while waiting:
        free = [operation for operation in waiting if _is_free(operation, ordered)]
        if not free:
            used = next(iter(waiting))
            raise ValueError(f"op {used.name!r} is to leave, and is still used")
        ordered |= dict.fromkeys(free)
        waiting = {operation: None for operation in waiting if operation not in ordered}
    return [*ordered]


def _is_free(operation: Operation, gone: dict[Operation, None]) -> bool:
    return all(not var.consuming_blocks and all(user in gone for user in var.child_ops) for var in operation.outputs)

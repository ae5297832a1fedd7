"""The rewriter: the only way in which patterns edit programs."""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

from ..pymil import Var, inside, mb, new_operation, op_class, opset_of
from ..pymil_editing import added_before, preceding
from ..targets import Opset
from ..walking import function_of
from .edits import Edits, InputChange, Remark, Replacement
from .fitting import fits, keeps_types
from .order import Order

Operation: TypeAlias = Any


class Declined(Exception):  # noqa: N818 - it is no error
    """Ends an attempt without a trace; the driver catches it."""


class Rewriter:
    """Edits a program on behalf of one pattern at one op.

    Ops are made at once. All other edits are checked at once and done together when the pattern has returned True and
    the rewrite was admitted; until then the program is as it was, but for the new ops. An edit that can not be done
    (types that disagree, values that are made too late, an output that would become an input) ends the attempt, and
    nothing of it stays.

    Args:
        root: the op that the pattern begins at.
        edits: takes what is to be done.
        order: knows which op comes first.
    """

    def __init__(self, root: Operation, edits: Edits, order: Order) -> None:
        self._root, self._edits, self._order = root, edits, order

    def precedes(self, first: Operation, second: Operation) -> bool:
        """Whether `first` has run whenever `second` runs: it stands before it, or before an op that it is nested in."""
        return self._order.precedes(first, second)

    def new(
        self, op_type: str, inputs: dict[str, Any], *, before: Operation | None = None, name: str | None = None
    ) -> Operation:
        """Makes an op.

        Args:
            op_type: in the opset of the function.
            inputs: by parameter; what is no value becomes a constant, what is None is left out.
            before: the op in front of which it stands; the root without it.
            name: a free one is made of the type without it.

        Returns:
            The new op.

        Raises:
            ProgramError: it does not take these inputs.
        """
        place = self._root if before is None else before
        cls = class_at(op_type, place)
        last = next(preceding(place), None)
        try:
            with inside(place.enclosing_block):
                return new_operation(cls, name=name or _free_name(op_type), inputs=inputs, before=place)
        finally:
            self._edits.made.extend(added_before(place, last))

    def constant(self, value: Any, stem: str, *, before: Operation | None = None) -> Any:
        """Makes a constant under a free name that begins with `stem`; returns its value."""
        return self.new("const", {"val": value}, before=before, name=_free_name(stem)).outputs[0]

    def replace(self, operation: Operation, *values: Any) -> None:
        """Puts values in the place of an op's outputs; the op leaves.

        Outputs of functions and blocks keep their names: the values in their place take them over.

        Args:
            operation: which.
            values: one for each of its outputs, of the same types, made in front of it.
        """
        self._replace(operation, values, named=False)

    def replace_by(self, operation: Operation, op_type: str, inputs: dict[str, Any]) -> Operation:
        """Puts a new op, which takes over all names, in the place of one; returns the new op."""
        new = self.new(op_type, inputs, before=operation, name=operation.name)
        self._replace(operation, tuple(new.outputs), named=True)
        return new

    def _replace(self, operation: Operation, values: tuple[Any, ...], *, named: bool) -> None:
        if len(values) != len(operation.outputs):
            raise ValueError(f"{len(values)} values in the place of {len(operation.outputs)} outputs")
        if any(each.operation is operation for each in self._edits.replacements):
            raise ValueError(f"op {operation.name!r} is replaced twice")
        heirs = tuple(self._edits.heir_of(value) for value in values)
        if not named:  # made in front of it
            self._check_order(heirs, operation)
        for old, new in zip(operation.outputs, heirs, strict=True):
            self._check_replacement(old, new)
        self._edits.replacements.append(Replacement(operation, heirs, named))

    def _check_order(self, values: tuple[Any, ...], operation: Operation) -> None:
        if not all(value.op is None or self._order.precedes(value.op, operation) for value in values):
            raise Declined

    def _check_replacement(self, old: Any, new: Any) -> None:
        if self._edits.uses(new, old):
            raise ValueError(f"{old.name!r} is replaced by what is computed from it")
        replaced = self._edits.ancestors_of(old)
        if not all(fits(each, new) for each in replaced):
            raise Declined
        # One value can not bear the names of two outputs.
        outputs = [each for each in (*replaced, *self._edits.ancestors_of(new)) if each.consuming_blocks]
        if len(outputs) > 1:
            raise Declined

    def set_input(self, operation: Operation, parameter: str, value: Any) -> None:
        """Gives an op another input; its outputs must keep their types.

        Args:
            operation: which.
            parameter: of it.
            value: a value, a tuple of values for variadic parameters, or what becomes a constant in front of the op.
        """
        if not isinstance(value, Var | tuple):
            value = self.constant(value, f"{operation.name}_{parameter}", before=operation)
        change = InputChange(operation, parameter, value)
        if not keeps_types(change):
            raise Declined
        self._check_order(value if isinstance(value, tuple) else (value,), operation)
        self._edits.input_changes.append(change)

    def erase(self, operation: Operation) -> None:
        """Removes an op; whoever uses its outputs must leave, or take something else, in the same attempt."""
        self._edits.erased.append(operation)

    def remark(self, kind: str, operation: Operation, code: str, message: str, **more: Any) -> None:
        """Says something about an op, once however often it is looked at; see `milopt.passes.remarks.Remark`."""
        self._edits.remarks.append(Remark(kind, operation, code, message, more))


def class_at(op_type: str, operation: Operation) -> Any:
    """The class of an op type in the function that an op stands in.

    Raises:
        ProgramError: its opset has no such op.
    """
    return _class_in(op_type, opset_of(function_of(operation)))


@functools.cache
def _class_in(op_type: str, opset: Opset) -> Any:
    return op_class(op_type, opset)


def _free_name(stem: str) -> str:
    return str(mb._get_free_name(stem))  # noqa: SLF001 - the names that PyMIL itself would give

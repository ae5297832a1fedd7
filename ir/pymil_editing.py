"""A door from `ir` to what programs are edited with: op lists, use lists and scopes of PyMIL, one edit each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, TypeAlias

# isort: off
from . import quiet  # noqa: F401 - before everything of coremltools
# isort: on

from coremltools.converters.mil.mil.scope import VALID_OPS_TO_COPY_SCOPE_INFO, ScopeSource, add_graph_pass_scope

Operation: TypeAlias = Any
Var: TypeAlias = Any

_MANY_USERS = 16


def preceding(operation: Operation) -> Iterator[Operation]:
    """The ops in front of one in its block, the nearest first."""
    node = operation.enclosing_block.operations.op_to_node[operation].prev
    while node is not None:
        yield node.op
        node = node.prev


def following(operation: Operation) -> Iterator[Operation]:
    """The ops behind one in its block, the nearest first."""
    node = operation.enclosing_block.operations.op_to_node[operation].next
    while node is not None:
        yield node.op
        node = node.next


def added_before(operation: Operation, last: Operation | None) -> list[Operation]:
    """The ops between `last`, or the beginning of the block, and an op; in order."""
    return [*takewhile(lambda each: each is not last, preceding(operation))][::-1]


def rewire(user: Operation, old: Var, new: Var) -> None:
    """Lets an op take `new` wherever it takes `old`; types are not checked, and nothing is inferred anew."""
    for parameter, value in user.inputs.items():
        if value is old:
            connect(user, parameter, new)
        elif isinstance(value, list | tuple) and any(item is old for item in value):
            connect(user, parameter, tuple(new if item is old else item for item in value))


def connect(user: Operation, parameter: str, value: Var | tuple[Var, ...]) -> None:
    """Gives an op an input, keeping the use lists right; types are not checked, and nothing is inferred anew."""
    before = user._input_vars[parameter]  # noqa: SLF001
    for var in _each(before):
        _forget_user(var, user)
    user._input_vars[parameter] = value  # noqa: SLF001
    setattr(user, parameter, value)
    for var in _each(value):
        var.add_child_op(user)


def _each(value: Any) -> tuple[Var, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _forget_user(var: Var, user: Operation) -> None:
    if len(var.child_ops) < _MANY_USERS:
        var.child_ops.remove(user)
    else:  # long lists may be of a kind that is quick to search
        var.remove_child_op(user)


def detach(operation: Operation) -> list[Var]:
    """Takes an op, with the blocks that it owns, out of its block; its outputs must not be used.

    Returns:
        The values that have one use less than before, in order.
    """
    block = operation.enclosing_block
    freed: list[Var] = []
    for nested in operation.blocks:
        nested.set_outputs([])
        for inner in [*reversed(nested.operations)]:
            freed += detach(inner)
    block.operations.remove(operation)
    operation.enclosing_block = None
    internal = block._internal_vars  # noqa: SLF001 - what ops have instead of constants: the contents of constants
    for value in operation._input_vars.values():  # noqa: SLF001
        for var in _each(value):
            if var in internal:
                internal.remove(var)
            else:
                _forget_user(var, operation)
                freed.append(var)
    return freed


def inherit_scopes(operation: Operation, origin: Operation, pattern: str) -> None:
    """Says in an op's scopes that it comes from `origin` by a pattern, as PyMIL does when it replaces values.

    An op remembers the passes that it went through; the last of them is followed by `/` and the pattern.
    """
    source = ScopeSource.COREMLTOOLS_GRAPH_PASS
    passes = [*operation.scopes.get(source, ())]
    passes[-1:] = [f"{passes[-1]}/{pattern}" if passes else pattern]
    operation.scopes = add_graph_pass_scope(origin.scopes, {source: passes})
    if VALID_OPS_TO_COPY_SCOPE_INFO:
        VALID_OPS_TO_COPY_SCOPE_INFO[-1].discard(operation)


def settle(root: Any) -> None:
    """Computes anew what PyMIL derives from edits when a block is left: which compressed weights each value needs."""
    for function in root.functions.values() if hasattr(root, "functions") else (root,):
        function._propagate_nonreplaceable_vars()  # noqa: SLF001

"""A door from `ir` to what is slow in PyMIL when programs are edited: the same in less time, while it is open."""


# ruff: noqa: SLF001 - this is the adapter

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

# isort: off
from . import quiet  # noqa: F401 - before everything of coremltools
# isort: on

from coremltools.converters.mil.mil import Block, Builder, Operation, Var
from coremltools.converters.mil.mil.builder import is_python_value
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from coremltools.converters.mil.mil.types import type_mapping
from coremltools.converters.mil.mil.var import InternalVar

from .use_lists import UseList

_Block: TypeAlias = Any
_Operation: TypeAlias = Any
_Var: TypeAlias = Any

# Users of a value from which on finding one of them in a list takes longer than in a `UseList`.
_MANY_USERS = 32


@contextmanager
def fast_editing() -> Iterator[None]:
    """While it lasts, PyMIL's editing does the same in less time, coremltools' own passes included.

    - Leaving a block no longer makes new sets of compressed weights for every value in it.
    - An op's inputs are listed without a dictionary for each listing.
    - Values with many users find the one that leaves at once.
    - Replacing a value after an op visits its users, and not every op that comes later.
    - Whether a type is one of tensors is found out once for each type, and the op of constants once for all.

    It may be entered again inside, and by several threads: the last one that leaves restores what was.
    """
    with _LOCK:
        if not _inside:
            _install(_FAST)
        _inside.append(True)
    try:
        yield
    finally:
        with _LOCK:
            _inside.pop()
            if not _inside:
                _install(_ORIGINALS)
                _restore_use_lists()


_LOCK = Lock()
_inside: list[bool] = []
_with_many_users: list[_Var] = []


def _install(methods: dict[tuple[Any, str], Any]) -> None:
    for (owner, name), method in methods.items():
        setattr(owner, name, method)


def _restore_use_lists() -> None:
    for var in _with_many_users:
        var._child_ops = [*var._child_ops]
    _with_many_users.clear()


def _propagate_nonreplaceable_vars(block: _Block) -> None:
    """Which compressed weights each value in a block is computed from, anew.

    Values that need the same weights may share one set: nobody changes such a set, PyMIL gives values new ones.
    """
    is_done = block.outer_op is None and _needs_no_weights(block)
    if not is_done:
        _find_weights(block)


def _needs_no_weights(block: _Block) -> bool:
    """Whether nothing in a function is compressed, as in most programs; all values know it then."""
    node = block.operations.start
    while node is not None:  # written out: this loop is what leaving a block costs
        operation = node.op
        if type(operation).__name__[:10] == "constexpr_":
            return False
        for var in operation._output_vars or ():
            if var._nonreplaceable_vars_upstream:
                var._nonreplaceable_vars_upstream = set()
        for nested in operation.blocks:
            if not _needs_no_weights(nested):
                return False
        node = node.next
    return True


def _find_weights(block: _Block) -> None:
    """Which compressed weights each value in a block is computed from, op by op."""
    for operation in block.operations:
        for nested in operation.blocks:
            _find_weights(nested)
        is_compressed = type(operation).__name__.startswith("constexpr_")
        needed = _weights_needed_by(operation)
        for var in operation._output_vars or ():
            var._nonreplaceable_vars_upstream = {var} if is_compressed else (needed or set())


def _weights_needed_by(operation: _Operation) -> AbstractSet[_Var]:
    """The compressed weights that an op's inputs are computed from; a shape is no reason to keep any."""
    found: AbstractSet[_Var] = _NO_WEIGHTS
    if type(operation).__name__ == "shape":
        return found
    for value in operation._input_vars.values():
        for var in value if isinstance(value, list | tuple) else (value,):
            more = _NO_WEIGHTS if var is None else var._nonreplaceable_vars_upstream
            if more and more is not found and not more <= found:
                found = more if found <= more else found | more
    return found


_NO_WEIGHTS: frozenset[_Var] = frozenset()


def _set_nonreplaceable_vars_upstream(var: _Var) -> None:
    """Which compressed weights a value is computed from; what has no inputs keeps what it has."""
    operation = var._op
    if operation is None:
        return
    if type(operation).__name__.startswith("constexpr_"):
        var._nonreplaceable_vars_upstream = {var}
    elif type(operation).__name__ == "shape" or _flattened_inputs(operation):
        var._nonreplaceable_vars_upstream = _weights_needed_by(operation) or set()


def _flattened_inputs(operation: _Operation) -> list[_Var]:
    """All values that an op takes, those of variadic inputs one by one."""
    found: list[_Var] = []
    for value in operation._input_vars.values():
        if isinstance(value, list | tuple):
            found.extend(value)
        elif value is not None and not isinstance(value, InternalVar):
            found.append(value)
    return found


def _add_child_op(var: _Var, operation: _Operation) -> None:
    _quick_to_search(var)
    _ORIGINALS[Var, "add_child_op"](var, operation)


def _remove_child_op(var: _Var, operation: _Operation, no_check: bool = False) -> None:  # noqa: FBT001, FBT002 - PyMIL's
    _quick_to_search(var)
    _ORIGINALS[Var, "remove_child_op"](var, operation, no_check)


def _quick_to_search(var: _Var) -> None:
    if len(var._child_ops) >= _MANY_USERS and type(var._child_ops) is list:
        var._child_ops = UseList(var._child_ops)
        _with_many_users.append(var)


def _replace_var(  # noqa: PLR0913, PLR0917 - as many as PyMIL's
    block: _Block,
    old_var: _Var,
    new_var: _Var,
    anchor_op: _Operation | None = None,
    end_op: _Operation | None = None,
    no_check_var_types: bool = False,  # noqa: FBT001, FBT002 - PyMIL's
) -> int:
    """Lets the ops after `anchor_op`, up to `end_op`, take another value; returns how many were changed."""
    is_quick_already = end_op is None and anchor_op is not None and anchor_op is old_var.op
    if is_quick_already or old_var.op is None or not len(block.operations) or old_var in block.inputs:
        return int(_ORIGINALS[Block, "_replace_var"](block, old_var, new_var, anchor_op, end_op, no_check_var_types))
    block._copy_metadata(old_var, new_var)
    block._copy_scope_info(old_var, new_var)
    wanted = {_ancestor_in(block, user) for user in _users(old_var)}
    found = _between(block, anchor_op, end_op, wanted | ({old_var.op} if end_op is not None else set()))
    changed = 0
    for operation in found:
        changed += _take_instead(operation, old_var, new_var, no_check_var_types=no_check_var_types)
        changed += sum(nested._replace_var(old_var, new_var) for nested in operation.blocks)
    if end_op is None or old_var.op in found:
        block.replace_block_output_var(old_var, new_var)
    return changed


def _users(var: _Var) -> Iterator[_Operation]:
    """The ops that take a value, and those that own blocks that give it."""
    yield from var.child_ops
    yield from (block.outer_op for block in var.consuming_blocks if block.outer_op is not None)


def _ancestor_in(block: _Block, operation: _Operation) -> _Operation | None:
    """The op of a block that an op is, or is nested in; None if it stands elsewhere."""
    while operation is not None and operation.enclosing_block is not block:
        operation = None if operation.enclosing_block is None else operation.enclosing_block.outer_op
    return operation


def _between(
    block: _Block, first: _Operation | None, last: _Operation | None, wanted: Iterable[_Operation | None]
) -> list[_Operation]:
    """Those of the wanted ops that come after `first`, up to `last`, in order."""
    left = {operation for operation in wanted if operation is not None}
    found: list[_Operation] = []
    node = block.operations.start if first is None else block.operations.op_to_node[first].next
    while node is not None and left:
        if node.op in left:
            left.remove(node.op)
            found.append(node.op)
        if node.op is last:
            break
        node = node.next
    return found


def _take_instead(operation: _Operation, old: _Var, new: _Var, *, no_check_var_types: bool) -> bool:
    """Lets an op take one value instead of another; its use lists change in PyMIL's order. Whether it took it."""
    if not any(var is old for var in _flattened_inputs(operation)):
        return False
    inputs = {
        parameter: tuple(new if item is old else item for item in value)
        if isinstance(value, list | tuple) and any(item is old for item in value)
        else (new if value is old else value)
        for parameter, value in operation.inputs.items()
    }
    operation.set_inputs(no_check_var_types=no_check_var_types, **inputs)
    return True


def _type_info(kind: Any) -> Any:
    """What PyMIL says about a type; the module that it is replaced in asks for nothing but its name."""
    if not isinstance(kind, type):
        return _ORIGINALS[type_mapping, "get_type_info"](kind)
    if kind not in _known_types:
        _known_types[kind] = _ORIGINALS[type_mapping, "get_type_info"](kind)
    return _known_types[kind]


def _add_const(builder: Any, val: Any, name: str, before_op: _Operation | None) -> _Var:
    """Makes the constant that stands for a value that an op was given."""
    if not is_python_value(val) or len(_CONSTANT_OPS) != 1:
        return _ORIGINALS[Builder, "_add_const"].__func__(builder, val, name, before_op)
    (constant_op,) = _CONSTANT_OPS
    return builder._add_op(constant_op, val=val, name=builder._get_free_name(name), before_op=before_op)


_CONSTANT_OPS = {*SSAOpRegistry.core_ops["const"].values()}  # one for all opsets
_known_types: dict[type, Any] = {}  # PyMIL keeps every type that it makes, too

_FAST: dict[tuple[Any, str], Any] = {
    (Block, "_propagate_nonreplaceable_vars"): _propagate_nonreplaceable_vars,
    (Block, "_replace_var"): _replace_var,
    (Builder, "_add_const"): classmethod(_add_const),
    (Operation, "get_flattened_inputs"): _flattened_inputs,
    (Var, "_set_nonreplaceable_vars_upstream"): _set_nonreplaceable_vars_upstream,
    (Var, "add_child_op"): _add_child_op,
    (Var, "remove_child_op"): _remove_child_op,
    (type_mapping, "get_type_info"): _type_info,
}
_ORIGINALS: dict[tuple[Any, str], Any] = {(owner, name): vars(owner)[name] for owner, name in _FAST}

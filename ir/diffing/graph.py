"""A function as a graph of ops: who defines a value, who uses it; constants belong to their users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from .kinds import is_constant, is_constant_op, is_weight

# A place at an op where a value goes in or comes out: what it is called there, and which of several it is.
Port = tuple[str, int]

SINGLE = -1  # the index of what is no one of several
RETURN = "return"


@attrs.define(eq=False)
class Node:
    """One op, or the function itself, which defines its inputs and uses its outputs.

    Attributes:
        op: the PyMIL op; None for the function.
        order: where it stands; the ops of nested blocks follow the op that owns them.
        owner: the op whose block it stands in; the function for outermost ops.
        block: which of the owner's blocks; 0 for outermost ops.
        uses: what goes in, by port, constants included; what nested blocks return goes into their owner.
        defines: what comes out, by port; the inputs of nested blocks come out of their owner.
    """

    op: Any
    order: int
    owner: Node | None
    block: int = 0
    uses: dict[Port, Any] = attrs.field(factory=dict)
    defines: dict[Port, Any] = attrs.field(factory=dict)

    @property
    def op_type(self) -> str:
        """The op's type; of the function `return`."""
        return RETURN if self.op is None else str(self.op.op_type)

    @property
    def name(self) -> str:
        """The op's name; empty for the function."""
        return "" if self.op is None else str(self.op.name)

    @property
    def is_constant(self) -> bool:
        """A weight that nothing uses."""
        return self.op is not None and is_constant_op(self.op)

    @property
    def place(self) -> str:
        """The blocks around it: `loop.1` is the second block of the op `loop`; empty for outermost ops."""
        if self.owner is None or self.owner.op is None:
            return ""
        outer = f"{self.owner.place}/" if self.owner.place else ""
        return f"{outer}{self.owner.name}.{self.block}"


class Graph:
    """A function's ops and how values flow between them.

    Constants and `constexpr_*` ops are no nodes but values of their users, except for weights that nothing uses.

    Args:
        function: a PyMIL function.
        inputs: a number for each input; inputs of two functions that correspond have the same.
        outputs: the same for the outputs.
    """

    def __init__(self, function: Any, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        self.root = Node(None, 0, None)
        self.nodes = [self.root]
        self.users: dict[int, list[tuple[Node, Port]]] = {}
        self._sources: dict[int, tuple[Node, Port]] = {}
        self._used = {id(var) for var in _used_values(function)}
        for key, var in zip(inputs, function.inputs.values(), strict=True):
            self._define(self.root, ("input", key), var)
        self._fill(function, self.root, 0)
        for key, var in zip(outputs, function.outputs, strict=True):
            self._use(self.root, ("output", key), var)

    def defines(self, var: Any) -> bool:
        """Whether a value comes out of an op of this graph."""
        return id(var) in self._sources

    def source(self, var: Any) -> tuple[Node, Port]:
        """The op that a value comes out of, and where; not for constants."""
        return self._sources[id(var)]

    def _fill(self, block: Any, owner: Node, index: int) -> None:
        for operation in block.operations:
            if not is_constant_op(operation) or self._is_unused_weight(operation):
                self._add(operation, owner, index)

    def _is_unused_weight(self, operation: Any) -> bool:
        return is_weight(operation.outputs[0]) and not any(id(var) in self._used for var in operation.outputs)

    def _add(self, operation: Any, owner: Node, index: int) -> None:
        node = Node(operation, len(self.nodes), owner, index)
        self.nodes.append(node)
        for port, var in _inputs(operation):
            self._use(node, port, var)
        for at, var in enumerate(operation.outputs):
            self._define(node, ("output", at), var)
        for number, block in enumerate(operation.blocks):
            for at, var in enumerate(block.inputs):
                self._define(node, (f"block {number} input", at), var)
            self._fill(block, node, number)
            for at, var in enumerate(block.outputs):
                self._use(node, (f"block {number} output", at), var)

    def _use(self, node: Node, port: Port, var: Any) -> None:
        node.uses[port] = var
        if not is_constant(var):
            self.users.setdefault(id(var), []).append((node, port))

    def _define(self, node: Node, port: Port, var: Any) -> None:
        node.defines[port] = var
        # The blocks of a loop have the same inputs, and may even hold them in the same objects.
        place = ("block input", port[1]) if port[0].startswith("block ") else port
        self._sources[id(var)] = node, place


def _inputs(operation: Any) -> Iterator[tuple[Port, Any]]:
    """What goes into an op, in an order that does not depend on how the op was made."""
    if is_constant_op(operation):
        yield ("value", SINGLE), operation.outputs[0]  # only unused weights are asked
        return
    for parameter, value in sorted(operation.inputs.items()):
        if isinstance(value, list | tuple):
            yield from (((parameter, index), item) for index, item in enumerate(value))
        else:
            yield (parameter, SINGLE), value


def _used_values(block: Any) -> Iterator[Any]:
    yield from block.outputs
    for operation in block.operations:
        for value in operation.inputs.values():
            yield from value if isinstance(value, list | tuple) else (value,)
        for nested in operation.blocks:
            yield from _used_values(nested)

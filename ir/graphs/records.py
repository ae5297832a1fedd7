"""What stands in the graphs of `def_use.py`: nodes and edges, as typed records."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from ..constants import is_compressed
from ..value_types import Value

Kind: TypeAlias = Literal["input", "output", "block input", "constant", "compressed", "compute"]


@attrs.frozen(eq=False, kw_only=True)
class Node:
    """A place where values are defined or leave; equal to itself only, so that it can be a graph's node.

    Attributes:
        name: of the op; of the value where the node is no op.
        function: the name of the function that it stands in.
        blocks: the nested blocks around it, outermost first, as `owner[index]`; empty outside of all.
        values: what it gives, with types; of an output, what leaves.
        defined: its place in the order of definition, where an owner of blocks comes after what stands in them.
            Every edge of a graph goes from a lower place to a higher one.
        written: its place in the program's text, where an owner comes before what stands in its blocks.
    """

    name: str
    function: str
    blocks: tuple[str, ...] = ()
    values: tuple[Value, ...]
    defined: int
    written: int

    @property
    def kind(self) -> Kind:
        """What it is, in one word or two."""
        raise NotImplementedError

    @property
    def place(self) -> str:
        """The function and the blocks around it: `main/loop[1]`."""
        return "/".join((self.function, *self.blocks))


@attrs.frozen(eq=False, kw_only=True)
class InputNode(Node):
    """An input of a function, states included.

    Attributes:
        var: the PyMIL value.
        is_state: whether it is a state. Ops that read and write it hang on it alike: def-use knows no order of them.
    """

    var: Any
    is_state: bool

    @property
    def kind(self) -> Kind:
        """An input."""
        return "input"


@attrs.frozen(eq=False, kw_only=True)
class BlockInputNode(Node):
    """A value that a nested block is given anew each time it runs; a loop's variable.

    Attributes:
        var: the PyMIL value.
    """

    var: Any

    @property
    def kind(self) -> Kind:
        """A block's input."""
        return "block input"


@attrs.frozen(eq=False, kw_only=True)
class OutputNode(Node):
    """An output of a function.

    Attributes:
        index: which output it is.
    """

    index: int

    @property
    def kind(self) -> Kind:
        """An output."""
        return "output"


@attrs.frozen(eq=False, kw_only=True)
class OpNode(Node):
    """An op.

    Attributes:
        op: the PyMIL op.
        op_type: such as `conv`.
    """

    op: Any
    op_type: str

    @property
    def kind(self) -> Kind:
        """A constant, a compressed one (`constexpr_*`), or something to compute."""
        if self.op_type == "const":
            return "constant"
        return "compressed" if is_compressed(self.op_type) else "compute"

    @property
    def is_constant(self) -> bool:
        """Known before the program runs: a constant, compressed or not."""
        return self.kind != "compute"


@attrs.frozen
class Use:
    """One value that goes to one parameter.

    Attributes:
        value: the value and its type.
        parameter: the user's name for it; `output 0` of a function, `block 0` where a block's output becomes its
            owner's.
    """

    value: Value
    parameter: str

    def __str__(self) -> str:
        """`parameter = name: type`."""
        return f"{self.parameter} = {self.value.name}: {self.value.type}"


@attrs.frozen
class Edge:
    """Everything that one node takes from another.

    Attributes:
        uses: each value and parameter; none where an owner of blocks runs an op whose values nothing takes.
    """

    uses: tuple[Use, ...] = ()

"""What can be done to a program to make it smaller: each edit is a record, and a plan is what several of them ask for.

Edits name ops and values of one program, which they do not change: `rebuilding.py` makes a new one after their plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import attrs

Chosen = dict[int, Any]  # by the identity of an op or a value, which PyMIL's own comparison is not


@attrs.define
class Plan:
    """What edits ask for, to be looked up while a program is walked.

    Attributes:
        functions: the names of those that go.
        outputs: function outputs that go, with what only they need.
        inputs: function inputs that go where nothing takes them.
        cut: ops that go; what others take of them becomes an input, or a constant where it is known.
        gone: the same ops, and those in whose place a value of others stands.
        instead: what stands in the place of a value.
        inlined: ops of which one block stays, in their place.
        omitted: by op, the parameters that it is no longer given.
        constants: by op, the constant that stands in its place.
        names: new ones of ops and values.
    """

    functions: set[str] = attrs.Factory(set)
    outputs: Chosen = attrs.Factory(dict)
    inputs: Chosen = attrs.Factory(dict)
    cut: Chosen = attrs.Factory(dict)
    gone: Chosen = attrs.Factory(dict)
    instead: Chosen = attrs.Factory(dict)
    inlined: Chosen = attrs.Factory(dict)
    omitted: dict[int, set[str]] = attrs.Factory(dict)
    constants: Chosen = attrs.Factory(dict)
    names: dict[int, str] = attrs.Factory(dict)

    def resolved(self, var: Any) -> Any:
        """The value that stands for another one, or itself."""
        while id(var) in self.instead:
            var = self.instead[id(var)]
        return var

    def name_of(self, named: Any) -> str:
        """The name that an op or a value gets."""
        return self.names.get(id(named)) or str(named.name)


class Edit(Protocol):
    """One change of a program."""

    def enter(self, plan: Plan) -> None:
        """Adds what it asks for to a plan; of edits that contradict each other the last one counts."""


def plan_of(edits: Iterable[Edit]) -> Plan:
    """The plan of several edits of one program."""
    plan = Plan()
    for edit in edits:
        edit.enter(plan)
    return plan


@attrs.frozen
class DropFunction:
    """Takes a function out of its program."""

    name: str

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.functions.add(self.name)


@attrs.frozen
class DropOutput:
    """Takes an output from a function, and the ops that nothing else needs."""

    output: Any

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.outputs[id(self.output)] = self.output


@attrs.frozen
class DropInput:
    """Takes an input from a function, if nothing takes it."""

    input: Any

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.inputs[id(self.input)] = self.input


@attrs.frozen
class Cut:
    """Takes an op out; the function takes from outside what others need of it, and gives what it took from others."""

    op: Any

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.cut[id(self.op)] = plan.gone[id(self.op)] = self.op


@attrs.frozen
class Bypass:
    """Takes an op out; values that it took stand in the place of those that it gave."""

    op: Any
    values: tuple[Any, ...]

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.gone[id(self.op)] = self.op
        plan.instead |= {id(old): new for old, new in zip(self.op.outputs, self.values, strict=True)}


@attrs.frozen
class Inline:
    """Puts the ops of one block, a branch or a part of a loop, in the place of the op that owns it."""

    op: Any
    block: Any
    values: tuple[Any, ...]

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        taken = self.op.inputs.get("loop_vars", ())
        plan.inlined[id(self.op)] = self.block
        plan.instead |= {id(old): new for old, new in zip(self.op.outputs, self.values, strict=True)}
        plan.instead |= {id(old): new for old, new in zip(self.block.inputs, taken, strict=True)}


@attrs.frozen
class Omit:
    """Leaves out an input of an op, which has a default for it."""

    op: Any
    parameter: str

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.omitted.setdefault(id(self.op), set()).add(self.parameter)


@attrs.frozen(eq=False)
class Replace:
    """Puts another constant in the place of one, which may be compressed."""

    op: Any
    value: Any

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.constants[id(self.op)] = self.value


@attrs.frozen(eq=False)
class Rename:
    """Gives an op, or an input of a function, and its values other names."""

    names: Mapping[int, str]

    def enter(self, plan: Plan) -> None:
        """See `Edit`."""
        plan.names |= self.names

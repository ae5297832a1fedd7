"""Branches and loops; states that their blocks update leave them as further outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...ir.pymil import ListVar
from ...ir.walking import walk
from ..graph import BOOL, INT64, Body, Graph, Tensor
from ..op import Op, shape_of
from ..registry import lowers


@lowers("cond", moves=True)
def cond(g: Graph, op: Op) -> list[Tensor]:
    """A branch that is known to be taken needs no If around it."""
    blocks = op.operation.blocks
    predicate = op.const("pred")
    if predicate is not None:
        return op.lowering.lower(blocks[0 if predicate else 1])
    states = _updated_states(op)
    branches = [_branch(g, op, block, states) for block in blocks]
    results = g.subgraph("If", [op["pred"]], dict(zip(("then_branch", "else_branch"), branches, strict=True)))
    return _without_states(op, results, states)


@lowers("while_loop", moves=True)
def while_loop(g: Graph, op: Op) -> list[Tensor]:
    """A Loop decides after each iteration whether another follows, so that the condition stands there and before it."""
    condition, iterated = op.operation.blocks
    states = _updated_states(op)
    variables = op.each("loop_vars")
    first = _truth(g, op, condition, variables)
    carried = [*variables, *(op.lowering.states[name] for name in states)]
    with g.body(("iteration", INT64), ("condition", BOOL), *((each.name, each.dtype) for each in carried)) as body:
        body.shapes |= _known_shapes(body.inputs, [*iterated.inputs, *states.values()])
        inputs = body.inputs[2:]
        op.lowering.states.update(zip(states, inputs[len(variables) :], strict=True))
        new = _applied(op, iterated, inputs[: len(variables)])
        body.outputs = [_truth(g, op, condition, new), *new, *(op.lowering.states[name] for name in states)]
    return _without_states(op, g.subgraph("Loop", [None, first, *carried], {"body": body}), states)


def _updated_states(op: Op) -> dict[str, Any]:
    """The states that the op's blocks update, however deeply nested, by name."""
    updates = (each for block in op.operation.blocks for each in walk(block) if each.op_type == "coreml_update_state")
    return {str(each.state.name): each.state for each in updates}


def _branch(g: Graph, op: Op, block: Any, states: Iterable[str]) -> Body:
    """The ops of a branch, whose updates of states are not seen outside of it but through its outputs."""
    outer = dict(op.lowering.states)
    with g.body() as body:
        body.outputs = [*op.lowering.lower(block), *(op.lowering.states[name] for name in states)]
    op.lowering.states.update(outer)
    return body


def _applied(op: Op, block: Any, arguments: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a block for values of its inputs."""
    for var, tensor in zip(block.inputs, arguments, strict=True):
        op.lowering.bind(var, tensor)
    return op.lowering.lower(block)


def _truth(g: Graph, op: Op, condition: Any, arguments: Sequence[Tensor]) -> Tensor:
    """Whether a loop goes on with these values of its variables; MIL also takes a vector of one element."""
    truth = _applied(op, condition, arguments)[0]
    return truth if shape_of(condition.outputs[0]) == () else g.op("Reshape", truth, [])


def _known_shapes(inputs: Sequence[Tensor], variables: Sequence[Any]) -> dict[str, Sequence[int | None]]:
    """The shapes of a loop's counter and condition and of the variables after them, those of lists left out."""
    shapes: dict[str, Sequence[int | None]] = {each.name: () for each in inputs[:2]}
    pairs = zip(inputs[2:], variables, strict=True)
    return shapes | {tensor.name: shape_of(var) for tensor, var in pairs if not isinstance(var, ListVar)}


def _without_states(op: Op, results: Sequence[Tensor], states: Collection[str]) -> list[Tensor]:
    """The results that are the op's own outputs; those after them are the new values of states."""
    own = len(results) - len(states)
    op.lowering.states.update(zip(states, results[own:], strict=True))
    return list(results[:own])

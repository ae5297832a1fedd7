"""Branches and loops; states that their blocks update, and what is observed inside, leave as further outputs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ...ir.pymil import ListVar
from ..graph import BOOL, INT64, Body, Graph, Tensor
from ..op import Key, Op, Shape, shape_of
from ..registry import lowers


@lowers("cond", moves=True)
def cond(g: Graph, op: Op) -> list[Tensor]:
    """A branch that is known to be taken needs no If around it."""
    blocks = op.operation.blocks
    predicate = op.const("pred")
    if predicate is not None:
        return op.lowering.lower(blocks[0 if predicate else 1])
    keys = op.lowering.changed_by(op.operation)
    branches = [_branch(g, op, block, keys) for block in blocks]
    results = g.subgraph("If", [op["pred"]], dict(zip(("then_branch", "else_branch"), branches, strict=True)))
    return _without_carried(op, results, keys)


@lowers("while_loop", moves=True)
def while_loop(g: Graph, op: Op) -> list[Tensor]:
    """A Loop decides after each iteration whether another follows, so that the condition stands there and before it."""
    iterated = op.operation.blocks[1]
    variables = op.each("loop_vars")
    first = _truth(g, op, variables)
    keys = op.lowering.changed_by(op.operation)
    start = [*variables, *(op.lowering.carried[key] for key in keys)]
    with g.body(("iteration", INT64), ("condition", BOOL), *((each.name, each) for each in start)) as body:
        shapes = [*map(_known_shape, iterated.inputs), *keys.values()]
        body.shapes |= _named(body.inputs, [(), (), *shapes])
        inputs = body.inputs[2:]
        op.lowering.carried.update(zip(keys, inputs[len(variables) :], strict=True))
        new = _applied(op, iterated, inputs[: len(variables)])
        body.outputs = [_truth(g, op, new), *new, *(op.lowering.carried[key] for key in keys)]
    return _without_carried(op, g.subgraph("Loop", [None, first, *start], {"body": body}), keys)


def _branch(g: Graph, op: Op, block: Any, keys: Iterable[Key]) -> Body:
    """The ops of a branch; what they do to carried values is not seen outside of it but through its outputs."""
    outer = dict(op.lowering.carried)
    with g.body() as body:
        body.outputs = [*op.lowering.lower(block), *(op.lowering.carried[key] for key in keys)]
    op.lowering.carried.update(outer)
    return body


def _applied(op: Op, block: Any, arguments: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a block for values of its inputs."""
    for var, tensor in zip(block.inputs, arguments, strict=True):
        op.lowering.bind(var, tensor)
    return op.lowering.lower(block)


def _truth(g: Graph, op: Op, arguments: Sequence[Tensor]) -> Tensor:
    """Whether a loop goes on with these values of its variables; MIL also takes a vector of one element."""
    condition, iterated = op.operation.blocks
    # PyMIL has the same variables in condition and body; they are observed in the body, once in each iteration.
    shared = {id(var) for var in iterated.inputs}
    for var, tensor in zip(condition.inputs, arguments, strict=True):
        op.lowering.bind(var, tensor, is_watched=id(var) not in shared)
    truth = op.lowering.lower(condition)[0]
    return truth if shape_of(condition.outputs[0]) == () else g.op("Reshape", truth, [])


def _known_shape(variable: Any) -> Shape | None:
    """The shape of a loop's variable; lists have none."""
    return None if isinstance(variable, ListVar) else shape_of(variable)


def _named(tensors: Sequence[Tensor], shapes: Sequence[Shape | None]) -> dict[str, Sequence[int | None]]:
    """The shapes that are known, by the names of their tensors."""
    pairs = zip(tensors, shapes, strict=True)
    return {tensor.name: shape for tensor, shape in pairs if shape is not None}


def _without_carried(op: Op, results: Sequence[Tensor], keys: Collection[Key]) -> list[Tensor]:
    """The results that are the op's own outputs; those after them are the new values of what is carried."""
    own = len(results) - len(keys)
    op.lowering.carried.update(zip(keys, results[own:], strict=True))
    return list(results[:own])

"""Where values go: who reads them in the end, in which block they are at home, and what only moves them there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Literal

from ....ir.walking import blocks_of
from ...canonicalization.moves import MOVES
from .classes import carried_from
from .fusing import Fused
from .sites import Site
from .tables import FLOAT_READERS, QUANTIZED_OPS, STATE_WRITERS
from .values import function_inputs, is_float_tensor, only_reader, readers

End = Literal["output", "state", "float", "op"]


def ends_of(value: Any, idle: Collection[Any] = ()) -> set[End]:
    """What reads a value in the end, behind casts and ops that keep values; see `end_readers`."""
    return {_end(reader) for reader in end_readers(value, idle)}


def end_readers(value: Any, idle: Collection[Any] = ()) -> Iterator[Any]:
    """The ops that read a value in the end, behind casts and ops that keep values; None for a block that returns it.

    Args:
        value: any value.
        idle: ops that put values together for nothing, and only pass them on.
    """
    waiting, seen = [value], {value}
    while waiting:
        each = waiting.pop()
        if each.consuming_blocks:
            yield None
        for reader in readers(each):
            following = [output for output in reader.outputs if _goes_on(each, output, idle)]
            if not following:
                yield reader
            waiting += [output for output in following if output not in seen]
            seen |= set(following)


def leads_out(value: Any, reader: Any, idle: Collection[Any] = ()) -> bool:
    """Whether an op only passes a value on, on its way to outputs of blocks, or to states."""
    following = [output for output in reader.outputs if _goes_on(value, output, idle)]
    return bool(following) and all(ends_of(output, idle) <= {"output", "state"} for output in following)


def _goes_on(value: Any, output: Any, idle: Collection[Any]) -> bool:
    if output.op.op_type in QUANTIZED_OPS:
        return output.op in idle
    return output.op.op_type == "cast" or carried_from(output) is value


def _end(reader: Any) -> End:
    if reader is None:
        return "output"
    if reader.op_type in STATE_WRITERS:
        return "state"
    return "float" if reader.op_type in FLOAT_READERS else "op"


def is_passed_on(fused: Fused, idle: Collection[Any]) -> bool:
    """Whether an op reads what leaves another, such that a pair belongs in between."""
    return fused.obstacle is None and "op" in ends_of(fused.result, idle)


def idle_joins(sites: list[Site], *, is_output_quantized: bool) -> set[Any]:
    """The ops that put values together, and whose output no op takes that computes with quantized activations.

    Their inputs would share a scale for nothing, or for outputs of the function, which stay float.

    Args:
        sites: of a function.
        is_output_quantized: whether outputs do not stay float: codes can be put together before they are decoded.
    """
    idle: set[Any] = set()
    taking = {site.op for site in sites if site.constant is None}
    for site in reversed(sites):
        if site.row.constants == "join":
            ends = end_readers(site.op.outputs[0], idle)
            if not any(_asks_for_codes(end, taking, is_output_quantized) for end in ends):
                idle.add(site.op)
    return idle


def _asks_for_codes(end: Any, taking: set[Any], is_output_quantized: bool) -> bool:  # noqa: FBT001
    if end is None:
        return is_output_quantized
    return end.op_type == "quantize" or end in taking


def in_front_of_casts(value: Any) -> tuple[Any, Any]:
    """What a value is in front of casts and of ops that keep values, and the first of these ops, if there is one."""
    reader = None
    while value.op is not None:
        source = value.op.x if value.op.op_type == "cast" else carried_from(value)
        if source is None or not is_float_tensor(source):
            break
        value, reader = source, value.op
    return value, reader


def movers_in_front(value: Any) -> Iterator[Any]:
    """The ops that move a value's codes where it comes from, the nearest first.

    They end where something else reads what is between, or where another block begins: there codes do not move.
    """
    while value.op is not None and value.op.op_type in MOVES:
        operation = value.op
        yield operation
        value = operation.x
        if value.op is None or value.op.enclosing_block is not operation.enclosing_block:
            return
        if only_reader(value) is not operation:
            return


class Homes:
    """In which block each value of a function is there; inputs of a loop may be those of both of its blocks."""

    def __init__(self, function: Any) -> None:
        self._blocks: dict[Any, list[Any]] = {}
        for block in blocks_of(function):
            for value in function_inputs(block):
                self._blocks.setdefault(value, []).append(block)

    def of(self, value: Any, reader: Any) -> Any:
        """The block in which a pair for a value belongs that an op reads; reader is None for outputs of functions."""
        if value.op is not None:
            return value.op.enclosing_block
        homes = self._blocks[value]
        around = [] if reader is None else [*_blocks_around(reader)]
        return next((home for home in homes if home in around), homes[-1])


def _blocks_around(operation: Any) -> Iterator[Any]:
    block = operation.enclosing_block
    while block is not None:
        yield block
        block = None if block.outer_op is None else block.outer_op.enclosing_block

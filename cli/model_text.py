"""What a model consists of, as lines for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .tables import format_bytes

if TYPE_CHECKING:
    from ..ir.graphs.def_use import Graph
    from ..ir.graphs.records import Node
    from ..ir.inventory import FunctionInventory
    from ..ir.value_types import Value


def function_lines(found: FunctionInventory) -> Iterator[str]:
    """An inventory in lines, one fact each, what belongs to it indented."""
    yield f"function {found.name}, {found.opset}" + (", the default" if found.is_default else "")
    for title, values in (("inputs", found.inputs), ("states", found.states), ("outputs", found.outputs)):
        yield from _titled(title, _value_lines(values, found.described))
    yield from _titled("ops", [_counted(sum(found.ops.values()), (f"{n} {name}" for name, n in found.ops.items()))])
    sizes = (f"{format_bytes(size)} {dtype}" for dtype, size in found.weight_bytes.items())
    yield from _titled("constants", [str(found.constants)])
    yield from _titled("weights", [_counted(format_bytes(sum(found.weight_bytes.values())), sizes)])


def _counted(total: object, parts: Iterable[str]) -> str:
    words = ", ".join(parts)
    return f"{total}: {words}" if words else str(total)


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {title if index == 0 else '':10}{line}" for index, line in enumerate(lines))


def _value_lines(values: Sequence[Value], described: Mapping[str, str]) -> list[str]:
    said = {name: f"described as {words}" for name, words in described.items()}
    return aligned([(value.name, value.type, said.get(value.name, "")) for value in values])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, columns below each other; all rows have as many cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def node_lines(graph: Graph, nodes: Sequence[Node]) -> list[str]:
    """Nodes of a graph as lines: what each is, its name, what it gives, and what it takes."""
    rows = [node_as_json(graph, node) for node in nodes]
    return aligned(
        [
            (
                row["op_type"] or row["kind"],
                row["name"],
                _given(row),
                ", ".join(f"{taken['parameter']} = {taken['value']}" for taken in row["takes"]),
            )
            for row in rows
        ]
    )


def _given(row: Mapping[str, Any]) -> str:
    """The types of a node's values, their names where they are not the node's, and what a small constant is."""
    names = (f"{value['name']}: " if value["name"] != row["name"] else "" for value in row["values"])
    types = ", ".join(name + value["type"] for name, value in zip(names, row["values"], strict=True))
    return types if row["value"] is None else f"{types} = {row['value']}"


def _small_constant(node: Node) -> str | None:
    """The value of a constant of few elements in words; None for any other node, and where the value is missing."""
    from ..ir.constants import SMALLEST_WEIGHT
    from ..ir.diffing.constants import words_of
    from ..ir.diffing.kinds import as_list
    from ..ir.graphs.records import OpNode

    if not isinstance(node, OpNode) or node.kind != "constant":
        return None
    value = node.op.outputs[0].val
    elements = as_list(value)
    count = len(elements) if elements is not None else getattr(value, "size", 1)
    # Zeros in the place of a missing array are one element again and again.
    is_missing = bool(getattr(value, "shape", ())) and not any(value.strides)
    return None if count >= SMALLEST_WEIGHT or is_missing else words_of(value)


def node_as_json(graph: Graph, node: Node) -> Mapping[str, Any]:
    """What `--json` prints of a node."""
    from ..ir.graphs.def_use import edge_between
    from ..ir.graphs.records import OpNode

    uses = (use for source in graph.predecessors(node) for use in edge_between(graph, source, node).uses)
    return {
        "kind": node.kind,
        "op_type": node.op_type if isinstance(node, OpNode) else None,
        "name": node.name,
        "function": node.function,
        "blocks": list(node.blocks),
        "values": [value.as_json() for value in node.values],
        "value": _small_constant(node),
        "takes": [{"parameter": use.parameter, "value": use.value.name} for use in uses],
    }

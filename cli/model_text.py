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
        yield from _titled(title, _value_lines(values))
    yield from _titled("ops", [_counted(sum(found.ops.values()), (f"{n} {name}" for name, n in found.ops.items()))])
    sizes = (f"{format_bytes(size)} {dtype}" for dtype, size in found.weight_bytes.items())
    yield from _titled("constants", [str(found.constants)])
    yield from _titled("weights", [_counted(format_bytes(sum(found.weight_bytes.values())), sizes)])


def _counted(total: object, parts: Iterable[str]) -> str:
    words = ", ".join(parts)
    return f"{total}: {words}" if words else str(total)


def _titled(title: str, lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {title if index == 0 else '':10}{line}" for index, line in enumerate(lines))


def _value_lines(values: Sequence[Value]) -> list[str]:
    return _aligned([(value.name, value.type) for value in values])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines, columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def node_lines(graph: Graph, nodes: Sequence[Node]) -> list[str]:
    """Nodes of a graph as lines: what each is, its name, its types, and what it takes."""
    rows = [node_as_json(graph, node) for node in nodes]
    return _aligned(
        [
            (
                row["op_type"] or row["kind"],
                row["name"],
                ", ".join(value["type"] for value in row["values"]),
                ", ".join(f"{taken['parameter']} = {taken['value']}" for taken in row["takes"]),
            )
            for row in rows
        ]
    )


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
        "takes": [{"parameter": use.parameter, "value": use.value.name} for use in uses],
    }

"""`milopt inspect`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from .. import options
from ..choosing import choose_function, choose_stage, choose_stages
from ..opening import open_model
from ..progress import working

if TYPE_CHECKING:
    from ...ir.graphs.def_use import Graph
    from ...ir.graphs.records import Node
    from ...ir.model import Model
    from ...ir.model_parts import Stage

DRAWN_BOXES = 5000  # browsers are slow with an SVG of more, and nobody reads it
DEFAULT_DEPTH = 2


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--function", help="Only this function; without it, all are told of, and the default one is drawn.")
@click.option("--stage", help="Of a pipeline: only the stage at this place, such as 0.")
@click.option(
    "--graph",
    "drawing",
    type=click.Path(path_type=Path),
    help="Draw the ops and their values into this file: .svg for a browser, .dot for Graphviz. Constants of fewer "
    "than 10 elements stand in the boxes of the ops that take them.",
)
@click.option("--op", "name", help="Only what is around this op: list it or, with --graph, draw it.")
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    help=f"How many steps to go from --op, constants not counted; {DEFAULT_DEPTH} without it.",
)
@options.force
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def inspect(
    model: Path,
    *,
    function: str | None,
    stage: str | None,
    drawing: Path | None,
    name: str | None,
    depth: int | None,
    force: bool,
    as_json: bool,
) -> None:
    """Tell what MODEL consists of, or draw it.

    Of each function: opset, inputs, states, outputs, ops by type, constants, and bytes of weights by type.
    """
    if depth is not None and name is None:
        raise click.UsageError("--depth needs --op, the op to go from")
    if drawing is not None:
        _check_drawing(drawing, force=force)
    with working(f"inspecting {model.name}"):
        loaded = open_model(model, "zeros")  # it tells of no values
        if drawing is None and name is None:
            text = _inventory(loaded, choose_stages(loaded, stage, function), function, as_json=as_json)
        else:
            chosen = choose_stage(loaded, stage, function)
            part = _part(loaded, chosen, function, name, DEFAULT_DEPTH if depth is None else depth)
            if drawing is None:
                text = _listing(part, as_json=as_json)
            else:
                text = _draw(part, drawing, force=force, as_json=as_json)
    click.echo(text)


def _check_drawing(path: Path, *, force: bool) -> None:
    from ...ir.saving import check_output

    if path.suffix not in (".svg", ".dot"):
        raise click.UsageError(f"{path}: a drawing ends in .svg or .dot")
    check_output(path, overwrite=force, suffix=path.suffix)


def _inventory(model: Model, stages: Sequence[Stage], function: str | None, *, as_json: bool) -> str:
    from ...ir.inventory import inventory
    from ..model_text import function_lines

    told = {
        stage.label: [each for each in inventory(stage.program) if function in (None, each.name)] for stage in stages
    }
    if as_json:
        programs = [{"stage": label, "functions": [each.as_json() for each in found]} for label, found in told.items()]
        return json.dumps({"model": model.name, "opset": str(model.opset), "programs": programs}, indent=2)
    lines = [f"{model.name}, {model.opset}"]
    for label, found in told.items():
        lines += [f"stage {label}"] if label else []
        lines += [line for each in found for line in function_lines(each)]
    return "\n".join(lines)


@attrs.frozen
class _Part:
    """What is listed or drawn: nodes of a graph, among them those that were asked for by name."""

    title: str
    graph: Graph
    nodes: Sequence[Node]
    named: Sequence[Node]


def _part(model: Model, stage: Stage, function: str | None, name: str | None, depth: int) -> _Part:
    """One function as a graph, or what is at most `depth` steps from one of its ops.

    Raises:
        ProgramError: there is no such op or function.
    """
    from ...ir.graphs.def_use import def_use_graph, named
    from ...ir.graphs.slices import nodes_around

    function = choose_function(model, stage.program, function)
    graph = def_use_graph(stage.program.functions[function], name=function)
    title = ", ".join((model.name, *([f"stage {stage.label}"] if stage.label else []), function))
    if name is None:
        return _Part(title, graph, list(graph), ())
    return _Part(f"{title}, around {name}", graph, nodes_around(graph, name, depth), named(graph, name))


def _listing(part: _Part, *, as_json: bool) -> str:
    from ..model_text import node_as_json, node_lines

    if as_json:
        return json.dumps([node_as_json(part.graph, node) for node in part.nodes], indent=2)
    return "\n".join(node_lines(part.graph, part.nodes))


def _draw(part: _Part, path: Path, *, force: bool, as_json: bool) -> str:
    from ...ir.errors import MiloptError
    from ...ir.graphs.dot import dot
    from ...ir.graphs.picture import picture
    from ...ir.graphs.svg import svg
    from ...ir.saving import write_text

    drawn = picture(part.graph.subgraph(part.nodes), part.title, keep=part.named)
    if path.suffix == ".svg" and len(drawn.boxes) > DRAWN_BOXES:
        message = f"a drawing of {len(drawn.boxes)} boxes is too large for an .svg, which takes {DRAWN_BOXES}"
        raise MiloptError(message, where=path, hint="draw what is around an --op, or write a .dot")
    write_text(path, svg(drawn) if path.suffix == ".svg" else dot(drawn), overwrite=force)
    counts = {"boxes": len(drawn.boxes), "arrows": len(drawn.arrows)}
    return json.dumps({"output": str(path), **counts}, indent=2) if as_json else f"written  {path}"

"""`milopt inspect`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from .. import options
from ..choosing import choose_function, choose_functions, choose_stage, choose_stages
from ..eligibility import Question, answer
from ..opening import open_model
from ..option_types import Integer
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
@click.option(
    "--function",
    help="Only this function; without it, all are told of, and the default one is drawn; --op is found in any.",
)
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
    type=Integer(min=0),
    help=f"How many steps to go from --op, constants not counted; {DEFAULT_DEPTH} without it.",
)
@options.force
@click.option("--target", help="Tell which quantization schemes fit each op on this deployment target, and why not.")
@click.option(
    "--compute-unit",
    type=click.Choice(["all", "ne", "gpu", "cpu"], case_sensitive=False),
    help="Of --target: where the model is meant to run, such as the Neural Engine; all, without it.",
)
@click.option(
    "--chip",
    help="Of --target: the chip that it is meant to run on, such as A17Pro; every one from A14 and M1 on, without it.",
)
@click.option(
    "--statistics",
    type=click.Path(path_type=Path),
    help="Of --target: what `milopt calibrate` wrote; ops whose ranges it lacks are told.",
)
@click.option("--all", "every", is_flag=True, help="Of --target: list ops as well that no scheme concerns.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def inspect(
    model: Path,
    *,
    function: str | None,
    stage: str | None,
    drawing: Path | None,
    name: str | None,
    depth: int | None,
    target: str | None,
    compute_unit: str | None,
    chip: str | None,
    statistics: Path | None,
    every: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Tell what MODEL consists of, draw it, or tell which quantization schemes fit it.

    Of each function: opset, inputs, states, outputs, ops by type, constants, and bytes of weights by type. Where the
    description says more than a type, such as an image, it is told as well.

    With --target: of each op whether 8-bit, 4-bit and 4-bit block-wise weights fit it, and 8-bit activations, signed
    and unsigned; or the rule that speaks against it, with its source.
    """
    if depth is not None and name is None:
        raise click.UsageError("--depth needs --op, the op to go from")
    question = _question(target, compute_unit, chip, statistics, every=every)
    if question is not None and (drawing is not None or name is not None):
        raise click.UsageError("--target asks about all ops: --graph and --op do not go with it")
    if drawing is not None:
        _check_drawing(drawing, force=force)
    with working(f"inspecting {model.name}"):
        loaded = open_model(model, "zeros")  # it tells of no values
        if question is not None:
            text = answer(question, loaded, choose_stages(loaded, stage, function), function, as_json=as_json)
        elif drawing is None and name is None:
            text = _inventory(loaded, choose_stages(loaded, stage, function), function, as_json=as_json)
        else:
            if name is None:
                part = _whole(loaded, choose_stage(loaded, stage, function), function)
            else:
                steps = DEFAULT_DEPTH if depth is None else depth
                part = _around(loaded, choose_functions(loaded, stage, function), name, steps)
            if drawing is None:
                text = _listing(part, as_json=as_json)
            else:
                text = _draw(part, drawing, force=force, as_json=as_json)
    click.echo(text)


def _question(
    target: str | None, compute_unit: str | None, chip: str | None, statistics: Path | None, *, every: bool
) -> Question | None:
    """What is asked about schemes; None when nothing is."""
    if target is not None:
        return Question.of(target, compute_unit or "all", chip, statistics, every=every)
    given = {"--compute-unit": compute_unit, "--chip": chip, "--statistics": statistics, "--all": every}
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} needs --target, such as --target iOS17")
    return None


def _check_drawing(path: Path, *, force: bool) -> None:
    from ...ir.saving import check_output

    if path.suffix not in (".svg", ".dot"):
        raise click.UsageError(f"{path}: a drawing ends in .svg or .dot")
    check_output(path, overwrite=force, suffix=path.suffix)


def _inventory(model: Model, stages: Sequence[Stage], function: str | None, *, as_json: bool) -> str:
    from ...ir.inventory import inventory
    from ..model_text import function_lines

    told = {
        stage.label: [
            each
            for each in inventory(stage.program, None if model.origin.is_bare else stage.specification.description)
            if function in (None, each.name)
        ]
        for stage in stages
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


def _whole(model: Model, stage: Stage, function: str | None) -> _Part:
    """One function as a graph.

    Raises:
        ProgramError: there is no such function.
    """
    name = choose_function(model, stage.program, function)
    graph = _graph(stage, name)
    return _Part(_title(model, stage, name), graph, list(graph), ())


def _around(model: Model, functions: Sequence[tuple[Stage, str]], name: str, depth: int) -> _Part:
    """What is at most `depth` steps from an op, of the first function that has it.

    Raises:
        ProgramError: there is no such op.
    """
    from ...ir.errors import ProgramError, did_you_mean
    from ...ir.graphs.def_use import named
    from ...ir.graphs.slices import nodes_around

    known: list[str] = []
    for stage, function in functions:
        graph = _graph(stage, function)
        try:
            found = named(graph, name)
        except ProgramError:
            known += (value.name for node in graph for value in (node, *node.values))
        else:
            title = f"{_title(model, stage, function)}, around {name}"
            return _Part(title, graph, nodes_around(graph, name, depth), found)
    raise ProgramError(f"there is no op {name!r}", hint=did_you_mean(name, known))


def _graph(stage: Stage, function: str) -> Graph:
    from ...ir.graphs.def_use import def_use_graph

    return def_use_graph(stage.program.functions[function], name=function)


def _title(model: Model, stage: Stage, function: str) -> str:
    return ", ".join((model.name, *([f"stage {stage.label}"] if stage.label else []), function))


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

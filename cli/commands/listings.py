"""`milopt passes` and `milopt pipelines`: what there is, read from the code itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ...passes.catalogue.documentation import Documentation
    from ...passes.catalogue.lookup import Listed

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command
@click.argument("name", required=False)
@click.option("--coremltools", "foreign", is_flag=True, help="List coremltools' own passes instead.")
@_json
def passes(name: str | None, *, foreign: bool, as_json: bool) -> None:
    """List the passes, or document the pass NAME, which may be coremltools' own."""
    from ...passes.foreign.passes import coremltools_pass_ids

    if name:
        _show(pass_documentation(name), as_json=as_json)
    elif foreign:
        ids = coremltools_pass_ids()
        click.echo(json.dumps(ids, indent=2) if as_json else "\n".join(ids))
    else:
        click.echo(pass_listing(as_json=as_json))


@click.command
@click.argument("name", required=False)
@click.option("--target", help="Only what runs for this deployment target.")
@_json
def pipelines(name: str | None, *, target: str | None, as_json: bool) -> None:
    """List the named pipelines and those of deployment targets, or document the pipeline NAME.

    Named pipelines stand in pipeline text where passes can. Those of targets are printed as text that mil-opt takes.
    """
    if name:
        _show(pipeline_documentation(name), as_json=as_json)
    elif target:
        click.echo(_by_target(target, as_json=as_json))
    elif as_json:
        click.echo(pipeline_listing(as_json=True))
    else:
        click.echo(f"{pipeline_listing()}\n\n{_by_target(None, as_json=False)}")


def pass_listing(*, as_json: bool = False) -> str:
    """The passes and what they do, in two columns."""
    from ...passes.registry import list_passes

    return _listing(list_passes(), as_json=as_json)


def pipeline_listing(*, as_json: bool = False) -> str:
    """The named pipelines and what they do, in two columns."""
    from ...passes.registry import list_pipelines
    from ...pipelines.named import register_named

    register_named()
    return _listing(list_pipelines(), as_json=as_json)


def pass_documentation(name: str) -> Documentation:
    """The documentation of a pass, of ours or of coremltools.

    Raises:
        PipelineError: there is none of this name.
    """
    from ...passes.catalogue.documentation import document, document_foreign
    from ...passes.registry import pass_class

    ours = name.removeprefix("milopt::")
    return document_foreign(name) if "::" in ours else document(pass_class(ours))


def pipeline_documentation(name: str) -> Documentation:
    """The documentation of a named pipeline.

    Raises:
        PipelineError: there is none of this name.
    """
    from ...passes.catalogue.documentation import document
    from ...passes.registry import pipeline_class
    from ...pipelines.named import register_named

    register_named()
    return document(pipeline_class(name))


def _show(page: Documentation, *, as_json: bool) -> None:
    click.echo(json.dumps(page.as_json(), indent=2) if as_json else str(page))


def _listing(rows: Iterable[Listed[Any]], *, as_json: bool) -> str:
    """Names and summaries, in two columns; what is broken says why."""
    found = [_row(row) for row in rows]
    if as_json:
        return json.dumps(found, indent=2)
    width = max((len(row["name"]) for row in found), default=0)
    return "\n".join(f"{row['name']:{width}}  {_told(row)}".rstrip() for row in found)


def _told(row: dict[str, Any]) -> str:
    origin = f" [{row['distribution']}]" if row["distribution"] else ""
    return (f"broken: {row['problem']}" if row["problem"] else row["summary"]) + origin


def _row(row: Listed[Any]) -> dict[str, Any]:
    from ...passes.catalogue.documentation import summary_of

    return {
        "name": row.name,
        "summary": summary_of(row.cls) if row.cls else None,
        "distribution": row.distribution,
        "problem": row.problem,
    }


def _by_target(target: str | None, *, as_json: bool) -> str:
    """What runs in each scheme for each deployment target."""
    from ...ir.targets import OPSETS, Opset, parse_target
    from ...pipelines.by_target import pipeline_for
    from ...pipelines.schemes import SCHEMES

    def rows(opset: Opset) -> dict[str, str]:
        return {
            scheme.name: f"not possible: {scheme.reason}"
            if opset < scheme.since
            else str(pipeline_for(opset, scheme.name))
            for scheme in SCHEMES
        }

    found = {
        ", ".join([each.ios, *each.aliases]): rows(each) for each in ([parse_target(target)] if target else OPSETS)
    }
    if as_json:
        return json.dumps(found, indent=2)
    blocks = ([names, *(f"    {scheme:5} {text}" for scheme, text in texts.items())] for names, texts in found.items())
    return "\n".join(line for block in blocks for line in block)

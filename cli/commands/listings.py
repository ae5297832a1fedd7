"""`milopt passes` and `milopt pipelines`: what there is, read from the code itself."""

from __future__ import annotations

import inspect

import attrs
import click


@click.command
@click.argument("name", required=False)
@click.option("--coremltools", "foreign", is_flag=True, help="List coremltools' own passes instead.")
def passes(name: str | None, *, foreign: bool) -> None:
    """List the passes, or document the pass NAME."""
    from ...passes.coremltools_passes import coremltools_pass_ids
    from ...passes.registry import pass_class, pass_names

    if name:
        click.echo(document_pass(name))
    elif foreign:
        click.echo("\n".join(coremltools_pass_ids()))
    else:
        width = max(len(known) for known in pass_names())
        for known in pass_names():
            summary = inspect.cleandoc(pass_class(known).__doc__ or "").partition("\n")[0]
            click.echo(f"{known:{width}}  {summary}")


def document_pass(name: str) -> str:
    """A pass' rules, options and defaults, from its class."""
    from ...passes.options import format_value
    from ...passes.registry import pass_class

    cls = pass_class(name)
    lines = [
        f"{cls.pass_name()} (runs on a {cls.anchor}; in coremltools: milopt::{cls.pass_name().replace('-', '_')})",
        "",
        inspect.cleandoc(cls.__doc__ or ""),
        "",
        "Options:",
    ]
    for field in attrs.fields(cls):
        choices = field.metadata.get("choices")
        values = f" ({', '.join(choices)})" if choices else ""
        default = "..." if field.default is attrs.NOTHING else format_value(field.default)
        lines.append(f"    {field.name.replace('_', '-')}={default}{values}: {field.metadata.get('help', '')}")
    return "\n".join(lines if len(lines) > 5 else lines[:-1])


@click.command
@click.option("--target", help="Only this deployment target's.")
def pipelines(target: str | None) -> None:
    """List the pipelines of deployment targets.

    They are printed as text that mil-opt takes.
    """
    from ...ir.targets import OPSETS, parse_target
    from ...pipelines.by_target import pipeline_for
    from ...pipelines.schemes import SCHEMES

    for opset in [parse_target(target)] if target else OPSETS:
        names = ", ".join([opset.ios, *opset.aliases])
        click.echo(names)
        for scheme in SCHEMES:
            refused = f"not possible: {scheme.reason}" if opset < scheme.since else None
            click.echo(f"    {scheme.name:5} {refused or pipeline_for(opset, scheme.name)}")

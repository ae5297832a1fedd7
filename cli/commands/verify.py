"""`milopt verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import options
from ..opening import open_model
from ..progress import working

if TYPE_CHECKING:
    from ...ir.diagnostics import Diagnostic
    from ...ir.targets import Opset
    from ...ir.weights.store import MissingWeights


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", help="Also check that this deployment target, such as iOS17, can take it.")
@options.missing_weights
@click.option("--json", "as_json", is_flag=True, help="Print the diagnostics as JSON.")
def verify(model: Path, *, target: str | None, missing_weights: MissingWeights, as_json: bool) -> None:
    """Check whether MODEL is well formed: a package, a compiled model or MIL text.

    All faults are told, with their places in the text where there is text: names, types, shapes, opsets, required and
    constant inputs, places of weights, and the inputs and outputs against the description and the target. Exit codes:
    0 none, 1 some, 2 not a model at all.
    """
    from ...ir.targets import parse_target

    opset = parse_target(target) if target else None
    with working(f"verifying {model.name}"):
        found = _diagnostics(model, opset, missing_weights)
    errors = [each for each in found if each.severity == "error"]
    if as_json:
        click.echo(json.dumps({"errors": len(errors), "diagnostics": [each.as_json() for each in found]}, indent=2))
    else:
        for each in found:
            click.echo(each.render(), err=True)
        click.echo(_summary(errors))
    click.get_current_context().exit(1 if errors else 0)


def _diagnostics(path: Path, opset: Opset | None, missing_weights: MissingWeights) -> Sequence[Diagnostic]:
    from ...ir.diagnostics import TextError
    from ...ir.verification import open_to_verify, verify_model

    try:
        model = open_model(path, missing_weights, open_to_verify)
    except TextError as error:
        return error.diagnostics
    return verify_model(model, opset)


def _summary(errors: Sequence[Diagnostic]) -> str:
    count = len(errors)
    return f"{count} fault{'' if count == 1 else 's'}" if errors else "no faults"

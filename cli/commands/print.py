"""`milopt print`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command("print")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--weights",
    type=click.Choice(["references", "elided", "inline"]),
    default="references",
    show_default=True,
    help="Large constants as places in the weight file, as digests, or element by element.",
)
@click.option(
    "--dialect",
    type=click.Choice(["1.0", "1.3"]),
    default="1.3",
    show_default=True,
    help="1.3 writes scalars as int32(1), 1.0 as tensor<int32, []>(1).",
)
def print_(model: Path, weights: str, dialect: Any) -> None:
    """Print MODEL as MIL text.

    The syntax is Apple's, that of the model.mil of compiled models.
    """
    from ...ir.opening import load
    from ...ir.text.printer import print_program, print_proto

    loaded = load(model)
    for index, stage in enumerate(loaded.stages):
        if index:
            click.echo("// -----")
        if weights == "references":
            text = print_proto(stage.specification.mlProgram, dialect=dialect)
        else:
            text = print_program(stage.program, weights=weights, dialect=dialect)  # type: ignore[arg-type]
        click.echo(text, nl=False)

"""`milopt export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import options
from ..choosing import choose_function, choose_stage
from ..opening import open_model
from ..progress import working


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .onnx file to write.")
@options.function
@click.option("--stage", help="Of a pipeline: the place of the stage to export, such as 0.")
@options.precision
@options.allow_missing_weights
@options.force
def export(
    model: Path,
    output: Path,
    *,
    function: str | None,
    stage: str | None,
    precision: Any,
    allow_missing_weights: bool,
    force: bool,
) -> None:
    """Write the ONNX model that the runtime runs for MODEL.

    Weights beyond what one file can hold go into OUTPUT.data. States are inputs, and outputs with _out at the end.
    """
    from ...ir.saving import check_output
    from ...runtime.export import write_onnx
    from ...runtime.lower import lower_function

    check_output(output, overwrite=force, suffix=".onnx")
    opened = open_model(model, "zeros" if allow_missing_weights else "error")
    with working(f"exporting {model.name}"):
        program = choose_stage(opened, stage, function).program
        chosen = program.functions[choose_function(opened, program, function)]
        write_onnx(lower_function(chosen, precision), output, overwrite=force)

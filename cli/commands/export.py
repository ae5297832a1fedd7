"""`milopt export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import options
from ..opening import open_model
from ..progress import working

if TYPE_CHECKING:
    from ...ir.model import Model


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
    from ...runtime.surface.opening import function_of

    check_output(output, overwrite=force, suffix=".onnx")
    opened = open_model(model, "zeros" if allow_missing_weights else "error")
    with working(f"exporting {model.name}"):
        program = _program(opened, stage)
        write_onnx(lower_function(function_of(program, function), precision), output, overwrite=force)


def _program(model: Model, stage: str | None) -> Any:
    """The only program, or that of a pipeline's stage."""
    if stage is None and len(model.programs) == 1:
        return model.program
    if stage is None or stage not in model.programs:
        known = ", ".join(f"--stage {label}" for label in model.programs if label)
        message = (
            f"{model.name} has no stage {stage!r} with a program" if stage else f"{model.name} has several programs"
        )
        raise click.UsageError(f"{message}; try {known}" if known else message)
    return model.programs[stage]

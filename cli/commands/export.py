"""`milopt export`."""

from __future__ import annotations

from pathlib import Path

import click

from ..progress import working


@click.command
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The .onnx file to write.")
@click.option("--function", help="The function to export; without it, the model's default.")
@click.option("--stage", default="", help="Of a pipeline: the stage to export, such as 0.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="float16 rounds every fp16 value as the device stores it.",
)
@click.option("--force", is_flag=True, help="Replace the output if it exists.")
def export(model: Path, output: Path, *, function: str | None, stage: str, precision: str, force: bool) -> None:
    """Write the ONNX model that the runtime runs for MODEL.

    Weights beyond what one file can hold go into OUTPUT.data. States are inputs, and outputs with _out at the end.
    """
    from ...ir.model import load
    from ...ir.saving import check_output
    from ...runtime.export import write_onnx
    from ...runtime.session import Session

    check_output(output, overwrite=force, suffix=".onnx")
    with working(f"exporting {model.name}"):
        session = Session(load(model), function, precision=precision)
        write_onnx(session.lowered, output, overwrite=force)

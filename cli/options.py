"""Options that several commands have."""

from __future__ import annotations

import click

function = click.option("--function", help="The function to take; without it, the model's default.")
precision = click.option(
    "--precision",
    type=click.Choice(["float32", "float16"]),
    default="float32",
    show_default=True,
    help="float32 is the reference; float16 rounds every fp16 value as the device stores it.",
)
force = click.option("--force", is_flag=True, help="Replace the output if it exists.")
missing_weights = click.option(
    "--missing-weights",
    type=click.Choice(["error", "zeros"]),
    default="error",
    show_default=True,
    help="What becomes of weights whose file is missing, or that a text elides.",
)
allow_missing_weights = click.option(
    "--allow-missing-weights",
    is_flag=True,
    help="Go on, with a warning, if weights are missing: zeros take their place.",
)

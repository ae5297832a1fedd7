"""`python -m benchmarks.w8a8`: the SQNR of W8A8 models that coremltools 9.0 makes, and of those that milopt makes.

coremltools runs in this process, on milopt's runtime. Same model, same samples, same scheme: symmetric int8
activations, one scale a tensor, and symmetric int8 weights, one scale an output channel.
"""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version
from typing import Any

import click

from .. import reporting
from .cases import CASES, MissingModelError
from .measuring import measure
from .tables import differences, print_markdown, print_text

_HIGHER_SOMEWHERE_DB = 3.0


def _measured(name: str, *, variants: bool) -> dict[str, Any]:
    reporting.progress(name)
    try:
        return measure(CASES[name], variants=variants)
    except MissingModelError as error:
        return {"skipped": f"skipped: {error}"}


def _is_as_good(record: dict[str, Any]) -> bool:
    """Whether milopt is nowhere below coremltools, and well above it somewhere."""
    found = [by for *_, by in differences(record)]
    return bool(found) and min(found) >= 0 and max(found) >= _HIGHER_SOMEWHERE_DB


@click.command()
@click.option("--case", "names", type=click.Choice([*CASES]), multiple=True, help="All without it.")
@click.option("--variants/--no-variants", default=True, show_default=True, help="Try milopt's observers and modes.")
@click.option("--check", is_flag=True, help="Exit with 1 unless milopt is nowhere lower, and 3 dB higher somewhere.")
@click.option("--markdown", is_flag=True, help="Print the tables as docs/w8a8.md has them.")
@reporting.json_option
def main(*, names: tuple[str, ...], variants: bool, check: bool, markdown: bool, as_json: bool) -> None:
    """Quantize models with coremltools and with milopt, and compare how far the outputs are from the float models'."""
    logging.disable(logging.WARNING)  # coremltools' own, for every sample
    record = {
        "environment": {**reporting.environment(), "onnxruntime": version("onnxruntime")},
        "cases": {name: _measured(name, variants=variants) for name in names or CASES},
    }
    reporting.show(record, print_markdown if markdown else print_text, as_json=as_json)
    if check and not _is_as_good(record):
        sys.exit("error: milopt's SQNR is below coremltools' somewhere, or nowhere 3 dB above it")


if __name__ == "__main__":
    main()

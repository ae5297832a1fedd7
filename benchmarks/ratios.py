"""`python -m benchmarks.ratios`: how much smaller milopt makes ResNet-50 and MobileNetV2."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from . import jobs, reporting
from .measuring import JobError

MODELS = ("resnet50", "mobilenetv2")
SIZES = {"package": reporting.package_bytes, "weights": reporting.weight_bytes}


def measure(name: str, folder: Path, target: str) -> dict[str, Any]:
    """Builds a model in `folder`, optimizes it, and gives its sizes before and after as plain values.

    Raises:
        JobError: one of the processes failed.
    """
    before = folder / f"{name}.mlpackage"
    reporting.progress(f"building and optimizing {name}")
    parameters = jobs.build(name, before, target)
    jobs.quantize("milopt", before, target)
    after = jobs.result_of("milopt", before)
    sizes = {what: _sizes(size(before), size(after)) for what, size in SIZES.items()}
    return {"parameters": parameters, **sizes}


def _sizes(before: int, after: int) -> dict[str, float]:
    return {"before_bytes": before, "after_bytes": after, "ratio": before / after}


def print_record(record: dict[str, Any]) -> None:
    """Prints the measurements of all models as text."""
    print(f"milopt.optimize, fp16 models, {record['target']}")
    print(f"{reporting.in_words(record['environment'])}\n")
    headers = ("", "parameters", "size of", "before", "after", "ratio")
    rows = [_row(name, found, what) for name, found in record["models"].items() for what in SIZES]
    reporting.print_table(headers, rows)


def _row(name: str, found: dict[str, Any], what: str) -> tuple[str, ...]:
    sizes = found[what]
    before, after = (reporting.megabytes(sizes[f"{when}_bytes"]) for when in ("before", "after"))
    return name, f"{found['parameters']:,}", what, before, after, f"{sizes['ratio']:.2f}"


@click.command()
@reporting.target_option
@reporting.json_option
def main(*, target: str, as_json: bool) -> None:
    """Compare the sizes of two image classifiers before and after `milopt.optimize`."""
    try:
        with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
            models = {name: measure(name, Path(folder), target) for name in MODELS}
    except JobError as error:
        sys.exit(f"error: {error}")
    record = {"environment": reporting.environment(), "target": target, "models": models}
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

"""What the commands of this folder share: options, sizes and tables."""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

target_option = click.option(
    "--target",
    type=click.Choice(["iOS16", "iOS17", "iOS18", "iOS26"]),
    default="iOS18",
    show_default=True,
    help="Deployment target of the models and of what becomes of them.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")


def environment() -> dict[str, Any]:
    """The machine and the versions that figures belong to."""
    versions = {name: version(name) for name in ("milopt", "coremltools", "numpy")}
    return {
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        **versions,
    }


def progress(text: str) -> None:
    """Tells on stderr what is going on."""
    print(text, file=sys.stderr, flush=True)


def package_bytes(package: Path) -> int:
    """The size of all files of a package."""
    return sum(path.stat().st_size for path in package.rglob("*") if path.is_file())


def weight_bytes(package: Path) -> int:
    """The size of a package's weight files."""
    return sum(path.stat().st_size for path in package.rglob("weights/*.bin"))


def megabytes(count: float) -> str:
    """A number of bytes in units of 10^6, as text."""
    return f"{count / 1e6:,.1f} MB"


def show(record: dict[str, Any], as_text: Callable[[dict[str, Any]], None], *, as_json: bool) -> None:
    """Prints a record for machines, or as text for people."""
    if as_json:
        print(json.dumps(record, indent=2))
    else:
        as_text(record)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints aligned columns, the first to the left and numbers to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=120, highlight=False).print(table)
    print()


def in_words(found: dict[str, Any]) -> str:
    """The environment in one line."""
    return ", ".join(f"{name} {value}" for name, value in found.items())

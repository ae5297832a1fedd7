"""Opening models for commands: from disk or from stdin, with what is to be said about them on stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from ..ir.model import Model
    from ..ir.text.source import Source
    from ..ir.weights.store import MissingWeights


class Opener(Protocol):
    """Opens a model."""

    def __call__(self, path: Path, *, missing_weights: MissingWeights) -> Model:
        """The model at a path."""


STDIN = "-"


def open_model(path: Path, missing_weights: MissingWeights = "error", opener: Opener | None = None) -> Model:
    """The model at a path, or the MIL text on stdin for `-`; its notes and missing weights are told on stderr.

    Args:
        path: of the model.
        missing_weights: as for `milopt.load`.
        opener: what opens paths; `milopt.load` without it.
    """
    from ..ir.opening import load, load_text

    if str(path) == STDIN:
        model = load_text(read_stdin(), Path.cwd(), missing_weights)
    else:
        model = (opener or load)(path, missing_weights=missing_weights)
    tell_notes(model)
    return model


def read_stdin() -> Source:
    """The MIL text on stdin, without the mark that some editors put in front of UTF-8.

    Raises:
        PackageError: stdin is closed.
    """
    from ..ir.errors import PackageError
    from ..ir.text.source import Source

    # The interpreter has none, whatever its type says, where it was closed before.
    if sys.stdin is None:
        raise PackageError("there is nothing to read: stdin is closed", where=STDIN)
    return Source(sys.stdin.read().removeprefix("\ufeff"), "<stdin>")


def tell_notes(model: Model) -> None:
    """Says on stderr what could not be recovered of a model, and which weights are zeros because they were missing."""
    from ..ir.weights.references import DIGEST

    for note in model.origin.notes:
        click.echo(f"note: {model.name}: {note}", err=True)
    names = model.weights.stand_ins.names
    elided = [name for name in names if name.startswith(DIGEST)]
    for name in names:
        if name not in elided:
            click.echo(f"warning: {model.name}: {name} is missing; its weights are zeros", err=True)
    if elided:
        count = f"{len(elided)} elided weight{' is' if len(elided) == 1 else 's are'}"
        click.echo(f"warning: {model.name}: {count} zeros", err=True)

"""The console that tables go to."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDTH = 120  # where stdout is no terminal


def console() -> Console:
    """Stdout as it is now; what is printed is shown as it stands."""
    width = None if sys.stdout.isatty() else _WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)

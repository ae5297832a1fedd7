"""Dumps as files, in folders that are nested as the pipelines are."""

from __future__ import annotations

import re
from pathlib import Path

from ...ir.errors import SaveError
from .ir_printing import Dump, Moment
from .paths import parts_of

_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST = 100  # characters of a name; file systems allow 255
_ENDINGS: dict[Moment, str] = {"before": ".before.mil", "after": ".mil", "failure": ".failed.mil", "changes": ".diff"}


class DumpTree:
    """Writes each dump to a file of its own: `program/function_main/1_canonicalize.mil`.

    The number is that of the pass in the course of the run. Dumps before a pass end in `.before.mil`, those after one
    that failed in `.failed.mil`, changes in `.diff`.

    Args:
        folder: where; it is made if it is not there, and what stands in it stays.

    Raises:
        SaveError: it can not be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _make(folder)

    def __call__(self, dump: Dump) -> None:
        """Writes a dump.

        Raises:
            SaveError: the file can not be written.
        """
        *folders, _ = parts_of(dump.path)
        name = f"{dump.number}_{safe(dump.pass_name)}{_ENDINGS[dump.moment]}"
        path = self._folder.joinpath(*map(safe, folders), name)
        _make(path.parent)
        try:
            path.write_text(str(dump), "utf-8")
        except OSError as error:
            raise _refusal(error, path) from error


def safe(name: str) -> str:
    """A name that every file system takes: `function_main` of `function(main)`."""
    return _UNSAFE.sub("_", name).strip("._")[:_LONGEST] or "_"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(error, folder) from error


def _refusal(error: OSError, path: Path) -> SaveError:
    return SaveError(f"programs can not be dumped there: {error.strerror or error}", where=path)

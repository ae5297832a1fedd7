"""Dumps as files, in folders that are nested as the pipelines are."""

from __future__ import annotations

import re
from itertools import chain, count
from pathlib import Path

from ...ir.errors import SaveError
from .ir_printing import Dump, Moment
from .paths import parts_of

_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST = 100  # bytes of a name; file systems allow 255
_ENDINGS: dict[Moment, str] = {"before": ".before.mil", "after": ".mil", "failure": ".failed.mil", "changes": ".diff"}
_TOP = re.compile(r"program(_\d+)?")
_DUMP = re.compile(r"\d+_.+\.(mil|diff)")


class DumpTree:
    """Writes each dump to a file of its own: `program/function_main/1_canonicalize.mil`.

    The number is that of the pass in the course of the run. Dumps before a pass end in `.before.mil`, those after one
    that failed in `.failed.mil`, changes in `.diff`. The second of several programs has the folder `program_1`. Names
    that would be the same but for characters that no file can have, or for upper case, get numbers: `function_a_b_2`.

    Args:
        folder: where; it is made if it is not there. Dumps of an earlier run go, all else that stands in it stays.

    Raises:
        SaveError: it can not be made, or the earlier dumps can not be removed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[Path, dict[str, str]] = {}  # of folders in others, by the parts of paths
        _make(folder)
        _clear(folder)

    def __call__(self, dump: Dump) -> None:
        """Writes a dump.

        Raises:
            SaveError: the file can not be written.
        """
        outermost, *folders, _ = parts_of(dump.path)
        folder = self._folder
        for part in (f"{outermost}_{dump.program}" if dump.program else outermost, *folders):
            folder /= self._name(folder, part)
        path = folder / f"{dump.number}_{safe(dump.pass_name)}{_ENDINGS[dump.moment]}"
        _make(folder)
        try:
            path.write_text(str(dump), "utf-8")
        except OSError as error:
            raise _refusal(error, path) from error

    def _name(self, folder: Path, part: str) -> str:
        """The name of the folder for a part of paths, in another one: always the same, and no other part's."""
        names = self._names.setdefault(folder, {})
        if part not in names:
            taken = {name.casefold() for name in names.values()}
            numbered = (f"{safe(part)}_{number}" for number in count(2))
            names[part] = next(name for name in chain((safe(part),), numbered) if name.casefold() not in taken)
        return names[part]


def safe(name: str) -> str:
    """A name that every file system takes: `function_main` of `function(main)`."""
    return _UNSAFE.sub("_", name).strip("._").encode()[:_LONGEST].decode(errors="ignore") or "_"


def _clear(folder: Path) -> None:
    """Removes the dumps of an earlier run, and the folders that are empty then."""
    tops = [each for each in folder.iterdir() if _TOP.fullmatch(each.name) and each.is_dir()]
    try:
        for path in sorted((each for top in tops for each in (top, *top.rglob("*"))), reverse=True):
            if path.is_file() and _DUMP.fullmatch(path.name):
                path.unlink()
            elif path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
    except OSError as error:
        raise _refusal(error, folder) from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refusal(error, folder) from error


def _refusal(error: OSError, path: Path) -> SaveError:
    return SaveError(f"programs can not be dumped there: {error.strerror or error}", where=path)

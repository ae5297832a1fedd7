"""Checkpoints: what a calibration has found so far, in a file that a later run goes on from.

A checkpoint is a zip archive: the statistics, as `CalibrationStatistics.save` writes them, and how they were made.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import numpy as np

from ....ir.errors import SaveError
from ....ir.saving import atomic_files
from ..calibration.errors import StatisticsError
from ..calibration.function_statistics import FunctionStatistics
from ..calibration.statistics import CalibrationStatistics
from .batching import Sample
from .job import Job, Settings

_VERSION = 1
_HEAD, _BODY = "calibration.json", "statistics.safetensors"
_SECONDS = 10.0  # between two saves, at least
_SHARE = 20  # and this many times as long as a save takes
_FRESH = "delete it to begin anew, or name another file"
# What settings are called where a user gives them.
_WORDS = {"histograms": "kind of statistics", "moving": "observer", "channels": "channels", "precision": "precision"}


class Checkpoint:
    """A file that keeps up with a calibration.

    Args:
        path: the file; None for none, and nothing below does anything.
        settings: how values are measured.
        jobs: what is measured in each function.
    """

    def __init__(self, path: Path | None, settings: Settings, jobs: Mapping[str, Job]) -> None:
        self._path = path
        measured = {name: [each.name for each in job.measured] for name, job in jobs.items()}
        self._facts = {"settings": _plain(settings), "measured": measured}
        self._first: dict[str, str] = {}
        self._kept: Mapping[str, FunctionStatistics] = {}
        self._due = time.monotonic() + _SECONDS

    def read(self, begun: CalibrationStatistics) -> CalibrationStatistics:
        """The statistics to go on from.

        Args:
            begun: those of no samples, which say what the model is.

        Raises:
            StatisticsError: it is of another model or other settings, or no checkpoint at all.
        """
        if self._path is None or not self._path.exists():
            return begun
        head, found = _read(self._path)
        self._check(head)
        if found.model_hash != begun.model_hash:
            raise StatisticsError("it is a checkpoint of another model", where=self._path, hint=_FRESH)
        self._first, self._kept = dict(head["first"]), found.functions
        return attrs.evolve(found, observer=begun.observer)

    def _check(self, head: Mapping[str, Any]) -> None:
        if head.get("version") != _VERSION:
            raise StatisticsError("it is a checkpoint of another version of milopt", where=self._path, hint=_FRESH)
        for name, word in _WORDS.items():
            then, now = head["settings"].get(name), self._facts["settings"][name]
            if then != now:
                message = f"the checkpoint was made with another {word}: {name} was {then}, and is {now}"
                raise StatisticsError(message, where=self._path, hint=_FRESH)
        for function, names in self._facts["measured"].items():
            if head["measured"].get(function, names) != names:
                message = f"the checkpoint is of other tensors of function {function!r}"
                raise StatisticsError(message, where=self._path, hint=_FRESH)

    def watch(self, function: str, samples: Iterable[Sample]) -> Iterator[Sample]:
        """Hands on the samples of a function, and remembers what the first one is.

        Raises:
            StatisticsError: the checkpoint began with another.
        """
        iterator = iter(samples)
        if self._path is not None:
            for sample in islice(iterator, 1):
                found = digest_of(sample)
                if self._first.setdefault(function, found) != found:
                    message = f"it is a checkpoint of other samples of function {function!r}"
                    raise StatisticsError(message, where=self._path, hint=_FRESH)
                yield sample
        yield from iterator

    def keep(self, statistics: CalibrationStatistics) -> None:
        """Saves statistics, unless that was done a moment ago."""
        if time.monotonic() >= self._due:
            self.save(statistics)

    def save(self, statistics: CalibrationStatistics) -> None:
        """Saves statistics, as a whole or not at all; not again if they are what stands there.

        Raises:
            SaveError: it can not be written.
        """
        if self._path is None or not statistics.functions or statistics.functions is self._kept:
            return
        began = time.monotonic()
        with TemporaryDirectory(prefix="milopt-") as work, atomic_files(self._path, overwrite=True) as folder:
            statistics.save(Path(work) / _BODY)
            head = {"version": _VERSION, "first": self._first, **self._facts}
            with zipfile.ZipFile(folder / self._path.name, "w") as archive:
                archive.writestr(_HEAD, json.dumps(head, sort_keys=True))
                archive.write(Path(work) / _BODY, _BODY)
        self._kept = statistics.functions
        now = time.monotonic()
        self._due = now + max(_SECONDS, _SHARE * (now - began))

    def remove(self) -> None:
        """Deletes the file: the calibration is done."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def checkpoint_path(path: Any) -> Path | None:
    """The path of a checkpoint, checked before anything runs.

    Raises:
        SaveError: nothing can be written there.
    """
    if path is None:
        return None
    found = Path(path)
    if found.is_dir():
        raise SaveError("a folder stands there", where=found, hint="a checkpoint is a file")
    if not found.parent.is_dir():
        raise SaveError(f"the folder {str(found.parent)!r} does not exist", where=found)
    return found


def digest_of(sample: Sample) -> str:
    """A digest of a sample: equal ones have equal digests, in any process."""
    whole = hashlib.blake2b(digest_size=16)
    for call in [sample] if isinstance(sample, Mapping) else sample:
        for name in sorted(call):
            array = np.asarray(call[name])
            content = repr(call[name]).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes()
            whole.update(f"{name} {array.dtype} {array.shape}\0".encode() + content)
    return whole.hexdigest()


def _plain(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in _WORDS}


def _read(path: Path) -> tuple[dict[str, Any], CalibrationStatistics]:
    try:
        with zipfile.ZipFile(path) as archive, TemporaryDirectory(prefix="milopt-") as work:
            head = json.loads(archive.read(_HEAD))
            body = Path(work) / _BODY
            body.write_bytes(archive.read(_BODY))
            return head, CalibrationStatistics.load(body)
    except (zipfile.BadZipFile, KeyError, ValueError, StatisticsError) as error:
        text = f"it is no checkpoint that can be read: {error}"
        raise StatisticsError(text, where=path, hint=_FRESH) from error

"""Files of statistics: `.json`, or `.safetensors`, which holds the arrays as tensors and the rest as JSON.

In the JSON of a `.safetensors` file the name of its tensor stands in the place of each array.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ....ir.errors import quoted
from ....ir.saving import atomic_files, write_text
from .encoding import Document, decoded, encoded
from .errors import StatisticsError

_FORMAT = "milopt calibration statistics"
_VERSION = 1
_METADATA = "milopt"  # the key of the JSON in a .safetensors file
_TEXTS = ("model_hash", "structure_hash", "collected", "observer")


def write(path: Path, fields: Mapping[str, Any], *, overwrite: bool) -> None:
    """Writes statistics, as a whole or not at all; equal ones give equal files.

    Args:
        path: what to write; its ending says how.
        fields: those of `CalibrationStatistics` by name.
        overwrite: whether something may stand there already.

    Raises:
        SaveError: the path exists or can not be written.
        StatisticsError: it ends otherwise.
    """
    writer = _writer(path)
    document = {name: fields[name] for name in _TEXTS} | {"functions": encoded(fields["functions"])}
    writer(path, {"format": _FORMAT, "version": _VERSION} | document, overwrite)


def read(path: Path) -> dict[str, Any]:
    """The fields of the statistics in a file.

    Raises:
        StatisticsError: there is no such file, it is damaged, of another kind or of a later version.
    """
    _writer(path)
    try:
        document = _read_json(path) if path.suffix == ".json" else _read_safetensors(path)
        _check_kind(document)
        fields: dict[str, Any] = {name: str(document[name]) for name in _TEXTS}
        return fields | {"functions": decoded(document["functions"])}
    except StatisticsError as error:
        error.where = error.where or str(path)
        raise
    except OSError as error:
        raise StatisticsError(f"it can not be read: {error.strerror or error}", where=path) from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise StatisticsError(f"it is damaged: {type(error).__name__}: {quoted(str(error))}", where=path) from error


def _writer(path: Path) -> Callable[[Path, Document, bool], None]:
    try:
        return _WRITERS[path.suffix]
    except KeyError:
        raise StatisticsError("files of statistics end in .json or .safetensors", where=path) from None


def _check_kind(document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise StatisticsError("it does not hold calibration statistics")
    if document["version"] != _VERSION:
        raise StatisticsError(
            f"it has version {document['version']} of the format, and this milopt reads version {_VERSION}",
            hint="use the milopt that wrote it, or calibrate again",
        )
    if document["collected"] not in ("ranges", "histograms"):
        raise ValueError(f"{document['collected']!r} were collected")


def _write_json(path: Path, document: Document, overwrite: bool) -> None:  # noqa: FBT001 - as the other writer
    plain = _replaced(document, lambda _, array: array.tolist())
    write_text(path, json.dumps(plain, allow_nan=False, separators=(",", ":")) + "\n", overwrite=overwrite)


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _write_safetensors(path: Path, document: Document, overwrite: bool) -> None:  # noqa: FBT001 - as the other writer
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}

    def _moved(place: str, array: np.ndarray) -> str:
        while place in arrays:  # names may hold the slashes that places consist of
            place += "'"
        arrays[place] = np.ascontiguousarray(array)
        return place

    plain = _replaced(document, _moved)
    with atomic_files(path, overwrite=overwrite) as folder:
        save_file(arrays, folder / path.name, metadata={_METADATA: json.dumps(plain, allow_nan=False)})


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            text = (opened.metadata() or {}).get(_METADATA, "null")
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
    except SafetensorError as error:
        raise StatisticsError(f"it is damaged: {error}") from error
    return _restored(json.loads(text), arrays)


def _replaced(document: Any, replace: Callable[[str, np.ndarray], Any], place: str = "") -> Any:
    """A document whose arrays are replaced by what a function makes of their places and of themselves."""
    if isinstance(document, np.ndarray):
        return replace(place, document)
    if isinstance(document, list):
        return [_replaced(each, replace, f"{place}/{index}") for index, each in enumerate(document)]
    if not isinstance(document, dict):
        return document
    return {name: _replaced(each, replace, f"{place}/{name}".lstrip("/")) for name, each in document.items()}


def _restored(document: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `_replaced` made of arrays is an array again."""
    if isinstance(document, str):
        return arrays.get(document, document)
    if isinstance(document, list):
        return [_restored(each, arrays) for each in document]
    if not isinstance(document, dict):
        return document
    return {name: _restored(each, arrays) for name, each in document.items()}


_WRITERS = {".json": _write_json, ".safetensors": _write_safetensors}
ENDINGS = tuple(_WRITERS)
"""What the names of files of statistics may end in."""

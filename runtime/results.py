"""Writes what a model gave for samples: an `.npz` whose first axis counts them, or a folder with an `.npz` for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..ir.errors import SaveError
from ..ir.saving import atomic_files, atomic_folder, check_output


def check_results(path: Path, *, overwrite: bool) -> None:
    """Refuses a path that `write_results` could not write to.

    Raises:
        SaveError: it exists, its folder does not, or its name ends neither in `.npz` nor as a folder's.
    """
    check_output(path, overwrite=overwrite, suffix=".npz" if path.suffix else "")


def as_arrays(outputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The outputs of one run as arrays.

    An image gives its pixels, a label a string or an integer; a dictionary of probabilities gives its values, and its
    keys as `<name>.labels`.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, value in outputs.items():
        if isinstance(value, Mapping):
            arrays[name] = np.asarray(list(value.values()))
            arrays[f"{name}.labels"] = np.asarray(list(value))
        else:
            arrays[name] = np.asarray(value)
    return arrays


def stacked(results: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of all samples, stacked along a new first axis; labels, being the same for all, once.

    Raises:
        SaveError: an output's shape differs between samples.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in results[0] if results else ():
        values = [result[name] for result in results]
        shapes = {value.shape for value in values}
        if name.endswith(".labels") and all(np.array_equal(value, values[0]) for value in values):
            arrays[name] = values[0]
        elif len(shapes) > 1:
            raise SaveError(
                f"the shape of {name!r} differs between samples: {', '.join(map(str, sorted(shapes)))}",
                hint="give the output a name without ending: a folder with a file for each sample",
            )
        else:
            arrays[name] = np.stack(values)
    return arrays


def write_results(path: Path, results: Sequence[Mapping[str, np.ndarray]], *, overwrite: bool = False) -> None:
    """Writes the arrays of all samples, as a whole or not at all.

    Args:
        path: an `.npz`, or a folder, where its name has no ending; its files are called `00000.npz` and so on.
        results: the outputs of each sample, from `as_arrays`.
        overwrite: replace what stands there.

    Raises:
        SaveError: it can not be written, or one `.npz` can not hold it.
    """
    if path.suffix:
        arrays = stacked(results)
        with atomic_files(path, overwrite=overwrite) as folder:
            np.savez(folder / path.name, **arrays)  # type: ignore[arg-type]  # numpy's stub takes names for flags
        return
    with atomic_folder(path, overwrite=overwrite, suffix="") as folder:
        for index, result in enumerate(results):
            np.savez(folder / f"{index:05}.npz", **result)  # type: ignore[arg-type]  # as above


def summary(results: Iterable[Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
    """For each output of some samples: its name, type, shapes and range, and how many elements are not finite."""
    rows: dict[str, dict[str, Any]] = {}
    for result in results:
        for name, value in result.items():
            row = rows.setdefault(name, {"name": name, "dtype": value.dtype.name, "shapes": []})
            if list(value.shape) not in row["shapes"]:
                row["shapes"].append(list(value.shape))
            if value.dtype.kind in "fiu" and value.size:
                _widen(row, value)
    return list(rows.values())


def _widen(row: dict[str, Any], value: np.ndarray) -> None:
    finite = value[np.isfinite(value)]
    row["not_finite"] = row.get("not_finite", 0) + int(value.size - finite.size)
    if finite.size:
        row["min"] = min(row.get("min", np.inf), float(finite.min()))
        row["max"] = max(row.get("max", -np.inf), float(finite.max()))

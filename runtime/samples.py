"""Samples to run a model on, from files: an `.npz`, a folder of `.npz` files, or a folder of images.

An `.npz` holds an array for each input, and its first axis counts the samples; in a folder each `.npz` is one sample.
For models with states, a folder of such folders holds a sequence of calls in each. Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..ir.errors import RunError

_IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})


class Samples(Protocol):
    """Samples that can be counted and walked again and again; each maps input names to values."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each sample in order."""


Calls: TypeAlias = list[dict[str, Any]]
"""The inputs of calls that follow each other and share a state."""


class Sequences(Protocol):
    """Sequences of calls that can be counted and walked again and again."""

    def __len__(self) -> int:
        """How many there are."""

    def __iter__(self) -> Iterator[Calls]:
        """Each sequence in order."""


def read_samples(path: Path, *, image: tuple[str, tuple[int, int] | None] | None = None) -> Samples:
    """The samples in a file or folder.

    Args:
        path: an `.npz`, a folder of `.npz` files, or a folder of images.
        image: for a folder of images: the name of the input that takes them, and the (width, height) that they are
            scaled to; None to leave them as they are.

    Raises:
        RunError: it is nothing of the kind, damaged, or empty.
    """
    if path.is_file() or path.suffix == ".npz":
        return _Stacked(path)
    if not path.is_dir():
        raise RunError("no such file or folder", where=path, hint="an .npz, a folder of .npz files or of images")
    files = sorted(path.glob("*.npz"))
    if files:
        return _Folder(files)
    pictures = sorted(each for each in path.iterdir() if each.suffix.lower() in _IMAGES)
    if not pictures:
        hint = "folders of .npz files are sequences of calls, for models with states" if holds_sequences(path) else None
        raise RunError("the folder has neither .npz files nor images", where=path, hint=hint)
    if image is None:
        raise RunError("the model has not exactly one image input", where=path, hint="give its inputs as .npz files")
    return _Pictures(pictures, *image)


def holds_sequences(path: Path) -> bool:
    """Whether a folder holds no `.npz` files itself, but folders of them."""
    return path.is_dir() and not any(path.glob("*.npz")) and any(path.glob("*/*.npz"))


def read_sequences(path: Path) -> Sequences:
    """The sequences of calls in a folder of folders: each `.npz` of one is a call, in the order of names.

    Raises:
        RunError: it is no such folder, or one of the folders in it has no `.npz` files.
    """
    if not holds_sequences(path):
        raise RunError("it is no folder of folders of .npz files", where=path)
    folders = {each: sorted(each.glob("*.npz")) for each in sorted(path.iterdir()) if each.is_dir()}
    for folder, files in folders.items():
        if not files:
            raise RunError("the folder has no .npz files", where=folder, hint="each folder is a sequence of calls")
    return _Sequences(list(folders.values()))


class _Stacked:
    """One `.npz`: the first axis counts the samples."""

    def __init__(self, path: Path) -> None:
        self._arrays = _load(path)
        self._length = _common_length(self._arrays, path)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for index in range(self._length):
            yield {name: array[index] for name, array in self._arrays.items()}


def _common_length(arrays: Mapping[str, np.ndarray], path: Path) -> int:
    """The length of the first axis of all arrays."""
    hint = "the first axis of every array counts the samples"
    scalar = next((name for name, array in arrays.items() if not array.ndim), None)
    if scalar is not None:
        raise RunError(f"{scalar!r} is a single number, and has no axis", where=path, hint=hint)
    lengths = {name: len(array) for name, array in arrays.items()}
    if not lengths:
        raise RunError("it holds no arrays", where=path)
    name, length = next(iter(lengths.items()))
    for other, its in lengths.items():
        if its != length:
            raise RunError(f"{other!r} has {its} samples, {name!r} has {length}", where=path, hint=hint)
    return length


class _Folder:
    """Files of one sample each."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for file in self._files:
            yield dict(_load(file))


class _Sequences:
    """Folders of files, each of one call."""

    def __init__(self, folders: list[list[Path]]) -> None:
        self._folders = folders

    def __len__(self) -> int:
        return len(self._folders)

    def __iter__(self) -> Iterator[Calls]:
        for files in self._folders:
            yield [dict(_load(file)) for file in files]


class _Pictures:
    """Images of one sample each."""

    def __init__(self, files: list[Path], name: str, size: tuple[int, int] | None) -> None:
        self._files, self._name, self._size = files, name, size

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for file in self._files:
            yield {self._name: self._picture(file)}

    def _picture(self, file: Path) -> Any:
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(file) as picture:
                return picture.resize(self._size) if self._size else picture.copy()
        except (UnidentifiedImageError, OSError) as error:
            raise RunError(f"not an image that can be read: {error}", where=file) from None


# What archives of arrays begin with: a zip file's first entry, or the end of one without entries.
_ARCHIVE = (b"PK\x03\x04", b"PK\x05\x06")


def _load(path: Path) -> Mapping[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            if file.read(4) not in _ARCHIVE:  # numpy takes it for pickled data then, and says how to trust it
                raise RunError("it is not an .npz archive", where=path, hint="numpy.savez writes one")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise RunError("no such file", where=path) from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"it is not an .npz that can be read: {error}", where=path) from None

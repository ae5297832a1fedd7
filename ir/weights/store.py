"""The weight files of one package, found by the names that its programs call them by."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal, get_args

import numpy as np

from ..dtypes import DType
from ..errors import OptionError, PackageError, quoted
from .files import WeightFile
from .missing import StandIns
from .references import DIGEST, BlobReference

MissingWeights = Literal["error", "zeros"]


class WeightStore:
    """Opens each weight file once, when it is first asked for.

    Args:
        folder: what `@model_path` stands for; None for a model that has no package yet.
        root: the folder that weights must lie in; without it, `folder` itself.
        missing: whether a weight whose file is missing, or that a text elides, is an error or zeros of its type.

    Attributes:
        stand_ins: what is given for missing weights.
    """

    def __init__(self, folder: Path | None, missing: MissingWeights = "error", root: Path | None = None) -> None:
        if missing not in get_args(MissingWeights):
            choices = " or ".join(map(repr, get_args(MissingWeights)))
            raise OptionError(f"missing_weights={missing!r} is no choice", hint=f"it is {choices}")
        self.folder = folder
        self._root = root or folder
        self.stand_ins = StandIns()
        self._missing = missing
        self._files: dict[str, WeightFile] = {}

    @property
    def files(self) -> dict[str, WeightFile]:
        """The files opened so far, by their names relative to the model's folder."""
        return self._files

    def file(self, name: str) -> WeightFile:
        """The weight file that programs call `name`.

        Raises:
            PackageError: the name leaves the package, or the file is missing or unreadable.
        """
        if name not in self._files:
            self._files[name] = WeightFile(self._resolve(name))
        return self._files[name]

    def _resolve(self, name: str) -> Path:
        if name.startswith(DIGEST):
            raise PackageError(
                f"the text elides this weight: it says no more than its digest {name}",
                hint="print the program with --weights inline or references, or read it with --missing-weights zeros",
            )
        if self.folder is None or self._root is None:
            raise PackageError(
                f"there is no folder that the weight path {quoted(name)} could begin at",
                hint="say what @model_path stands for: folder=",
            )
        path = self.folder / name
        if PurePosixPath(name).is_absolute() or not path.resolve().is_relative_to(self._root.resolve()):
            raise PackageError(
                f"the weight path {quoted(name)} leaves the package",
                where=self.folder,
                hint="milopt reads nothing outside a package",
            )
        return path

    def check(self, reference: BlobReference, dtype: DType, shape: tuple[int, ...]) -> None:
        """Checks that the blob exists and fits; raises `PackageError`."""
        if self.is_replaced(reference):
            self.stand_ins.note(reference)
        else:
            self.file(reference.file).check(reference.offset, dtype, shape)

    def array(self, reference: BlobReference, dtype: DType, shape: tuple[int, ...]) -> np.ndarray:
        """The tensor behind a reference, see `WeightFile.array`; zeros that take no memory for a missing one."""
        if self.is_replaced(reference):
            return self.stand_ins.put(np.broadcast_to(np.zeros((), dtype.numpy), shape), reference)
        return self.file(reference.file).array(reference.offset, dtype, shape)

    def is_replaced(self, reference: BlobReference) -> bool:
        """Whether zeros are given for a weight, because it is missing."""
        if self._missing == "error" or reference.file in self._files:
            return False
        return reference.file.startswith(DIGEST) or self.folder is None or not self._resolve(reference.file).exists()

    def find(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """The reference that `array` was read from, while it is unchanged; None for a new one."""
        for name, file in self._files.items():
            offset = file.offset_of(array, dtype)
            if offset is not None:
                return BlobReference(name, offset)
        return None

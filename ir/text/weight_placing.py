"""Where the weights of a program go when it is printed: into the text, out of it, or into a file beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType

import numpy as np

from ..dtypes import DType, pack_bits
from ..proto.writer import belongs_in_file
from ..targets import Opset
from ..weights.files import WeightFileWriter
from ..weights.references import DIGEST, BlobReference
from ..weights.store import WeightStore


def digest(array: np.ndarray, dtype: DType) -> str:
    """The digest that stands for a constant: SHA-256 of its bytes as a weight file holds them, 16 digits."""
    data = pack_bits(array, dtype) if dtype.is_sub_byte else np.ascontiguousarray(array)
    return f"{DIGEST}{hashlib.sha256(data.reshape(-1).view(np.uint8).data).hexdigest()[:16]}"


class InlineSink:
    """Keeps every element in the text."""

    stores = False

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:  # noqa: ARG002
        """Nothing leaves the program."""
        return None


class ElidingSink:
    """Lets a digest stand where the file's name would, for what would go to a weight file.

    Args:
        opset: of the program.
    """

    stores = False

    def __init__(self, opset: Opset) -> None:
        self._opset = opset

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """A digest, or None for small constants."""
        return BlobReference(digest(array, dtype), 0) if belongs_in_file(array, self._opset) else None


class ReferenceSink:
    """Refers to the files that weights were read from; new ones stand in the text.

    Args:
        weights: the program's files.
    """

    stores = False

    def __init__(self, weights: WeightStore) -> None:
        self._weights = weights

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """Where the tensor was read from, while it is unchanged."""
        return self._weights.find(array, dtype)


class FileSink:
    """Writes weights to a file beside the text, each distinct one once. A context manager.

    Args:
        path: the weight file; it is made when the first weight comes.
        opset: of the program.
    """

    stores = True

    def __init__(self, path: Path, opset: Opset) -> None:
        self._path, self._opset = path, opset
        self._writer: WeightFileWriter | None = None
        self._placed: dict[str, BlobReference] = {}

    def __enter__(self) -> FileSink:  # noqa: PYI034 - as WeightFileWriter's
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finishes the file."""
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)

    def place(self, array: np.ndarray, dtype: DType) -> BlobReference | None:
        """The place in the file, or None for small constants."""
        if not belongs_in_file(array, self._opset):
            return None
        key = f"{dtype} {array.shape} {digest(array, dtype)}"
        if key not in self._placed:
            self._writer = self._writer or WeightFileWriter(self._path)
            self._placed[key] = BlobReference(self._path.name, self._writer.write(array, dtype))
        return self._placed[key]

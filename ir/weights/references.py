"""How programs name their weights."""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import PackageError, quoted

MODEL_PATH = "@model_path/"
DIGEST = "sha256:"  # what stands in the place of a file's name where a text elides a weight


@attrs.frozen(order=True)
class BlobReference:
    """How a program names a blob: a file, relative to the model's folder, and an offset in it."""

    file: str
    offset: int


def reference_from_proto(blob: Any) -> BlobReference:
    """The reference of a protobuf `BlobFileValue`.

    Raises:
        PackageError: the path does not begin with `@model_path/`.
    """
    name: str = blob.fileName
    if not name.startswith(MODEL_PATH):
        raise PackageError(
            f"the weight path {quoted(name)} leaves the package",
            hint=f"weight paths begin with {MODEL_PATH}",
        )
    return BlobReference(name.removeprefix(MODEL_PATH), blob.offset)

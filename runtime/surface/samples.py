"""Samples for a model, from files: images scaled to its only image input, sequences of calls for its states."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..samples import Samples, Sequences, holds_sequences, read_samples, read_sequences
from .features import Feature


def samples_for(inputs: Sequence[Feature], path: Path) -> Samples | Sequences:
    """The samples at a path, for a model that takes these inputs.

    Args:
        inputs: of the model; `Session.inputs`.
        path: an `.npz`, a folder of `.npz` files or of images, or a folder of such folders; see `runtime/samples.py`.

    Raises:
        RunError: it is nothing of the kind, damaged, or empty.
    """
    if holds_sequences(path):
        return read_sequences(path)
    pictures = [each for each in inputs if each.kind == "image"]
    if len(pictures) != 1 or len(inputs) != 1:
        return read_samples(path)
    (picture,) = pictures
    height, width = (picture.shape or (None, None))[:2]
    return read_samples(path, image=(picture.name, (width, height) if width and height else None))

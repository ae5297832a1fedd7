"""A compiled model (`.mlmodelc`): where its program's text stands, and what its other files say of the model.

The description comes from `coremldata.bin`; `metadata.json` tells most of it too, and is compared with it, or stands in
for it. What neither tells is left to `describing.describe`. `analytics/` holds nothing of the model.

Importing this module imports coremltools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ..errors import MiloptError, PackageError
from . import compiled_data, compiled_metadata
from .compiled_data import CompiledData, kind_of, read_compiled_data
from .compiled_metadata import CompiledMetadata, read_metadata
from .features import feature_words, interface_parts

TEXT = "model.mil"
_INNER = (f"model*/{TEXT}", f"model*/model*/{TEXT}")
_NEURAL_NETWORK = "neuralNetwork"

_T = TypeVar("_T")


@attrs.frozen
class CompiledModel:
    """A compiled model that holds an ML program.

    Attributes:
        folder: the `.mlmodelc`; what weight paths call `@model_path`.
        text: the file with the program's text.
        description: the protobuf `ModelDescription`; None where no file has it.
        specification_version: None where no file tells it.
        notes: what could not be recovered, or was not taken from where it should be; one line each.
    """

    folder: Path
    text: Path
    description: Any
    specification_version: int | None
    notes: tuple[str, ...]


def read_compiled(folder: Path) -> CompiledModel:
    """Reads what surrounds the program of a compiled model; not the program itself.

    Damage of the files around the text is noted, not raised.

    Raises:
        PackageError: it is no compiled model, or one without an ML program of its own.
    """
    if not folder.is_dir():
        raise PackageError("not a compiled model" if folder.exists() else "no such file or folder", where=folder)
    if not (folder / TEXT).is_file():
        raise _without_text(folder)
    notes: list[str] = []
    data = _read(folder / compiled_data.FILE, read_compiled_data, notes)
    metadata = _read(folder / compiled_metadata.FILE, read_metadata, notes)
    chosen = data or metadata
    notes += _sources(data, metadata)
    return CompiledModel(
        folder=folder,
        text=folder / TEXT,
        description=chosen.description if chosen else None,
        specification_version=_version(data, metadata),
        notes=tuple(notes),
    )


def _read(file: Path, read: Callable[[bytes], _T], notes: list[str]) -> _T | None:
    try:
        return read(file.read_bytes())
    except FileNotFoundError:
        notes.append(f"{file.name}: it is missing")
    except OSError as error:
        notes.append(f"{file.name}: it can not be read: {error.strerror}")
    except MiloptError as error:
        notes.append(str(error))
    return None


def _version(data: CompiledData | None, metadata: CompiledMetadata | None) -> int | None:
    found = [source.specification_version for source in (data, metadata) if source]
    return next((version for version in found if version is not None), None)


def _sources(data: CompiledData | None, metadata: CompiledMetadata | None) -> Iterator[str]:
    """What to know about where the description comes from."""
    if data and data.kind != "mlProgram":
        yield f"{compiled_data.FILE} says that the model is of the kind {data.kind}"
    if data and data.specification_version is None:
        yield f"{compiled_data.FILE} has an unknown layout; the description was searched for"
    if data and metadata:
        for difference in differences(data, metadata):
            yield f"{compiled_data.FILE} and {compiled_metadata.FILE} differ: {difference}; the first is kept"
    elif metadata:
        yield (
            f"the description is taken from {compiled_metadata.FILE}, "
            "which does not tell the defaults of optional inputs"
        )
    elif not data:
        yield (
            "the description is made from the program, which does not tell metadata, which arrays are images, "
            "which inputs are optional, and the order of inputs"
        )


def differences(data: CompiledData, metadata: CompiledMetadata) -> Iterator[str]:
    """Where two descriptions of a model contradict each other, one short text for each place."""
    one, other = data.description, metadata.description
    versions = data.specification_version, metadata.specification_version
    if None not in versions and versions[0] != versions[1]:
        yield f"specification version {versions[0]} and {versions[1]}"
    for field in compiled_metadata.METADATA:
        mine, theirs = getattr(one.metadata, field), getattr(other.metadata, field)
        if mine != theirs:
            yield f"{field} {mine!r} and {theirs!r}"
    if dict(one.metadata.userDefined) != dict(other.metadata.userDefined):
        yield "user-defined metadata"
    if one.defaultFunctionName != other.defaultFunctionName:
        yield f"default function {one.defaultFunctionName!r} and {other.defaultFunctionName!r}"
    yield from _interface_differences(interface_parts(one), interface_parts(other))


def _interface_differences(one: dict[str, Any], other: dict[str, Any]) -> Iterator[str]:
    if list(one) != list(other):
        yield f"functions {list(one)} and {list(other)}"
        return
    for name, part in one.items():
        for kind in ("input", "output", "state"):
            mine, theirs = (
                {feature.name: feature_words(feature) for feature in getattr(each, kind)}
                for each in (part, other[name])
            )
            place = f"{kind}s of {name!r}" if name else f"{kind}s"
            if list(mine) != list(theirs):
                yield f"{place} {list(mine)} and {list(theirs)}"
                continue
            for feature, words in mine.items():
                if words != theirs[feature]:
                    yield f"{place}: {feature!r} is {words} and {theirs[feature]}"


def _without_text(folder: Path) -> PackageError:
    """Why a folder without the text of a program can not be opened."""
    # The models of a pipeline stand in folders model0, model1, ...
    inner = [path.parent for pattern in _INNER for path in sorted(folder.glob(pattern))]
    if inner or (folder / "model0").is_dir():
        names = ", ".join(map(str, inner))
        hint = f"its ML programs can be opened one by one: {names}" if names else "none of its models is an ML program"
        return PackageError("the compiled model is a pipeline", where=folder, hint=hint)
    kind = _kind(folder)
    if kind == _NEURAL_NETWORK:
        hint = "convert its source anew with convert_to='mlprogram'"
        return PackageError(f"the compiled model is a {kind}, not an ML program", where=folder, hint=hint)
    if kind in (None, "mlProgram"):
        return PackageError(f"not a compiled ML program: it has no {TEXT}", where=folder)
    return PackageError(f"the compiled model is a {kind}, not an ML program", where=folder)


def _kind(folder: Path) -> str | None:
    """The kind of a compiled model without a text; None where no file tells it."""
    try:
        kind = kind_of((folder / compiled_data.FILE).read_bytes())
    except (PackageError, OSError):
        kind = None
    is_network = any(folder.glob("model.espresso.*")) or (kind or "").startswith(_NEURAL_NETWORK)
    return _NEURAL_NETWORK if is_network else kind

"""The layout of an `.mlpackage`: a manifest, a specification, weight files and whatever else came along."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import attrs

from .errors import PackageError

MANIFEST = "Manifest.json"
DATA = "Data"
MODEL_FOLDER = f"{DATA}/com.apple.CoreML"
SPECIFICATION = f"{MODEL_FOLDER}/model.mlmodel"
WEIGHTS_IN_MODEL = "weights/weight.bin"
_AUTHOR = "com.apple.CoreML"
# A namespace of our own makes the manifest's identifiers the same in every run.
_NAMESPACE = uuid.UUID("6b0b41ac-6f53-5b0e-9e0c-3c9f4f1d6a52")


@attrs.frozen
class Package:
    """A package on disk.

    Attributes:
        root: the `.mlpackage` folder.
        specification: the `.mlmodel` file in it, relative to `root`.
    """

    root: Path
    specification: str

    @property
    def model_folder(self) -> Path:
        """What weight paths call `@model_path`: the folder of the specification."""
        return (self.root / self.specification).parent

    def files(self) -> list[str]:
        """Every file of the package, relative to `root`, sorted."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def folders(self) -> list[str]:
        """Every folder of the package, empty ones too, relative to `root`, sorted."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_dir())

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return package_size(self.root)


def package_size(root: Path) -> int:
    """Bytes of all files of a package together."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def open_package(path: Path) -> Package:
    """Finds the parts of an `.mlpackage`.

    Raises:
        PackageError: there is nothing at `path`, or it is no package, or a part is missing.
    """
    if not path.exists():
        raise PackageError("no such file or folder", where=path)
    if not path.is_dir():
        raise PackageError("not an .mlpackage", where=path, hint=_advice_for_file(path))
    manifest = path / MANIFEST
    if not manifest.is_file():
        raise PackageError(
            f"not an .mlpackage: it has no {MANIFEST}",
            where=path,
            hint="milopt reads .mlpackage and .mlmodelc folders and .mil text",
        )
    package = Package(path, _specification_of(manifest))
    if not (path / package.specification).is_file():
        raise PackageError(
            f"the specification {package.specification!r} is missing",
            where=path,
            hint="the package is incomplete: copy it again, whole",
        )
    return package


def _advice_for_file(path: Path) -> str:
    if path.suffix == ".mlmodel":
        return "milopt reads ML programs, which are saved as .mlpackage; convert with convert_to='mlprogram'"
    return "milopt reads .mlpackage and .mlmodelc folders and .mil text"


def _specification_of(manifest: Path) -> str:
    try:
        content = json.loads(manifest.read_text("utf-8"))
        item = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (ValueError, KeyError, TypeError) as error:
        raise PackageError(
            f"the manifest names no root model: {type(error).__name__} {error}", where=manifest
        ) from None
    specification = f"{DATA}/{item}"
    inside = (manifest.parent / specification).resolve().is_relative_to(manifest.parent.resolve())
    if not isinstance(item, str) or not inside:
        raise PackageError(f"the manifest's path {item!r} leaves the package", where=manifest)
    return specification


def manifest_with_weights(existing: str | None, *, has_weights: bool) -> str:
    """The text of a manifest that lists the specification and, if there are any, the weights.

    Args:
        existing: the manifest of the package that the model came from; it is kept as it is when it suffices.
        has_weights: whether the package has a folder of weights.
    """
    content: dict[str, Any] = (
        json.loads(existing) if existing else {"fileFormatVersion": "1.0.0", "itemInfoEntries": {}}
    )
    entries = content["itemInfoEntries"]
    if "rootModelIdentifier" not in content:
        content["rootModelIdentifier"] = _add(entries, "model.mlmodel", "CoreML Model Specification")
    missing = has_weights and not any(entry.get("path") == f"{_AUTHOR}/weights" for entry in entries.values())
    if missing:
        _add(entries, "weights", "CoreML Model Weights")
    return existing if existing and not missing else json.dumps(content, indent=4, sort_keys=True) + "\n"


def _add(entries: dict[str, Any], name: str, description: str) -> str:
    identifier = str(uuid.uuid5(_NAMESPACE, name)).upper()
    entries[identifier] = {
        "author": _AUTHOR,
        "description": description,
        "name": name,
        "path": f"{_AUTHOR}/{name}",
    }
    return identifier

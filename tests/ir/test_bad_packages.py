"""Packages that can not be read are refused in one line that names the file, and nothing is harmed."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.errors import PackageError
from support.packages import (
    SPECIFICATION,
    WEIGHTS,
    Shelf,
    copy_package,
    edit_specification,
    neural_network,
    proto_operations,
)
from support.refusals import assert_load_refused, refusal

Damage = Callable[[Path], object]


# --- not a package


def test_missing_path_is_refused(tmp_path: Path) -> None:
    refusal(lambda: milopt.load(tmp_path / "none.mlpackage"), PackageError, r"none\.mlpackage: no such file")


def test_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.mlpackage").write_bytes(b"PK")
    refusal(lambda: milopt.load(tmp_path / "file.mlpackage"), PackageError, r"file\.mlpackage: not an \.mlpackage")


def test_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    refusal(lambda: milopt.load(tmp_path), PackageError, rf"{tmp_path.name}: .*has no Manifest\.json")


def test_neural_network_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = neural_network(tmp_path / "old.mlmodel")
    refusal(lambda: milopt.load(path), PackageError, r"old\.mlmodel: not an \.mlpackage .*convert_to='mlprogram'")


def test_neural_network_package_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = neural_network(tmp_path / "old.mlpackage")
    assert_load_refused(path, PackageError, r"old\.mlpackage: the model is a neuralNetwork.*convert_to='mlprogram'")


# --- the manifest and the specification


def with_root_path(path: object) -> Damage:
    """A manifest whose root model lies at `path`."""

    def damage(package: Path) -> None:
        manifest = json.loads((package / "Manifest.json").read_text("utf-8"))
        manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = path
        (package / "Manifest.json").write_text(json.dumps(manifest), "utf-8")

    return damage


def with_file(name: str, data: bytes) -> Damage:
    """A package one of whose files holds something else."""
    return lambda package: (package / name).write_bytes(data)


def without_file(name: str) -> Damage:
    """A package that lacks a file."""
    return lambda package: (package / name).unlink()


def cut_to(name: str, length: int) -> Damage:
    """A package one of whose files ends early; a negative length counts from the end."""
    return lambda package: (package / name).write_bytes((package / name).read_bytes()[:length])


MANIFEST_DAMAGES = {
    "is not JSON": (with_file("Manifest.json", b"{"), r"Manifest\.json: the manifest names no root model"),
    "is not text": (with_file("Manifest.json", b"\xff\xfe\x00"), r"Manifest\.json: the manifest names no root"),
    "is a list": (with_file("Manifest.json", b"[]"), r"Manifest\.json: the manifest names no root model"),
    "is empty": (with_file("Manifest.json", b"{}"), r"Manifest\.json: the manifest names no root model: KeyError"),
    "names no root": (
        with_file("Manifest.json", b'{"itemInfoEntries": {}, "rootModelIdentifier": "X"}'),
        r"Manifest\.json: the manifest names no root model",
    ),
    "leaves upwards": (with_root_path("../../outside.mlmodel"), r"Manifest\.json: .*outside\.mlmodel' leaves"),
    "leaves to the root": (with_root_path("/etc/passwd"), r"linear\.mlpackage: .*'Data//etc/passwd' is missing"),
    "has a number for a path": (with_root_path(5), r"Manifest\.json: .*path 5 leaves the package"),
    "has a null for a path": (with_root_path(None), r"Manifest\.json: .*path None leaves the package"),
    "names a folder": (with_root_path("com.apple.CoreML"), r"com\.apple\.CoreML' is missing"),
    "names what is not there": (with_root_path("com.apple.CoreML/else.mlmodel"), r"else\.mlmodel' is missing"),
}


@pytest.mark.parametrize(("damage", "pattern"), MANIFEST_DAMAGES.values(), ids=MANIFEST_DAMAGES)
def test_bad_manifest_is_refused(damage: Damage, pattern: str, shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    damage(package)
    assert_load_refused(package, PackageError, pattern)


SPECIFICATION_DAMAGES = {
    "missing": (without_file(SPECIFICATION), r"linear\.mlpackage: the specification .*model\.mlmodel' is missing"),
    "garbage": (with_file(SPECIFICATION, b"\xff" * 99), r"linear\.mlpackage: .*model\.mlmodel is not a Core ML"),
    "text": (with_file(SPECIFICATION, b"version 1\n" * 9), r"linear\.mlpackage: "),
    "cut": (cut_to(SPECIFICATION, -300), r"linear\.mlpackage: .*model\.mlmodel is not a Core ML specification"),
    "empty": (with_file(SPECIFICATION, b""), r"linear\.mlpackage: the model is a model without content"),
}


@pytest.mark.parametrize(("damage", "pattern"), SPECIFICATION_DAMAGES.values(), ids=SPECIFICATION_DAMAGES)
def test_bad_specification_file_is_refused(damage: Damage, pattern: str, shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    damage(package)
    assert_load_refused(package, PackageError, pattern)


# --- weight files


def weight_of(specification: Any) -> Any:
    """The reference of the weight of `linear`."""
    return next(
        operation.attributes["val"].blobFileValue
        for operation in proto_operations(specification)
        if operation.outputs[0].name == "linear_weight_0"
    )


def with_reference(**fields: object) -> Damage:
    """A package whose weight is referred to otherwise."""

    def edit(specification: Any) -> None:
        for name, value in fields.items():
            setattr(weight_of(specification), name, value)

    return lambda package: edit_specification(package, edit)


def with_metadata(field: int, value: int) -> Damage:
    """A package with a changed field in the first blob's metadata: sentinel, type, size, position, padding."""

    def damage(package: Path) -> None:
        data = bytearray((package / WEIGHTS).read_bytes())
        fields = list(struct.unpack_from("<IIQQQ", data, 64))
        fields[field] = value
        struct.pack_into("<IIQQQ", data, 64, *fields)
        (package / WEIGHTS).write_bytes(data)

    return damage


def as_folder(package: Path) -> None:
    """A folder in the weight file's place."""
    (package / WEIGHTS).unlink()
    (package / WEIGHTS).mkdir()


def as_link_outwards(package: Path) -> None:
    """A link to a file outside in the weight file's place."""
    (package / WEIGHTS).rename(package.parent / "elsewhere.bin")
    (package / WEIGHTS).symlink_to(package.parent / "elsewhere.bin")


WEIGHT_DAMAGES = {
    "missing": (without_file(WEIGHTS), r"weight\.bin: the weight file is missing"),
    "a folder": (as_folder, r"weight\.bin: the weight file can not be read"),
    "empty": (with_file(WEIGHTS, b""), r"weight\.bin: the weight file can not be read"),
    **{f"cut to {length} bytes": (cut_to(WEIGHTS, length), r"weight\.bin: .*outside the file of \d+ bytes")
       for length in (1, 63, 64, 100, 127, 128, 129, 3000, -1)},
    "offset outside": (with_reference(offset=10**6), r"weight\.bin: .*offset 1000000, outside the file"),
    "largest offset": (with_reference(offset=2**64 - 1), r"weight\.bin: .*outside the file"),
    "offset in between": (with_reference(offset=65), r"weight\.bin: .*offset 65 begins with .* not 0xdeadbeef"),
    "offset in the header": (with_reference(offset=0), r"weight\.bin: .*offset 0 begins with"),
    "offset of another weight": (with_reference(offset=5248), r"weight\.bin: .*5248 holds 128 bytes .* expects 5120"),
    "sentinel": (with_metadata(0, 0xDEADBEEE), r"weight\.bin: .*offset 64 begins with 0xdeadbeee, not"),
    "unknown type": (with_metadata(1, 99), r"weight\.bin: .*offset 64 has the unknown type code 99"),
    "another type": (with_metadata(1, 4), r"weight\.bin: .*holds 5120 bytes of int8, .* expects 5120 bytes of fp16"),
    "size too small": (with_metadata(2, 5118), r"weight\.bin: .*holds 5118 bytes of fp16, .* expects 5120"),
    "size outside": (with_metadata(2, 10**9), r"weight\.bin: .*offset 64 ends at 1000000128, outside the file"),
    "largest size": (with_metadata(2, 2**64 - 1), r"weight\.bin: .*outside the file"),
    "position outside": (with_metadata(3, 10**9), r"weight\.bin: .*offset 64 ends at 1000005120, outside the file"),
    "path upwards": (with_reference(fileName="@model_path/../x.bin"), r"'\.\./x\.bin' leaves the package"),
    "path upwards and back": (
        with_reference(fileName="@model_path/weights/../../../../other.mlpackage/x.bin"),
        r"other\.mlpackage/x\.bin' leaves the package",
    ),
    "absolute path": (with_reference(fileName="/etc/passwd"), r"'/etc/passwd' leaves the package"),
    "absolute path after the prefix": (with_reference(fileName="@model_path//etc/passwd"), r"'/etc/passwd' leaves"),
    "path without the prefix": (with_reference(fileName="weights/weight.bin"), r"linear|const.*begin with @model_path"),
    "a link outwards": (as_link_outwards, r"'weights/weight\.bin' leaves the package"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "pattern"), WEIGHT_DAMAGES.values(), ids=WEIGHT_DAMAGES)
def test_bad_weights_are_refused(damage: Damage, pattern: str, shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    damage(package)
    assert_load_refused(package, PackageError, pattern)

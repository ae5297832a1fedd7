"""Compiled models: what their files say is recovered, compared, and noted where it is lost; damage raises nothing."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milopt.ir.descriptions.compiled import CompiledModel, read_compiled
from milopt.ir.descriptions.compiled_data import read_compiled_data
from milopt.ir.descriptions.compiled_metadata import read_metadata
from milopt.ir.descriptions.describing import arrange_inputs, specification_of
from milopt.ir.descriptions.features import feature_words, interface_parts
from milopt.ir.errors import PackageError, ProgramError
from milopt.ir.model_parts import ml_programs
from milopt.ir.pymil import proto
from milopt.ir.text.parser import parse_proto
from support.packages import SHARED_MODELS, Shelf, read_specification
from support.refusals import refusal
from support.source_tree import ROOT

SHARED_COMPILED = sorted((ROOT.parent / "shared" / "mil").glob("*.mlmodelc"))
REASON = "the shared compiled models are absent"
needs_shared = pytest.mark.skipif(not SHARED_COMPILED, reason=REASON)
real = pytest.mark.parametrize("folder", SHARED_COMPILED, ids=lambda folder: folder.stem)

ML_PROGRAM = 502


def container(description: Any, *, kind: int = ML_PROGRAM, version: int = 8) -> bytes:
    """A `coremldata.bin` of the known layout."""
    message = description.SerializeToString()
    compiler = struct.pack("<QQQQ", 5, 0, 0, 7) + b"generic"
    head = struct.pack("<I", kind) + compiler + struct.pack("<QQQQ", version, 0, 0, 0)
    return head + struct.pack("<Q", len(message)) + message + struct.pack("<IQI", kind, 0, 0)


def compiled(folder: Path, *, data: bytes | None = None, metadata: object = None) -> Path:
    """A compiled model with a text, and with what is given."""
    result = folder / "model.mlmodelc"
    result.mkdir()
    (result / "model.mil").write_text("program(1.3)", "utf-8")
    if data is not None:
        (result / "coremldata.bin").write_bytes(data)
    if metadata is not None:
        (result / "metadata.json").write_text(json.dumps([metadata]), "utf-8")
    return result


def array(name: str, shape: str = "[1, 40]", **more: str) -> dict[str, str]:
    """An entry of a schema."""
    return {"name": name, "type": "MultiArray", "dataType": "Float16", "shape": shape, "isOptional": "0"} | more


def words(description: Any) -> dict[str, str]:
    """Every feature, by function, kind and name."""
    return {
        " ".join(filter(None, (function, kind, feature.name))): feature_words(feature)
        for function, part in interface_parts(description).items()
        for kind in ("input", "output", "state")
        for feature in getattr(part, kind)
    }


def flexible_description() -> Any:
    """The description of a small model."""
    result = proto.Model_pb2.ModelDescription()
    array_type = result.input.add(name="x").type.multiArrayType
    array_type.shape.extend([3, 40])
    array_type.dataType = 65552
    for low, high in ((2, 9), (40, 40)):
        array_type.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)
    result.output.add(name="y").type.multiArrayType.dataType = 65552
    result.metadata.author = "A. Name"
    return result


# --- models that Apple's compiler wrote


@needs_shared
@real
def test_real_model_is_recovered_without_a_note(folder: Path) -> None:
    found = read_compiled(folder)
    assert (found.notes, found.text) == ((), folder / "model.mil")
    program = parse_proto(found.text.read_text("utf-8")).program
    arrange_inputs(program, found.description)
    order = [value.name for value in program.functions["main"].inputs]
    assert order == [feature.name for feature in found.description.input]
    specification = specification_of(program, found.description, version=found.specification_version)
    assert specification.specificationVersion == found.specification_version
    assert specification.description == found.description


@needs_shared
@real
def test_real_metadata_tells_what_the_container_holds(folder: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(folder, tmp_path / folder.name, copy_function=shutil.copyfile))
    (alone / "coremldata.bin").unlink()
    whole, found = read_compiled(folder), read_compiled(alone)
    assert found.description == whole.description
    assert found.specification_version == whole.specification_version
    assert [note.partition(" ")[0] for note in found.notes] == ["coremldata.bin:", "the"]


@needs_shared
def test_description_is_that_of_the_package_it_was_compiled_from() -> None:
    package = SHARED_MODELS / "silero6-unified-int8.mlpackage"
    found = read_compiled(next(folder for folder in SHARED_COMPILED if folder.stem == "mobius__unified_int8"))
    own = read_specification(package)
    assert (found.description, found.specification_version) == (own.description, own.specificationVersion)


# --- coremldata.bin


def test_description_of_every_kind_is_read(package: Path) -> None:
    for _, own in ml_programs(read_specification(package)):
        found = read_compiled_data(container(own.description, version=own.specificationVersion))
        assert (found.kind, found.specification_version) == ("mlProgram", own.specificationVersion)
        assert found.description == own.description


def test_several_functions_end_in_several_trailers(shelf: Shelf) -> None:
    own = read_specification(shelf["two_functions"]).description
    assert read_compiled_data(container(own) + struct.pack("<IQI", ML_PROGRAM, 0, 0)).description == own


def test_description_at_another_place_is_found_and_noted(tmp_path: Path) -> None:
    data = container(flexible_description())
    moved = data[:4] + b"\x00" * 13 + data[4:]
    found = read_compiled(compiled(tmp_path, data=moved))
    assert found.description == flexible_description()
    assert found.specification_version is None
    assert "coremldata.bin has an unknown layout; the description was searched for" in found.notes


def test_version_that_no_model_has_is_not_taken(tmp_path: Path) -> None:
    found = read_compiled(compiled(tmp_path, data=container(flexible_description(), version=2**40)))
    assert (found.description, found.specification_version) == (flexible_description(), None)
    assert "coremldata.bin has an unknown layout; the description was searched for" in found.notes


def test_kind_of_another_model_is_noted(tmp_path: Path) -> None:
    found = read_compiled(compiled(tmp_path, data=container(flexible_description(), kind=500)))
    assert "coremldata.bin says that the model is of the kind neuralNetwork" in found.notes


@pytest.mark.parametrize("data", [b"", b"\xf6", b"\xf6\x01\x00\x00", b"\xff" * 99, b"\x00" * 999, b"MZ" * 3000])
def test_file_without_a_description_is_noted(data: bytes, tmp_path: Path) -> None:
    found = read_compiled(compiled(tmp_path, data=data))
    assert (found.description, found.specification_version) == (None, None)
    assert found.notes[0].startswith("coremldata.bin: it ")
    assert found.notes[-1].startswith("the description is made from the program, which does not tell metadata")


def test_cut_file_is_read_whole_or_noted(tmp_path: Path) -> None:
    data = container(flexible_description())
    folder = compiled(tmp_path, metadata={"outputSchema": [array("z")]})
    kept = 0
    for length in range(len(data)):
        (folder / "coremldata.bin").write_bytes(data[:length])
        found = read_compiled(folder)
        if "y" in [feature.name for feature in found.description.output]:
            assert found.description == flexible_description()
            kept += 1
        else:
            assert found.notes[0].startswith("coremldata.bin: it ")
    assert kept == 16  # all that may be missing is the trailer


@settings(max_examples=150, deadline=None)
@given(draw=st.data())
def test_damaged_files_raise_nothing(draw: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    data = bytearray(container(flexible_description()))
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    folder = compiled(tmp_path_factory.mktemp("damaged"), data=bytes(data))
    (folder / "metadata.json").write_bytes(draw.draw(st.binary(max_size=40) | st.just(b'[{"outputSchema": [4]}]')))
    found = read_compiled(folder)
    assert found.notes
    assert all(len(note.splitlines()) == 1 for note in found.notes)
    assert 0 <= (found.specification_version or 0) < 2**31


# --- metadata.json


def test_every_type_of_feature_is_read(tmp_path: Path) -> None:
    image = {"type": "Image", "width": "30", "height": "20", "colorspace": "BGR", "isColor": "1"}
    metadata = {
        "specificationVersion": 9,
        "inputSchema": [
            array("x", "[3, 40]", shapeRange="[[2, 9], [40, 40]]", hasShapeFlexibility="1", dataType="Float32"),
            array("y", "[4]", enumeratedShapes="[[1], [4]]", dataType="Int32", isOptional="1"),
            {"name": "one", **image},
            {"name": "two", **image, "colorspace": "Grayscale16Half", "sizeRange": "[[1, 9], [2, -1]]"},
            {"name": "three", **image, "colorspace": "RGB", "enumeratedSizes": "[[30, 20], [60, 40]]"},
        ],
        "outputSchema": [
            {"name": "label", "type": "String", "shortDescription": "The likeliest."},
            {"name": "number", "type": "Int64"},
            {"name": "real", "type": "Double"},
            {"name": "scores", "type": "Dictionary", "keyType": "String"},
        ],
        "stateSchema": [array("cache", type="State")],
    }
    found = read_compiled(compiled(tmp_path, metadata=metadata))
    assert found.specification_version == 9
    assert words(found.description) == {
        "input x": "float32 [3, 40] in [[2, 9], [40, 40]]",
        "input y": "optional int32 [4] of [[1], [4]]",
        "input one": "BGR image 30 x 20",
        "input two": "GRAYSCALE_FLOAT16 image 30 x 20 in [[1, 9], [2, -1]]",
        "input three": "RGB image 30 x 20 of [[30, 20], [60, 40]]",
        "output label": "string",
        "output number": "int64",
        "output real": "double",
        "output scores": "dictionary of string keys",
        "state cache": "state of float16 [1, 40]",
    }
    assert found.description.output[0].shortDescription == "The likeliest."
    assert "does not tell the defaults of optional inputs" in found.notes[-1]


def test_functions_and_metadata_are_read() -> None:
    functions = [
        {"name": "second", "inputSchema": [array("x", "[2]")], "outputSchema": [array("y", "[]")]},
        {"name": "first", "inputSchema": [array("x", "[3]")], "outputSchema": [array("y")]},
    ]
    told = {
        "functions": functions,
        "inputSchema": [array("x", "[3]")],
        "defaultFunctionName": "first",
        "author": "A. Name",
        "version": "1.2",
        "license": "MIT",
        "shortDescription": "Short.",
        "userDefinedMetadata": {"key": "«value»"},
    }
    found = read_metadata(json.dumps([told]).encode()).description
    assert words(found) == {
        "second input x": "float16 [2]",
        "second output y": "float16 []",
        "first input x": "float16 [3]",
        "first output y": "float16 [1, 40]",
    }
    own = proto.Model_pb2.Metadata(shortDescription="Short.", versionString="1.2", author="A. Name", license="MIT")
    own.userDefined["key"] = "«value»"
    assert (found.defaultFunctionName, found.metadata) == ("first", own)


BAD_METADATA = {
    "not JSON": (b"{", r"^metadata\.json: it is damaged"),
    "not text": (b"\xff\xff\xff", r"^metadata\.json: it is damaged: UnicodeDecodeError"),
    "no model": (b"[]", r"^metadata\.json: it is damaged"),
    "nested without end": (b"[" * 10**5, r"^metadata\.json: it is damaged: RecursionError"),
    "an unknown type": (b'[{"inputSchema": [{"name": "x", "type": "Scent"}]}]', r"input 'x': .*unknown type 'Scent'"),
    "an unknown element type": (json.dumps([{"inputSchema": [array("x", dataType="Bits")]}]).encode(), "'x': .*Bits"),
    "a shape that is none": (json.dumps([{"inputSchema": [array("x", shape="4")]}]).encode(), "shape is 4"),
    "a huge size": (json.dumps([{"inputSchema": [array("x", shape="[1e99]")]}]).encode(), "input 'x': it is damaged"),
    "a version that no model has": (b'[{"specificationVersion": 1099511627776}]', "it is damaged: ValueError"),
    "no default function": (b'[{"functions": [{"name": "a"}]}]', "KeyError: 'defaultFunctionName'"),
}


@pytest.mark.parametrize(("data", "pattern"), BAD_METADATA.values(), ids=BAD_METADATA)
def test_bad_metadata_is_refused_and_noted(data: bytes, pattern: str, tmp_path: Path) -> None:
    refusal(lambda: read_metadata(data), ProgramError, pattern)
    folder = compiled(tmp_path, data=container(flexible_description()))
    (folder / "metadata.json").write_bytes(data)
    found = read_compiled(folder)
    assert found.description == flexible_description()
    assert [note.startswith("metadata.json: ") for note in found.notes] == [True]


# --- both, or neither


def test_differences_are_noted(tmp_path: Path) -> None:
    told = {
        "specificationVersion": 9,
        "author": "Another",
        "userDefinedMetadata": {"a": "b"},
        "inputSchema": [array("x", "[3, 40]", shapeRange="[[2, 8], [40, 40]]")],
        "outputSchema": [array("z")],
    }
    found = read_compiled(compiled(tmp_path, data=container(flexible_description()), metadata=told))
    assert found.description == flexible_description()
    x = "float16 [3, 40] in [[2,"
    assert [note.removeprefix("coremldata.bin and metadata.json differ: ") for note in found.notes] == [
        "specification version 8 and 9; the first is kept",
        "author 'A. Name' and 'Another'; the first is kept",
        "user-defined metadata; the first is kept",
        f"inputs: 'x' is {x} 9], [40, 40]] and {x} 8], [40, 40]]; the first is kept",
        "outputs ['y'] and ['z']; the first is kept",
    ]


def test_different_functions_are_noted(shelf: Shelf, tmp_path: Path) -> None:
    own = read_specification(shelf["two_functions"]).description
    own.ClearField("metadata")
    told = {"functions": [{"name": "encode"}], "defaultFunctionName": "encode"}
    found = read_compiled(compiled(tmp_path, data=container(own), metadata=told))
    assert [note.partition(": ")[2] for note in found.notes] == [
        "functions ['encode', 'decode'] and ['encode']; the first is kept"
    ]


def test_text_alone_is_read_with_a_note_of_what_is_lost(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    found = read_compiled(folder)
    notes = ("coremldata.bin: it is missing", "metadata.json: it is missing", found.notes[-1])
    assert found == CompiledModel(folder, folder / "model.mil", None, None, notes)
    assert "the order of inputs" in found.notes[-1]


def test_folder_in_the_place_of_a_file_is_noted(tmp_path: Path) -> None:
    folder = compiled(tmp_path)
    (folder / "coremldata.bin").mkdir()
    assert read_compiled(folder).notes[0] == "coremldata.bin: it can not be read: Is a directory"


# --- no compiled ML program


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    refusal(lambda: read_compiled(tmp_path / "none.mlmodelc"), PackageError, r"none\.mlmodelc: no such file or folder")
    (tmp_path / "file.mlmodelc").touch()
    refusal(lambda: read_compiled(tmp_path / "file.mlmodelc"), PackageError, r"file\.mlmodelc: not a compiled model")


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    refusal(lambda: read_compiled(tmp_path), PackageError, r"not a compiled ML program: it has no model\.mil")
    (tmp_path / "coremldata.bin").write_bytes(container(flexible_description()))
    refusal(lambda: read_compiled(tmp_path), PackageError, r"not a compiled ML program: it has no model\.mil")


def test_pipeline_is_refused_with_the_folders_that_can_be_opened(tmp_path: Path) -> None:
    for inner in ("model0", "model1", "model2/model0"):
        (tmp_path / inner).mkdir(parents=True)
        (tmp_path / inner / "coremldata.bin").touch()
    for inner in ("model0", "model2/model0"):
        (tmp_path / inner / "model.mil").touch()
    (tmp_path / "coremldata.bin").write_bytes(container(flexible_description(), kind=202))
    folders = rf"one by one: {tmp_path}/model0, {tmp_path}/model2/model0\)"
    refusal(lambda: read_compiled(tmp_path), PackageError, rf"the compiled model is a pipeline \(.*{folders}$")


def test_pipeline_without_programs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model0").mkdir()
    refusal(lambda: read_compiled(tmp_path), PackageError, "a pipeline .none of its models is an ML program")


@pytest.mark.parametrize("kind", [None, 500, 403])
def test_neural_network_is_refused_with_what_to_do(kind: int | None, tmp_path: Path) -> None:
    if kind is None:
        (tmp_path / "model.espresso.net").touch()
    else:
        (tmp_path / "coremldata.bin").write_bytes(container(flexible_description(), kind=kind))
    refusal(lambda: read_compiled(tmp_path), PackageError, "is a neuralNetwork, not an ML program .*'mlprogram'")


def test_other_kinds_of_models_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "coremldata.bin").write_bytes(container(flexible_description(), kind=302))
    refusal(lambda: read_compiled(tmp_path), PackageError, "is a treeEnsembleRegressor, not an ML program")

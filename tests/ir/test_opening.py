"""`load`: models of every form through one function, and what is no model, in one line."""

from __future__ import annotations

import io
import shutil
import struct
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.cli.entry import DONE
from milopt.cli.entry import run as run_command
from milopt.cli.main import milopt as milopt_command
from milopt.ir.diagnostics import TextError
from milopt.ir.equality import first_difference
from milopt.ir.errors import OptionError, PackageError, ProgramError
from milopt.ir.opening import load_text, read_source
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.source import Source
from milopt.ir.text.writing import write_program_text
from milopt.ir.verifier import verify
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline
from milopt.runtime.session import Session
from support.packages import WEIGHTS, Shelf, contents, read_specification
from support.programs import PROGRAMS
from support.refusals import refusal
from support.running import plausible_inputs
from support.saving import saved

PIPELINE = 202  # the kind of model in `coremldata.bin`
# Everything that a program itself tells of a model comes back from its text.
TOLD = ["linear", "conv", "lstm", "states", "classifier_strings", "classifier_integers", "cond"]


def written(name: str, folder: Path, program: Any = None) -> Path:
    """A program as a text, with its weights beside it."""
    write_program_text(folder / f"{name}.mil", [program or PROGRAMS[name]()])
    return folder / f"{name}.mil"


def compiled(package: Path, folder: Path) -> Path:
    """A package as Apple's compiler would lay it out, without what tells the interface."""
    result = folder / f"{package.stem}.mlmodelc"
    result.mkdir(parents=True)
    text = print_proto(read_specification(package).mlProgram, dialect="1.0")
    (result / "model.mil").write_text(text.rstrip("\n"), "utf-8")
    if (package / WEIGHTS).exists():
        shutil.copytree((package / WEIGHTS).parent, result / "weights")
    return result


# --- text


@pytest.mark.parametrize("name", TOLD)
def test_text_is_a_model(name: str, tmp_path: Path, shelf: Shelf) -> None:
    program = milopt.load(shelf[name]).program
    model = milopt.load(written(name, tmp_path, program))
    assert first_difference(model.program, program) is None
    assert (model.name, model.package, model.origin.notes) == (f"{name}.mil", None, ())
    assert model.origin.text.dialect == "1.3"
    assert model.opset == milopt.load(shelf[name]).opset
    assert verify(milopt.load(saved(model, tmp_path)).program) == []


@pytest.mark.parametrize("name", ["linear", "conv", "lstm", "states"])
def test_text_and_its_package_give_the_same(name: str, tmp_path: Path, shelf: Shelf) -> None:
    model = milopt.load(written(name, tmp_path))
    inputs = plausible_inputs(model.program.functions["main"])
    expected = run(milopt.load(shelf[name]), inputs)
    for opened in (model, milopt.load(saved(model, tmp_path))):
        for one, other in zip(run(opened, inputs), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def run(model: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = Session(model)
    return list(session.run(inputs, session.make_state() if session.states else None).values())


def test_paths_may_be_words(tmp_path: Path) -> None:
    assert milopt.load(str(written("linear", tmp_path))).name == "linear.mil"


def test_functions_come_in_the_order_of_the_text(tmp_path: Path) -> None:
    body = '(fp16 x) { fp16 y = relu(x = x)[name = string("y")]; } -> (y);'
    text = f"program(1.3) {{ func zebra<ios18>{body} func ape<ios18>{body} func bee<ios18>{body} }}"
    (tmp_path / "m.mil").write_text(text, "utf-8")
    model = milopt.load(tmp_path / "m.mil")
    assert list(model.program.functions) == ["zebra", "ape", "bee"]
    assert model.program.default_function_name == "zebra"
    assert [function.name for function in model.specification.description.functions] == ["zebra", "ape", "bee"]


def test_weights_are_found_beside_the_text_wherever_it_is_opened_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    written("linear", tmp_path / "a")
    monkeypatch.chdir(tmp_path)
    for path in ("a/linear.mil", tmp_path / "a" / "linear.mil"):
        assert first_difference(milopt.load(path).program, PROGRAMS["linear"]()) is None
    monkeypatch.chdir(tmp_path / "a")
    assert first_difference(milopt.load("linear.mil").program, PROGRAMS["linear"]()) is None


def test_text_without_a_file(tmp_path: Path) -> None:
    text = print_program(PROGRAMS["linear"](), weights="inline")
    model = load_text(Source(text, "folder/some text"), None)
    assert (model.name, model.weights.folder) == ("some text", None)
    assert first_difference(model.program, PROGRAMS["linear"]()) is None
    reference = text_with_reference(tmp_path)
    with pytest.raises(TextError, match="there is no folder that the weight path"):
        load_text(Source(reference), None)
    assert load_text(Source(reference), tmp_path).program


def text_with_reference(folder: Path) -> str:
    return written("linear", folder).read_text("utf-8")


def test_file_is_not_changed_by_what_is_done_to_the_model(tmp_path: Path) -> None:
    path = written("linear", tmp_path)
    before = contents(tmp_path)
    model = milopt.load(path)
    PassManager(parse_pipeline("program(quantize-weights)")).run(model.program, in_place=True)
    assert "constexpr_affine_dequantize" in print_program(model.program)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("start", ["", "\n\n", "// a comment\r\n"])
def test_start_of_a_text(start: str, tmp_path: Path) -> None:
    path = written("cond", tmp_path)
    path.write_text(start + path.read_text("utf-8"), "utf-8")
    assert first_difference(milopt.load(path).program, PROGRAMS["cond"]()) is None


@pytest.mark.parametrize("words", [["inspect", "-"], ["verify", "-"], ["print", "-"], ["diff", "-", "cond.mil"]])
def test_commands_take_text_from_stdin(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = written("cond", tmp_path).read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    out, err = io.StringIO(), io.StringIO()
    assert run_command(milopt_command, words, io.StringIO(text), out, err) == DONE
    assert (err.getvalue(), bool(out.getvalue())) == ("", True)
    faulty = io.StringIO(text.replace("= linear(", "= linaer("))
    assert run_command(milopt_command, words, faulty, out, err) != DONE
    assert "<stdin>:" in err.getvalue()


# --- what no model can have

BOOL = """program(1.3)
{
    func main<ios18>(tensor<bool, [2]> flags) {
            tensor<bool, [2]> y = logical_not(x = flags)[name = string("y")];
        } -> (y);
}
"""


def test_program_that_no_model_can_have_runs_and_prints_and_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "m.mil").write_text(BOOL, "utf-8")
    model = milopt.load(tmp_path / "m.mil")
    assert first_difference(load_text(Source(print_program(model.program)), None).program, model.program) is None
    for options in ({}, {"overwrite": True}, {"allow_missing_weights": True}):
        refusal(lambda more=options: model.save(tmp_path / "m.mlpackage", **more), ProgramError, "flags.*bool")
    assert [each.name for each in tmp_path.iterdir()] == ["m.mil"]
    for opened in (model, model.program):
        (found,) = Session(opened).run({"flags": np.array([True, False])}).values()
        assert found.tolist() == [False, True]


# --- compiled models


@pytest.mark.parametrize("name", ["linear", "cond", "equal_weights"])
@pytest.mark.parametrize("ending", [".mlmodelc", ""])
def test_folder_with_a_text_is_a_compiled_model(name: str, ending: str, tmp_path: Path, shelf: Shelf) -> None:
    folder = compiled(shelf[name], tmp_path)
    folder = folder.rename(folder.with_suffix(ending))
    model = milopt.load(folder)
    assert (model.name, model.package) == (folder.name, None)
    assert len(model.origin.notes) == 3
    assert (model.origin.text.dialect, model.origin.text.source.name) == ("1.0", str(folder / "model.mil"))
    assert first_difference(model.program, milopt.load(shelf[name]).program) is None


def test_text_inside_of_a_compiled_model_can_be_opened_alone(tmp_path: Path, shelf: Shelf) -> None:
    folder = compiled(shelf["linear"], tmp_path)
    assert first_difference(milopt.load(folder / "model.mil").program, milopt.load(folder).program) is None


def test_faults_of_a_compiled_model_are_told_with_their_places(tmp_path: Path, shelf: Shelf) -> None:
    folder = compiled(shelf["linear"], tmp_path)
    text = (folder / "model.mil").read_text("utf-8")
    (folder / "model.mil").write_text(text.replace("= linear(", "= linea("), "utf-8")
    with pytest.raises(TextError, match=r"model\.mil:\d+:\d+: op 'linear': unknown op 'linea'"):
        milopt.load(folder)


def pipeline_of(folder: Path, shelf: Shelf, *names: str) -> Path:
    """A compiled pipeline of compiled models."""
    result = folder / "whole.mlmodelc"
    result.mkdir()
    for index, name in enumerate(names):
        compiled(shelf[name], folder / "work").rename(result / f"model{index}")
    (result / "coremldata.bin").write_bytes(struct.pack("<I", PIPELINE) + bytes(100))
    return result


def test_compiled_pipeline_is_refused_and_its_stages_can_be_opened(tmp_path: Path, shelf: Shelf) -> None:
    folder = pipeline_of(tmp_path, shelf, "linear", "linear_after")
    refusal(lambda: milopt.load(folder), PackageError, r"is a pipeline \(.*model0, .*model1\)$")
    for stage, name in (("model0", "linear"), ("model1", "linear_after")):
        assert first_difference(milopt.load(folder / stage).program, milopt.load(shelf[name]).program) is None


def test_stage_of_a_pipeline_may_have_its_weights_beside_it(tmp_path: Path, shelf: Shelf) -> None:
    folder = pipeline_of(tmp_path, shelf, "linear")
    (folder / "model0" / "weights").rename(folder / "weights")
    text = folder / "model0" / "model.mil"
    text.write_text(text.read_text("utf-8").replace("@model_path/weights", "@model_path/../weights"), "utf-8")
    assert first_difference(milopt.load(folder / "model0").program, milopt.load(shelf["linear"]).program) is None
    text.write_text(text.read_text("utf-8").replace("@model_path/..", "@model_path/../.."), "utf-8")
    with pytest.raises(TextError, match="leaves the package"):
        milopt.load(folder / "model0")


# --- no model


def test_missing_file(tmp_path: Path) -> None:
    for name in ("none.mil", "none.mlmodelc", "none.mlpackage", "none"):
        refusal(lambda name=name: milopt.load(tmp_path / name), PackageError, rf"{name}: no such file or folder$")


@pytest.mark.parametrize("data", [b"program(1.3)\xff", b"\xff\xfep\0r\0", bytes(range(128, 256))])
def test_file_that_is_no_text(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.mil").write_bytes(data)
    start = next(index for index, byte in enumerate(data) if byte > 127)
    pattern = rf"m\.mil: not MIL text: byte {start} is no UTF-8$"
    refusal(lambda: milopt.load(tmp_path / "m.mil"), PackageError, pattern)


def test_folder_that_is_called_as_a_text(tmp_path: Path) -> None:
    (tmp_path / "x.mil").mkdir()
    refusal(lambda: milopt.load(tmp_path / "x.mil"), PackageError, r"x\.mil: not an \.mlpackage: it has no Manifest")
    (tmp_path / "x.mil" / "model.mil").write_text(print_program(PROGRAMS["cond"](), weights="inline"), "utf-8")
    assert milopt.load(tmp_path / "x.mil").program
    refusal(lambda: read_source(tmp_path / "x.mil"), PackageError, "can not be read: Is a directory")


@pytest.mark.parametrize("text", ["", "\n", "not MIL", "program(1.3)\n{\n}\n"])
def test_text_without_a_program(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.mil").write_text(text, "utf-8")
    with pytest.raises(TextError) as caught:
        milopt.load(tmp_path / "m.mil")
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"{tmp_path / 'm.mil'}:")


@pytest.mark.parametrize("choice", ["zero", "Error", "", None, True])
def test_misspelt_choice_of_missing_weights_is_refused(choice: Any, shelf: Shelf) -> None:
    with pytest.raises(OptionError, match=r"is no choice \(it is 'error' or 'zeros'\)"):
        milopt.load(shelf["linear"], missing_weights=choice)


def test_text_in_the_place_of_a_path_is_told_apart() -> None:
    with pytest.raises(PackageError, match=r"^program\(1.3\)\.\.\.: no such file or folder \(milopt.parse_program"):
        milopt.load("program(1.3)\n{\n}\n")

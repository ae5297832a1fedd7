"""Weights whose file is missing, or that a text elides: an error, or zeros that are never taken for the weights."""

from __future__ import annotations

import io
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.cli.entry import BAD_INPUT, DONE, run
from milopt.cli.main import milopt as milopt_command
from milopt.ir.copying import copy_function, copy_program
from milopt.ir.diagnostics import TextError
from milopt.ir.errors import PackageError
from milopt.ir.excerpts import excerpt
from milopt.ir.pymil import opset_of
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.text.writing import write_program_text
from milopt.ir.weights.missing import StandIns, mark_missing_weights, missing_weights, require_weights
from milopt.ir.weights.references import BlobReference
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline
from milopt.runtime.session import Session
from support.canonical import constants
from support.packages import WEIGHTS, Shelf, copy_package
from support.programs import PROGRAMS
from support.refusals import refusal
from support.saving import all_constants

REFUSED = r"has zeros for 2 weights missing when it was read, {} first \({}\)"
X = np.random.default_rng(0).standard_normal((10, 40)).astype(np.float16)


def without_file(folder: Path) -> Path:
    """`linear` as a text whose weight file is gone."""
    write_program_text(folder / "m.mil", [PROGRAMS["linear"]()])
    (folder / "m.weights.bin").unlink()
    return folder / "m.mil"


def elided(folder: Path) -> Path:
    """`linear` as a text that does not say its weights."""
    write_program_text(folder / "m.mil", [PROGRAMS["linear"]()], weights="elided")
    return folder / "m.mil"


@pytest.fixture(params=[without_file, elided], ids=lambda make: make.__name__)
def text(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A text without its weights."""
    make: Callable[[Path], Path] = request.param
    return make(tmp_path)


@pytest.fixture
def model(text: Path) -> Any:
    """It, read all the same."""
    return milopt.load(text, missing_weights="zeros")


def weight_lines(text: Path) -> list[int]:
    lines = text.read_text("utf-8").split("\n")
    return [number for number, line in enumerate(lines, 1) if "BLOBFILE" in line or "ELIDED" in line]


# --- errors


def test_missing_file_is_an_error_at_its_first_use(tmp_path: Path) -> None:
    path = without_file(tmp_path)
    with pytest.raises(TextError) as caught:
        milopt.load(path)
    (found,) = caught.value.diagnostics
    assert found.location is not None
    assert (found.location.file, found.location.line) == (str(path), weight_lines(path)[0])
    assert found.location.excerpt[found.location.caret :].startswith("tensor<fp16, [64")
    assert found.message == f"{tmp_path / 'm.weights.bin'}: the weight file is missing"
    assert "--missing-weights zeros" in (found.hint or "")


def test_elided_weights_are_errors_each_at_its_place(tmp_path: Path) -> None:
    path = elided(tmp_path)
    with pytest.raises(TextError) as caught:
        milopt.load(path)
    found = caught.value.diagnostics
    assert [each.location.line for each in found if each.location] == weight_lines(path)
    assert {each.message.partition(":")[0] for each in found} == {"the text elides this weight"}
    assert "--missing-weights zeros" in (found[0].hint or "")


def test_package_without_its_weight_file_is_refused_by_default(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    (package / WEIGHTS).unlink()
    refusal(lambda: milopt.load(package), PackageError, r"weight\.bin: the weight file is missing")
    model = milopt.load(package, missing_weights="zeros")
    assert missing_weights(model.program) == ("weights/weight.bin",)


def test_weights_that_are_there_are_no_zeros(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()])
    model = milopt.load(tmp_path / "m.mil", missing_weights="zeros")
    assert missing_weights(model.program) == ()
    assert list(model.weights.stand_ins.names) == []
    assert any(np.any(array) for array in all_constants(model).values() if array.size > 1000)


def test_damaged_weight_file_is_an_error_all_the_same(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()])
    (tmp_path / "m.weights.bin").write_bytes(b"short")
    with pytest.raises(TextError, match=r"m\.weights\.bin"):
        milopt.load(tmp_path / "m.mil", missing_weights="zeros")


def test_path_out_of_the_folder_is_an_error_all_the_same() -> None:
    weight = 'const()[val = fp16(BLOBFILE(path = string("@model_path/../w"), offset = uint64(64)))]'
    text = f"program(1.3){{func main<ios18>(){{fp16 y = {weight};}}->(y);}}"
    with pytest.raises(TextError, match="leaves the package"):
        parse_program(text, folder=".", missing_weights="zeros")


# --- zeros


def test_zeros_have_the_type_and_shape_of_what_is_missing(model: Any) -> None:
    expected = {name: (array.dtype, array.shape) for name, array in constants(PROGRAMS["linear"]()).items()}
    found = constants(model.program)
    assert {name: (array.dtype, array.shape) for name, array in found.items()} == expected
    large = [array for array in found.values() if array.size > 10]
    assert len(large) == 2
    assert not any(np.any(array) for array in large)


KINDS = ("sub_byte_types", "blockwise_int4", "lut_3_bits", "lut_4_bits_ios16", "sparse", "lstm", "constants")


@pytest.mark.parametrize("weights", ["elided", "BLOBFILE"])
@pytest.mark.parametrize("name", KINDS)
def test_zeros_of_every_kind_of_constant(name: str, weights: str, tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS[name]()], weights="elided" if weights == "elided" else None)
    for file in tmp_path.glob("*.bin"):
        file.unlink()
    found = milopt.load(tmp_path / "m.mil", missing_weights="zeros").program
    shapes = {key: (array.dtype, array.shape) for key, array in constants(found).items()}
    assert shapes == {key: (array.dtype, array.shape) for key, array in constants(PROGRAMS[name]()).items()}
    assert missing_weights(found)


def test_program_remembers_what_was_missing(text: Path, model: Any) -> None:
    marks = missing_weights(model.program)
    assert len(marks) == len(weight_lines(text)) if "ELIDED" in text.read_text("utf-8") else marks == ("m.weights.bin",)
    assert list(model.weights.stand_ins.names) == list(marks)


def test_copies_remember(model: Any) -> None:
    marks = missing_weights(model.program)
    assert marks
    assert missing_weights(copy_program(model.program)) == marks
    assert missing_weights(model.copy().program) == marks
    function = model.program.functions["main"]
    assert missing_weights(excerpt(model.program, "main", list(function.operations))) == marks
    assert copy_function(function, opset_of(function)) is not function


@pytest.mark.parametrize(
    "pipeline",
    [
        "program(raise-opset{target=iOS18})",
        "program(quantize-weights)",
        "program(common::dead_code_elimination)",
        "program(raise-opset{target=iOS18}, quantize-weights{min-elements=0}, common::const_elimination)",
    ],
)
@pytest.mark.parametrize("in_place", [False, True])
def test_programs_remember_after_passes(pipeline: str, model: Any, *, in_place: bool) -> None:
    marks = missing_weights(model.program)
    program = copy_program(model.program)
    result = PassManager(parse_pipeline(pipeline)).run(program, in_place=in_place).program
    assert (result is program) == in_place
    assert missing_weights(result) == marks
    assert missing_weights(milopt.optimize(model, target="iOS18").model.program) == marks


def stand_ins(*files: str) -> StandIns:
    found = StandIns()
    for file in files:
        found.note(BlobReference(file, 64))
    return found


def test_mark_is_on_one_program_only() -> None:
    one, other = PROGRAMS["linear"](), PROGRAMS["linear"]()
    mark_missing_weights(one, stand_ins("a", "b"))
    assert (missing_weights(one), missing_weights(other)) == (("a", "b"), ())
    require_weights(other, "run", "no")
    refusal(lambda: require_weights(one, "run", "do"), PackageError, REFUSED.format("a", "do"))
    mark_missing_weights(other, stand_ins("c"))
    refusal(lambda: require_weights(other, "run", "do"), PackageError, "zeros for 1 weight missing when it was read, c")


# --- what is refused


def test_session_refuses_unless_that_is_allowed(model: Any) -> None:
    pattern = r"^the program can not be run: it has zeros for .*allow_missing_weights=True"
    for opened in (model, model.program):
        refusal(lambda opened=opened: Session(opened), PackageError, pattern)
        (found,) = Session(opened, allow_missing_weights=True).run({"x": X}).values()
        assert found.shape == (10, 64)
        assert not np.any(found)


def test_save_refuses_unless_that_is_allowed(model: Any, tmp_path: Path) -> None:
    hint = "allow_missing_weights=True, --allow-missing-weights writes the zeros"
    pattern = rf"^the program can not be saved as a package: .*\({hint}\)$"
    before = sorted(tmp_path.iterdir())
    refusal(lambda: model.save(tmp_path / "m.mlpackage"), PackageError, pattern)
    refusal(lambda: milopt.optimize(model).model.save(tmp_path / "m.mlpackage"), PackageError, pattern)
    assert sorted(tmp_path.iterdir()) == before
    model.save(tmp_path / "m.mlpackage", allow_missing_weights=True)
    saved = milopt.load(tmp_path / "m.mlpackage")
    assert missing_weights(saved.program) == ()  # there they are weights like others
    assert not any(np.any(array) for array in all_constants(saved).values() if array.size > 10)


def test_package_that_was_not_looked_into_is_refused_as_well(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["linear"], tmp_path)
    (package / WEIGHTS).unlink()
    model = milopt.load(package, missing_weights="zeros")
    refusal(lambda: model.save(tmp_path / "n.mlpackage"), PackageError, "can not be saved as a package")
    refusal(lambda: Session(milopt.load(package, missing_weights="zeros")), PackageError, "can not be run")


@pytest.mark.parametrize("weights", ["inline", "elided"])
def test_printing_is_allowed_and_leaves_what_is_missing_as_it_was_said(model: Any, weights: Any) -> None:
    text = print_program(model.program, weights=weights)
    assert text.count("0x0p+0") == 0
    assert text.count("ELIDED(") + text.count("BLOBFILE(") == 2


# --- commands


def ran(*words: object) -> tuple[int, str]:
    """Runs `milopt`; the exit code and stderr."""
    err = io.StringIO()
    return run(milopt_command, [str(word) for word in words], io.StringIO(), io.StringIO(), err), err.getvalue()


WARNED = re.compile(r"^warning: m\.mil: (m\.weights\.bin is missing; its|2 elided) weights are zeros$", re.MULTILINE)


def test_commands_refuse_unless_that_is_allowed(text: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=X[np.newaxis])
    commands: list[tuple[object, ...]] = [
        ("run", text, "--data", tmp_path / "in.npz"),
        ("export", text, "-o", tmp_path / "out.onnx"),
        ("optimize", text, "-o", tmp_path / "out.mlpackage"),
    ]
    before = sorted(tmp_path.iterdir())
    for words in commands:
        code, err = ran(*words)
        assert code == BAD_INPUT, words
        assert re.search("the weight file is missing|the text elides this weight", err), words
    assert sorted(tmp_path.iterdir()) == before
    for words in commands[:2]:
        code, err = ran(*words, "--allow-missing-weights")
        assert code == DONE, words
        assert WARNED.search(err)
        assert err.count("warning: ") == 1


def test_commands_that_need_no_weights_warn(text: Path) -> None:
    for words in (("inspect", text), ("print", text), ("verify", text, "--missing-weights", "zeros")):
        code, err = ran(*words)
        assert code == DONE, words
        assert WARNED.search(err)


# --- memory

HUGE = """program(1.3)
{
    func main<ios17>(tensor<fp16, [1, 100000]> x) {
            tensor<fp16, [100000, 100000]> w = const()[name = string("w"), val = tensor<fp16, [100000, 100000]>(%s)];
            tensor<fp16, [1, 100000]> y = linear(weight = w, x = x)[name = string("y")];
        } -> (y);
}
"""


@pytest.mark.parametrize(
    "place",
    [
        'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))',
        'ELIDED(digest = string("sha256:0123456789abcdef"))',
    ],
)
def test_huge_weights_that_are_missing_take_no_memory(place: str, tmp_path: Path) -> None:
    (tmp_path / "m.mil").write_text(HUGE % place, "utf-8")
    print_program(milopt.load(tmp_path / "m.mil", missing_weights="zeros").program, weights=_References())  # imports
    tracemalloc.start()
    try:
        model = milopt.load(tmp_path / "m.mil", missing_weights="zeros")
        copy_program(model.program)
        print_program(model.program, weights=_References())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert model.program.functions["main"].operations[0].outputs[0].shape == (100_000, 100_000)
    assert peak < 30 << 20


class _References:
    """Puts every weight elsewhere."""

    stores = False

    def place(self, array: np.ndarray, dtype: Any) -> Any:  # noqa: ARG002
        return BlobReference("w", 64) if array.size > 10 else None

"""Every package and program there is, to text and back: the same protobuf, the same program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.errors import SaveError
from milopt.ir.model_parts import ml_programs
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from milopt.ir.text.writing import write_program_text
from milopt.ir.weights.files import WeightFile
from support.packages import PACKAGES, Shelf, contents, shared_models
from support.programs import PROGRAMS
from support.refusals import refusal

DIALECTS: tuple[Any, ...] = ("1.0", "1.3")
SMALL = 1 << 18  # bytes of weights that are written into a text in this test
EVERY = [pytest.param(path, id=path.stem) for path in shared_models()] + [*PACKAGES, *PROGRAMS]


@pytest.fixture(params=EVERY)
def package(request: pytest.FixtureRequest, shelf: Shelf) -> Path:
    """Each package in turn."""
    return request.param if isinstance(request.param, Path) else shelf[request.param]


def test_protobuf_comes_back(package: Path) -> None:
    for _, specification in ml_programs(milopt.load(package).specification):
        for dialect in DIALECTS:
            parsed = parse_proto(print_proto(specification.mlProgram, dialect=dialect))
            assert parsed.dialect == dialect
            assert with_sorted_entries(parsed.program) == with_sorted_entries(specification.mlProgram)


def with_sorted_entries(program: Any) -> Any:
    """A program whose dictionaries of attributes are sorted, which is how they are printed."""
    result = type(program)()
    result.CopyFrom(program)
    for value in result.attributes.values():
        value.immediateValue.dictionary.values.sort(key=lambda pair: pair.key.SerializeToString())
    if not result.attributes:
        result.attributes["buildInfo"].CopyFrom(
            parse_proto("program(1.3)[b = dict<string, string>({})]{}").program.attributes["b"]
        )
    return result


def test_program_comes_back_with_its_weights_in_the_text(package: Path) -> None:
    model = milopt.load(package)
    if sum(file.stat().st_size for file in package.rglob("*.bin")) > SMALL:
        pytest.skip("its weights would make a long text; those of others are written")
    for program in model.programs.values():
        for dialect in DIALECTS:
            text = print_program(program, weights="inline", dialect=dialect)
            assert "BLOBFILE" not in text
            found = parse_program(text)
            assert difference(found, program) is None
            assert print_program(found, weights="inline", dialect=dialect) == text


def test_programs_come_back_with_their_weights_in_a_file(package: Path, tmp_path: Path) -> None:
    programs = list(milopt.load(package).programs.values())
    write_program_text(tmp_path / "m.mil", programs)
    source = Source((tmp_path / "m.mil").read_text("utf-8"), "m.mil")
    parts = source.sections()
    assert len(parts) == len(programs)
    for part, program in zip(parts, programs, strict=True):
        assert "ELIDED" not in part.text
        assert difference(parse_program(part, folder=tmp_path), program) is None
    if len(programs) == 1:
        assert difference(milopt.load(tmp_path / "m.mil").program, programs[0]) is None


def difference(found: Any, program: Any) -> str | None:
    """Where two programs first differ; text sorts functions, so the order of these does not count."""
    assert sorted(found.functions) == sorted(program.functions)
    found.functions = {name: found.functions[name] for name in program.functions}
    return first_difference(found, program)


# --- the weight file


def test_equal_weights_are_written_once(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS["equal_weights"]()])
    left, right = PROGRAMS["equal_weights"]().functions["main"].find_ops(op_type="linear")
    assert left.weight.val.tobytes() == right.weight.val.tobytes()
    header = (tmp_path / "m.weights.bin").read_bytes()[:4]
    large = {op.weight.val.tobytes() for op in (left, right)} | {op.bias.val.tobytes() for op in (left, right)}
    assert int.from_bytes(header, "little") == len(large)
    WeightFile(tmp_path / "m.weights.bin")


def test_program_without_weights_has_no_file(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS["matmul_inputs"]()])
    assert list(contents(tmp_path)) == ["m.mil"]


def test_each_program_has_a_file_of_its_own(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS[name]() for name in ("linear", "matmul_inputs", "conv")])
    assert list(contents(tmp_path)) == ["m.2.weights.bin", "m.mil", "m.weights.bin"]


def test_other_ways_to_write_weights_make_no_file(tmp_path: Path) -> None:
    for weights in ("inline", "elided"):
        write_program_text(tmp_path / f"{weights}.mil", [PROGRAMS["linear"]()], weights=weights, dialect="1.0")
        text = (tmp_path / f"{weights}.mil").read_text("utf-8")
        assert text == print_program(PROGRAMS["linear"](), weights=weights, dialect="1.0")
    assert list(contents(tmp_path)) == ["elided.mil", "inline.mil"]


def test_text_can_replace_the_one_it_was_read_from(tmp_path: Path) -> None:
    write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()])
    before = contents(tmp_path)
    program = milopt.load(tmp_path / "m.mil").program
    write_program_text(tmp_path / "m.mil", [program], overwrite=True)
    assert contents(tmp_path) == before
    assert first_difference(program, PROGRAMS["linear"]()) is None


@pytest.mark.parametrize("taken", ["m.mil", "m.weights.bin"])
def test_nothing_is_overwritten_unless_that_is_asked_for(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).write_bytes(b"mine")
    refusal(
        lambda: write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()]),
        SaveError,
        rf"{taken}: the output exists already",
    )
    assert contents(tmp_path) == {taken: b"mine"}
    write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()], overwrite=True)
    assert list(contents(tmp_path)) == ["m.mil", "m.weights.bin"]


def test_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.mil").mkdir()
    with pytest.raises(SaveError):
        write_program_text(tmp_path / "m.mil", [PROGRAMS["linear"]()], overwrite=True)
    assert contents(tmp_path) == {}

"""`milopt print`: models of every form as text, whole, one function of them, or what is around one op."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import pytest
from milopt.cli.entry import BAD_INPUT, DONE, run
from milopt.cli.main import milopt as milopt_command
from milopt.ir.equality import first_difference
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.text.writing import joined, write_program_text
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from support.packages import MODEL_FOLDER, Shelf, read_specification
from support.programs import PROGRAMS

Command = Callable[..., Any]

SMALL = """program(1.0)
[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"author", "A. Name"}})]
{
    func main<ios17>(tensor<fp16, [2, 3]> x) {
            tensor<fp16, []> a = const()[name = tensor<string, []>("a"), val = tensor<fp16, []>(0x1p-1)];
            tensor<fp16, [2, 3]> b = add(x = x, y = a)[name = tensor<string, []>("b")];
            tensor<fp16, [2, 3]> c = relu(x = b)[name = tensor<string, []>("c")];
            tensor<fp16, [2, 3]> d = mul(x = c, y = a)[name = tensor<string, []>("d")];
            tensor<fp16, [2, 3]> e = exp(x = d)[name = tensor<string, []>("e")];
        } -> (e);
}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A text in the older dialect."""
    (tmp_path / "in.mil").write_text(SMALL, "utf-8")
    return tmp_path / "in.mil"


def on_stdin(content: str, *words: str) -> tuple[int, str, str]:
    """Runs `milopt print` with a text on stdin."""
    out, err = io.StringIO(), io.StringIO()
    return run(milopt_command, ["print", *words], io.StringIO(content), out, err), out.getvalue(), err.getvalue()


def operations(text: str) -> list[str]:
    """The names of the values that a text defines."""
    return re.findall(r"^ {12}\S.*? (\w+) = ", text.replace("fp16, [2, 3]", "fp16,[2,3]"), re.MULTILINE)


# --- dialects and weights


def test_text_keeps_its_dialect(small: Path, milopt: Command) -> None:
    assert milopt("print", small) == (DONE, SMALL, "")
    newer = milopt("print", small, "--dialect", "1.3")
    assert newer.out.startswith("program(1.3)\n[buildInfo = dict<string, string>(")
    assert milopt("print", small, "--dialect=1.0").out == SMALL
    assert on_stdin(newer.out, "-", "--dialect=1.0") == (DONE, SMALL, "")


def test_package_is_printed_in_the_new_dialect(milopt: Command, shelf: Shelf) -> None:
    program = read_specification(shelf["linear"]).mlProgram
    assert milopt("print", "@linear") == (DONE, print_proto(program), "")
    assert milopt("print", "@linear", "--dialect=1.0").out == print_proto(program, dialect="1.0")


def test_text_from_stdin(milopt: Command) -> None:
    assert on_stdin(SMALL, "-") == (DONE, SMALL, "")
    code, out, err = on_stdin("program(1.3)", "-")
    assert (code, out) == (BAD_INPUT, "")
    assert err.startswith("<stdin>:1:13: error: ")
    assert milopt("print", "-").code == BAD_INPUT


def test_faults_of_a_text_are_told_with_their_places(small: Path, milopt: Command) -> None:
    small.write_text(SMALL.replace("relu(x = b)", "relo(x = b)").replace("y = a", "y = aa"), "utf-8")
    ran = milopt("print", small)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert re.findall(r"in\.mil:(\d+:\d+): error", ran.err) == ["6:53", "7:38", "8:53"]


def test_elided_weights(milopt: Command) -> None:
    assert milopt("print", "@linear", "--elide") == milopt("print", "@linear", "--weights", "elided")
    assert "ELIDED" in milopt("print", "@linear", "--elide").out


def test_reference_of_a_missing_weight_is_printed_without_it(milopt: Command, tmp_path: Path) -> None:
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()])
    text = (tmp_path / "in.mil").read_text("utf-8")
    (tmp_path / "in.weights.bin").unlink()
    ran = milopt("print", "@/in.mil")
    assert (ran.code, ran.out) == (DONE, text)
    for flag in ("--elide", "--weights=inline"):
        refused = milopt("print", "@/in.mil", flag)
        assert (refused.code, refused.out) == (BAD_INPUT, "")
        assert "in.weights.bin: the weight file is missing" in refused.err
    zeros = milopt("print", "@/in.mil", "--weights=inline", "--missing-weights=zeros")
    assert zeros.code == DONE
    assert zeros.err == "warning: in.mil: in.weights.bin is missing; its weights are zeros\n"
    assert zeros.out == text


def test_digests_are_printed_again(milopt: Command, tmp_path: Path) -> None:
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()], weights="elided")
    assert milopt("print", "@/in.mil").out == (tmp_path / "in.mil").read_text("utf-8")


def test_compiled_model(milopt: Command, tmp_path: Path) -> None:
    (tmp_path / "m.mlmodelc").mkdir()
    (tmp_path / "m.mlmodelc" / "model.mil").write_text(SMALL, "utf-8")
    ran = milopt("print", "@/m.mlmodelc")
    assert (ran.code, ran.out) == (DONE, SMALL)
    assert all(line.startswith("note: m.mlmodelc: ") for line in ran.err.splitlines())


# --- functions


@pytest.mark.parametrize("flags", [[], ["--elide"], ["--weights=inline"]])
@pytest.mark.parametrize("function", ["encode", "decode"])
def test_one_function(function: str, flags: list[str], milopt: Command, shelf: Shelf) -> None:
    ran = milopt("print", "@two_functions", "--function", function, *flags)
    assert (ran.code, ran.err) == (DONE, "")
    assert re.findall(r"^    func (\w+)<", ran.out, re.MULTILINE) == [function]
    whole = milopt("print", "@two_functions", *flags).out
    body = ran.out.partition("func ")[2].rpartition("}\n")[0]
    assert body in whole
    assert list(package.load(shelf["two_functions"]).program.functions) == ["encode", "decode"]


def test_function_of_several_programs(milopt: Command) -> None:
    assert milopt("print", "@pipeline", "--function=main") == milopt("print", "@pipeline")


@pytest.mark.parametrize("words", [[], ["--op=encode"], ["--elide"]])
def test_function_that_there_is_not(words: list[str], milopt: Command) -> None:
    message = "two_functions.mlpackage: there is no function 'encod' (did you mean 'encode'?)"
    milopt("print", "@two_functions", "--function", "encod", *words).require_mistake(message)
    milopt("print", "@two_functions", "--function", "x", *words).require_mistake("(the functions are ")


# --- what is around an op


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (["--depth", "0"], ["a", "d"]),
        ([], ["a", "c", "d", "e"]),
        (["--depth", "1"], ["a", "c", "d", "e"]),
        (["--depth", "2"], ["a", "b", "c", "d", "e"]),
        (["--depth", "99"], ["a", "b", "c", "d", "e"]),
    ],
)
def test_surroundings_of_an_op(depth: list[str], expected: list[str], small: Path, milopt: Command) -> None:
    ran = milopt("print", small, "--op", "d", *depth)
    assert (ran.code, ran.err) == (DONE, "")
    assert operations(ran.out) == expected
    assert ran.out.startswith("program(1.0)\n")
    assert verify(parse_program(ran.out)) == []


def test_surroundings_in_another_dialect(small: Path, milopt: Command) -> None:
    older = milopt("print", small, "--op", "d").out
    newer = milopt("print", small, "--op", "d", "--dialect=1.3").out
    assert parse_proto(older).program.functions == parse_proto(newer).program.functions
    assert (parse_proto(older).dialect, parse_proto(newer).dialect) == ("1.0", "1.3")


def test_op_from_stdin() -> None:
    code, out, err = on_stdin(SMALL, "-", "--op=d", "--depth=0")
    assert (code, err, operations(out)) == (DONE, "", ["a", "d"])


def test_weights_around_an_op(milopt: Command, shelf: Shelf) -> None:
    model = package.load(shelf["linear_chain"])
    ran = milopt("print", "@linear_chain", "--op=second", "--depth=0")
    found = parse_program(ran.out, folder=shelf["linear_chain"] / MODEL_FOLDER)
    assert ran.out.count("BLOBFILE") == 2
    second = {op.name: op for op in walk(model.program)}["second_weight_0"]
    here = {op.name: op for op in walk(found)}["second_weight_0"]
    assert here.outputs[0].val.tobytes() == second.outputs[0].val.tobytes()
    assert "ELIDED" in milopt("print", "@linear_chain", "--op=second", "--elide").out
    assert "0x" in milopt("print", "@linear_chain", "--op=second", "--weights=inline").out


@pytest.mark.parametrize("make", ["elided", None])
def test_missing_weights_around_an_op_stay_references(make: Any, milopt: Command, tmp_path: Path) -> None:
    """They are not told to be zeros."""
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()], weights=make)
    (tmp_path / "in.weights.bin").unlink(missing_ok=True)
    text = (tmp_path / "in.mil").read_text("utf-8")
    ran = milopt("print", "@/in.mil", "--op=linear", "--depth=0")
    assert ran.code == DONE
    assert ran.out.partition("func ")[2] == text.partition("func ")[2]


@pytest.mark.parametrize("name", ["cond", "while_loop", "attention", "constants", "sub_byte_types", "lstm"])
def test_surroundings_of_every_op_parse(name: str, milopt: Command, shelf: Shelf) -> None:
    program = package.load(shelf[name]).program
    found = [operation.name for operation in walk(program) if operation.op_type != "const"]
    for op_name in found[:: max(1, len(found) // 12)]:
        ran = milopt("print", f"@{name}", "--op", op_name, "--weights=inline")
        assert (ran.code, ran.err) == (DONE, ""), op_name
        again = parse_program(ran.out)
        assert verify(again) == []
        assert f'name = string("{op_name}")' in ran.out
        assert print_program(again, weights="inline") == ran.out


def test_op_of_any_stage_of_a_pipeline(milopt: Command, shelf: Shelf) -> None:
    first, second = package.load(shelf["pipeline"]).programs.values()
    for program in (first, second):
        name = next(operation.name for operation in walk(program) if operation.op_type == "linear")
        ran = milopt("print", "@pipeline", "--op", name, "--depth=0", "--weights=inline")
        assert (ran.code, ran.err) == (DONE, "")
        assert f'name = string("{name}")' in ran.out
    assert first_difference(first, second) is not None


def test_op_of_one_function(milopt: Command) -> None:
    ran = milopt("print", "@two_functions", "--function=decode", "--op=decode", "--depth=0")
    assert re.findall(r"^    func (\w+)<", ran.out, re.MULTILINE) == ["decode"]
    assert milopt("print", "@two_functions", "--op=encode").code == DONE
    assert "func decode<" in milopt("print", "@two_functions", "--op=decode").out  # not of the default function
    milopt("print", "@two_functions", "--function=encode", "--op=decode").require_mistake("decode")


def test_op_that_there_is_not(small: Path, milopt: Command) -> None:
    milopt("print", small, "--op", "nothing").require_mistake("nothing")
    milopt("print", "@linear", "--op", "linaer").require_mistake("did you mean 'linear'?")
    milopt("print", "@pipeline", "--op", "linaer").require_mistake("linaer")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--depth", "1"], "--depth needs --op, the op to go from"),
        (["--op", "d", "--depth", "-1"], "-1"),
        (["--op", "d", "--depth", "x"], "'x'"),
        (["--op"], "--op"),
    ],
)
def test_mistakes(words: list[str], message: str, small: Path, milopt: Command) -> None:
    milopt("print", small, *words).require_mistake(message)


def test_programs_are_parted_by_a_line(milopt: Command, shelf: Shelf) -> None:
    ran = milopt("print", "@pipeline", "--weights=inline")
    programs = package.load(shelf["pipeline"]).programs.values()
    assert ran.out == joined(print_program(program, weights="inline") for program in programs)

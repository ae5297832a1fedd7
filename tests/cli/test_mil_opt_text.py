"""`mil-opt` on MIL text: written back with its weights, split into parts, and checked against what it expects."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE, run
from milopt.cli.mil_opt import mil_opt as mil_opt_command
from milopt.ir.equality import first_difference
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.text.writing import joined, write_program_text
from milopt.ir.weights.missing import missing_weights
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline
from support.packages import Shelf, contents
from support.programs import PROGRAMS

Command = Callable[..., Any]
QUANTIZE = "--pass-pipeline=program(quantize-weights)"

# Two faults, in lines 4 and 5.
FAULTY = """program(1.3)
{
    func main<ios17>(tensor<fp16, [2, 3]> x) {
            tensor<fp16, [2, 3]> a = rulu(x = x);
            tensor<fp16, [2, 3]> y = relu(x = nothing);
        } -> (y);
}
"""
GOOD = FAULTY.replace("rulu", "relu").replace("nothing", "a")
UNPARSABLE = "program(1.3)\n{\n    fun\n}\n"


@pytest.fixture
def text(tmp_path: Path) -> Callable[[str], Path]:
    """Puts a text into the file `in.mil`."""

    def write(content: str) -> Path:
        path = tmp_path / "in.mil"
        path.write_text(content, "utf-8")
        return path

    return write


def on_stdin(content: str, *words: str) -> tuple[int, str, str]:
    """Runs the command with a text on stdin."""
    out, err = io.StringIO(), io.StringIO()
    return run(mil_opt_command, words, io.StringIO(content), out, err), out.getvalue(), err.getvalue()


# --- text in, text out


@pytest.mark.parametrize("name", ["linear", "cond", "lstm", "sub_byte_types"])
def test_text_with_a_weight_file_comes_back(name: str, mil_opt: Command, tmp_path: Path, shelf: Shelf) -> None:
    program = package.load(shelf[name]).program
    assert mil_opt(f"@{name}", "-o", "@/one.mil") == (DONE, "", "")
    assert mil_opt("@/one.mil", "-o", "@/two.mil") == (DONE, "", "")
    one, two = contents(tmp_path)["one.mil"].decode(), contents(tmp_path)["two.mil"].decode()
    assert first_difference(package.load(tmp_path / "two.mil").program, program) is None
    assert one.replace("one.weights.bin", "two.weights.bin") == two
    assert list(contents(tmp_path)) == ["one.mil", "one.weights.bin", "two.mil", "two.weights.bin"]


def test_text_after_passes_comes_back(mil_opt: Command, tmp_path: Path, shelf: Shelf) -> None:
    assert mil_opt("@linear_chain", QUANTIZE, "-o", "@/small.mil") == (DONE, "", "")
    program = package.load(shelf["linear_chain"]).program
    result = PassManager(parse_pipeline("program(quantize-weights)")).run(program).program
    assert first_difference(package.load(tmp_path / "small.mil").program, result) is None


def test_text_becomes_a_package_and_back(mil_opt: Command, tmp_path: Path) -> None:
    write_program_text(tmp_path / "in.mil", [PROGRAMS["conv"]()])
    assert mil_opt("@/in.mil", "-o", "@/out.mlpackage") == (DONE, "", "")
    assert first_difference(package.load(tmp_path / "out.mlpackage").program, PROGRAMS["conv"]()) is None


def test_compiled_model_becomes_a_package_with_its_notes(mil_opt: Command, tmp_path: Path) -> None:
    (tmp_path / "in.mlmodelc").mkdir()
    (tmp_path / "in.mlmodelc" / "model.mil").write_text(GOOD, "utf-8")
    ran = mil_opt("@/in.mlmodelc", "-o", "@/out.mlpackage")
    assert (ran.code, ran.out) == (DONE, "")
    assert all(line.startswith("note: in.mlmodelc: ") for line in ran.err.splitlines())
    assert len(ran.err.splitlines()) == 3
    assert (tmp_path / "out.mlpackage").is_dir()


def test_weights_are_as_asked_for(mil_opt: Command, tmp_path: Path) -> None:
    for weights in ("inline", "elided"):
        assert mil_opt("@linear", "-o", f"@/{weights}.mil", "--weights", weights).code == DONE
    assert list(contents(tmp_path)) == ["elided.mil", "inline.mil"]
    assert mil_opt("@/inline.mil").out == contents(tmp_path)["elided.mil"].decode()


def test_programs_of_a_pipeline_have_weight_files_of_their_own(mil_opt: Command, tmp_path: Path, shelf: Shelf) -> None:
    assert mil_opt("@pipeline", "-o", "@/out.mil") == (DONE, "", "")
    assert list(contents(tmp_path)) == ["out.1.weights.bin", "out.mil", "out.weights.bin"]
    ran = mil_opt("@/out.mil", "--split-input-file", "--weights=inline")
    expected = package.load(shelf["pipeline"]).programs.values()
    assert ran.out == joined(print_program(program, weights="inline") for program in expected)


def test_weight_file_of_another_is_not_overwritten(mil_opt: Command, tmp_path: Path) -> None:
    (tmp_path / "out.weights.bin").write_bytes(b"mine")
    mil_opt("@linear", "-o", "@/out.mil").require_mistake("out.weights.bin: the output exists already")
    assert contents(tmp_path) == {"out.weights.bin": b"mine"}
    assert mil_opt("@linear", "-o", "@/out.mil", "--force").code == DONE
    assert first_difference(package.load(tmp_path / "out.mil").program, PROGRAMS["linear"]()) is None


def test_text_can_be_replaced_by_itself(mil_opt: Command, tmp_path: Path) -> None:
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()])
    assert mil_opt("@/in.mil", QUANTIZE, "-o", "@/in.mil", "--force") == (DONE, "", "")
    program = package.load(tmp_path / "in.mil").program
    expected = PassManager(parse_pipeline("program(quantize-weights)")).run(PROGRAMS["linear"]()).program
    assert first_difference(program, expected) is None


# --- stdin


def test_text_from_stdin() -> None:
    code, out, err = on_stdin(GOOD, "-")
    assert (code, err) == (DONE, "")
    assert out == print_program(parse_program(GOOD))


def test_faults_of_text_from_stdin() -> None:
    code, out, err = on_stdin(FAULTY, "-", "-o", "-")
    assert (code, out) == (BAD_INPUT, "")
    assert err.startswith("<stdin>:4:38: error: op 'a': unknown op 'rulu'")


def test_weights_of_text_from_stdin_lie_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()])
    monkeypatch.chdir(tmp_path)
    code, out, _ = on_stdin((tmp_path / "in.mil").read_text("utf-8"), "-", "--weights=inline")
    assert (code, out) == (DONE, print_program(PROGRAMS["linear"](), weights="inline"))


def test_parts_from_stdin() -> None:
    code, out, err = on_stdin(joined([GOOD, GOOD]), "-", "--split-input-file")
    assert (code, err) == (DONE, "")
    assert out == joined([print_program(parse_program(GOOD))] * 2)


# --- faults


def test_all_faults_are_told_at_once(mil_opt: Command, text: Any) -> None:
    path = text(FAULTY)
    ran = mil_opt(path)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    lines = ran.err.splitlines()
    assert lines[:3] == [
        f"{path}:4:38: error: op 'a': unknown op 'rulu' (did you mean 'relu'?)",
        "            tensor<fp16, [2, 3]> a = rulu(x = x);",
        " " * 37 + "^~~~",
    ]
    assert lines[3].startswith(f"{path}:5:47: error: op 'y': 'nothing' is not defined")
    assert lines[4:] == ["            tensor<fp16, [2, 3]> y = relu(x = nothing);", " " * 46 + "^" + "~" * 6]


def test_faults_of_every_part_are_told(mil_opt: Command, text: Any, tmp_path: Path) -> None:
    path = text(joined([FAULTY, GOOD, UNPARSABLE]))
    ran = mil_opt(path, "--split-input-file", "-o", "@/out.mil")
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert re.findall(r"in\.mil:(\d+:\d+): error", ran.err) == ["4:38", "5:47", "19:5"]
    assert list(contents(tmp_path)) == ["in.mil"]


def test_parts_are_one_text_unless_they_are_split(mil_opt: Command, text: Any) -> None:
    ran = mil_opt(text(joined([GOOD, GOOD])))
    assert ran.code == BAD_INPUT
    assert "in.mil:9:1: error: expected the end of the text, found 'program'" in ran.err
    assert "--split-input-file" in ran.err


def test_package_can_not_be_split(mil_opt: Command) -> None:
    mil_opt("@linear", "--split-input-file").require_mistake("only MIL text can be split")


def test_parts_do_not_fit_into_a_package(mil_opt: Command, text: Any, tmp_path: Path) -> None:
    path = text(joined([GOOD, GOOD]))
    mil_opt(path, "--split-input-file", "-o", "@/o.mlpackage").require_mistake("2 parts do not fit into one package")
    assert list(contents(tmp_path)) == ["in.mil"]
    assert mil_opt(text(GOOD), "--split-input-file", "-o", "@/o.mlpackage").code == DONE


def test_error_of_a_pass_is_placed_in_the_text(mil_opt: Command, text: Any) -> None:
    regions = "tensor<fp16, [1, 1, 4, 1, 1]>([[[[[0]], [[0]], [[1]], [[1]]]]])"
    path = text(f"""program(1.3)
{{
    func main<ios16>(tensor<fp16, [1, 2, 5, 7]> x) {{
            tensor<fp16, [1, 1, 4, 1, 1]> r = const()[val = {regions}];
            tensor<fp16, [1, 1, 2, 3, 3]> y = crop_resize(roi = r, target_height = int32(3), target_width = int32(3),
                x = x);
        }} -> (y);
}}
""")
    assert mil_opt(path).code == DONE
    ran = mil_opt(path, "--pass-pipeline=program(raise-opset{target=iOS18})")
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert re.match(rf"{re.escape(str(path))}:5:\d+: error: .*crop_resize can not be raised ", ran.err)


# --- expected diagnostics


def expecting(*lines: str, program: str = FAULTY) -> str:
    """A text with comments put before its lines: `number: comment`."""
    found = program.split("\n")
    for line in sorted(lines, key=lambda each: -int(each.partition(":")[0])):
        number, _, comment = line.partition(": ")
        found.insert(int(number) - 1, comment)
    return "\n".join(found)


ALL_MET = expecting("4: // expected-error@below {{unknown op 'rulu'}}", "5: // expected-error@+1 {{'nothing' is not}}")


def test_expected_errors_are_no_errors(mil_opt: Command, text: Any) -> None:
    assert mil_opt(text(ALL_MET), "--verify-diagnostics") == (DONE, "", "")
    assert mil_opt(text(ALL_MET)).code == BAD_INPUT


def test_good_text_expects_nothing_and_is_printed(mil_opt: Command, text: Any) -> None:
    ran = mil_opt(text(GOOD), "--verify-diagnostics")
    assert ran == (DONE, print_program(parse_program(GOOD)), "")


@pytest.mark.parametrize(
    ("content", "complaints"),
    [
        (FAULTY, [("4:38", "unexpected error: unknown op 'rulu'"), ("5:47", "unexpected error: 'nothing' is not")]),
        (
            expecting("4: // expected-error@+1 {{unknown op}}", "5: // expected-error {{not defined}}"),
            [("7:47", "unexpected error: 'nothing'"), ("6:4", "the expected error 'not defined' in line 6")],
        ),
        (
            ALL_MET.replace("} -> (y)", "} -> (y) // expected-warning {{careful}}\n"),
            [("8:21", "the expected warning 'careful' in line 8 was not given")],
        ),
        (expecting("1: // expected-error@+4 {{more}}", program=GOOD), [("1:4", "the expected error 'more' in line 5")]),
        (UNPARSABLE, [("3:5", "unexpected error: expected 'func'")]),
    ],
    ids=["unexpected", "wrong line", "missing", "missing in a good text", "does not parse"],
)
def test_what_is_not_as_expected_fails_the_check(
    content: str, complaints: list[tuple[str, str]], mil_opt: Command, text: Any
) -> None:
    ran = mil_opt(text(content), "--verify-diagnostics")
    assert (ran.code, ran.out) == (CHECK_FAILED, "")
    *lines, last = [line for line in ran.err.splitlines() if "error:" in line]
    found = [re.sub(r"^.*in\.mil:(\d+:\d+): error: (op '\w+': )?", r"\1 ", line) for line in lines]
    assert len(found) == len(complaints)
    for line, (place, words) in zip(found, complaints, strict=True):
        assert line.startswith(f"{place} {words}")
    count = "1 diagnostic is" if len(complaints) == 1 else f"{len(complaints)} diagnostics are"
    assert last == f"error: {count} not as expected"


def test_text_that_does_not_parse_can_be_expected(mil_opt: Command, text: Any) -> None:
    content = expecting("3: // expected-error@+1 {{expected 'func'}}", program=UNPARSABLE)
    assert mil_opt(text(content), "--verify-diagnostics") == (DONE, "", "")


def test_each_part_expects_its_own(mil_opt: Command, text: Any) -> None:
    words = ("--verify-diagnostics", "--split-input-file")
    ran = mil_opt(text(joined([ALL_MET, GOOD])), *words)
    assert ran == (DONE, print_program(parse_program(GOOD)), "")
    early = "// expected-error@+13 {{unknown op 'rulu'}}\n" + joined([GOOD, FAULTY])
    assert mil_opt(text(early), *words).code == CHECK_FAILED


def test_comment_that_only_looks_like_an_expectation_is_bad_input(mil_opt: Command, text: Any) -> None:
    ran = mil_opt(text(f"// expected-eror {{{{x}}}}\n{GOOD}"), "--verify-diagnostics")
    assert ran.code == BAD_INPUT
    assert "in.mil:1:4: error: this is no expected diagnostic" in ran.err


def test_remarks_are_expected_where_they_are_asked_for(mil_opt: Command, text: Any, tmp_path: Path) -> None:
    write_program_text(tmp_path / "plain.mil", [PROGRAMS["linear"]()], weights="inline")
    plain = (tmp_path / "plain.mil").read_text("utf-8")
    flags = (QUANTIZE, "--verify-diagnostics")
    assert mil_opt(text(plain), *flags).code == DONE
    ran = mil_opt(text(plain), *flags, "--remarks")
    assert ran.code == CHECK_FAILED
    assert re.search(r"in\.mil:\d+:\d+: error: unexpected remark: .*linear_weight_0", ran.err)
    line = next(number for number, each in enumerate(plain.split("\n"), 1) if "linear_weight_0 = const" in each)
    unexpected = re.findall(r"in\.mil:(\d+):\d+: error: unexpected remark", ran.err)
    assert str(line) in unexpected
    comments = [f"{number}: // expected-remark@+{1 + same} {{{{}}}}"
                for number, same in numbered(sorted(map(int, unexpected)))]  # fmt: skip
    met = mil_opt(text(expecting(*comments, program=plain)), *flags, "--remarks")
    assert (met.code, met.err) == (DONE, "")


def numbered(lines: list[int]) -> list[tuple[int, int]]:
    """Each line with the number of comments that will stand between its own and it."""
    return [(line, sum(other == line for other in lines[index + 1 :])) for index, line in enumerate(lines)]


# --- missing weights


@pytest.fixture
def elided(tmp_path: Path) -> Path:
    """A text that does not say its weights."""
    write_program_text(tmp_path / "in.mil", [PROGRAMS["linear"]()], weights="elided")
    return tmp_path / "in.mil"


def test_missing_weights_are_errors_with_their_places(elided: Path, mil_opt: Command) -> None:
    ran = mil_opt(elided)
    assert (ran.code, ran.out) == (BAD_INPUT, "")
    assert re.findall(r"in\.mil:(\d+):\d+: error: op '(\w+)': the text elides", ran.err) == [
        ("5", "linear_weight_0"),
        ("6", "linear_bias_0"),
    ]


@pytest.mark.parametrize("flag", [["--missing-weights", "zeros"], ["--allow-missing-weights"]])
def test_zeros_are_warned_of(flag: list[str], elided: Path, mil_opt: Command) -> None:
    ran = mil_opt(elided, *flag, QUANTIZE, "--weights=inline")
    assert ran.code == DONE
    assert ran.err == "warning: in.mil: 2 elided weights are zeros\n"


def test_zeros_are_not_saved_unless_that_is_allowed(elided: Path, mil_opt: Command, tmp_path: Path) -> None:
    for output in ("out.mlpackage", "out.mil"):
        ran = mil_opt(elided, "--missing-weights", "zeros", "-o", f"@/{output}")
        assert (ran.code, ran.out) == (BAD_INPUT, ""), output
        assert "it has zeros for 2 weights missing when it was read" in ran.err
        assert [each.name for each in tmp_path.iterdir()] == ["in.mil"]
    ran = mil_opt(elided, "--allow-missing-weights", "-o", "@/out.mlpackage")
    assert (ran.code, ran.err.count("warning: ")) == (DONE, 1)
    assert missing_weights(package.load(tmp_path / "out.mlpackage").program) == ()


def test_digests_of_missing_weights_are_kept(elided: Path, mil_opt: Command) -> None:
    """Zeros are no weights: the digests that come out are those that went in."""
    ran = mil_opt(elided, "--missing-weights", "zeros")
    assert (ran.code, ran.out) == (DONE, elided.read_text("utf-8"))


@pytest.mark.parametrize(("name", "lost"), [("linear", False), ("image_classifier", True), ("shape_range", True)])
def test_what_text_can_not_hold_is_told(name: str, lost: bool, mil_opt: Command) -> None:  # noqa: FBT001
    ran = mil_opt(f"@{name}", "-o", f"@/{name}.mil")
    assert ran.code == DONE
    assert ("holds the program alone; images, bounds of shapes or optional inputs" in ran.err) == lost

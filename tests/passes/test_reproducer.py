"""Reproducers: what a failing pass leaves, that it is small, that it reproduces, and when there is none."""

from __future__ import annotations

import errno
import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import milopt
import pytest
from milopt.ir import copying, opening
from milopt.ir.equality import first_difference
from milopt.ir.errors import (
    CheckFailure,
    OptionError,
    PackageError,
    PassFailure,
    PipelineError,
    SaveError,
    TargetError,
)
from milopt.ir.text import writing
from milopt.ir.text.printer import print_program
from milopt.passes.instrumentation import reproducer as reproducer_module
from milopt.passes.instrumentation.base import Instrumentation
from milopt.passes.instrumentation.reproducer import CrashReproducer
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.instrumentation.verify_each import VerifyEach
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.proving.reproducers import Reproducer, read_reproducer, write_reproducer
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.failing_passes import failing_passes
from support.packages import contents
from support.passes import Note, doing, run_passes
from support.programs import PROGRAMS

QUANTIZE = "quantize-weights{min-elements=0}"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with failing_passes():
        yield


def failure(
    text: str, path: Path | None, name: str = "linear_chain", *, limit: int | None = None, **settings: Any
) -> PassFailure:
    """How a pipeline fails with a reproducer around it."""
    around = (CrashReproducer(path, rewrite_limit=limit, **settings), VerifyEach(), RewriteLimit(limit))
    with pytest.raises(PassFailure) as caught:
        PassManager(parse_pipeline(text), around).run(PROGRAMS[name]())
    return caught.value


def rerun(path: Path) -> PassFailure:
    """How the reproducer fails, read from its file."""
    said = read_reproducer(path)
    around = (VerifyEach(), RewriteLimit(said.rewrite_limit))
    with pytest.raises(PassFailure) as caught:
        PassManager(parse_pipeline(said.pipeline), around).run(milopt.load(path).program)
    return caught.value


# --- the smallest tail


@pytest.mark.parametrize(
    ("pipeline", "failing", "tail"),
    [
        ("program(FAIL)", "function(fail-at)", "program(function(fail-at))"),
        (f"program({QUANTIZE}, FAIL, idle)", "function(fail-at{type=relu})", "program(function(fail-at))"),
        ("program(idle, function(FAIL), idle)", "fail-at{type=linear}", "program(function(fail-at{type=linear}))"),
        ("program(idle, FAIL, idle)", "repeat-name", "program(repeat-name)"),
        ("program(idle, FAIL, idle)", "nest", "program(repeat-name)"),
        ("program(idle, FAIL, idle)", "nest{marked}", "program(nest{marked=true})"),
        ("program(idle, idle, FAIL, idle)", "mark, fail-if-marked", "program(mark, fail-if-marked)"),
        ("program(idle, FAIL, idle)", "mark, fail-anyway", "program(mark, fail-anyway)"),
        ("program(idle, FAIL, idle)", "careful, repeat-name", "program(repeat-name)"),
        ("program(FAIL, idle)", "mark, idle, idle, fail-if-marked", "program(mark, idle, idle, fail-if-marked)"),
        ("program(idle, idle, FAIL)", "mark, fail-if-marked, idle, idle", "program(mark, fail-if-marked)"),
    ],
)
def test_tail_is_the_smallest_that_fails(pipeline: str, failing: str, tail: str, tmp_path: Path) -> None:
    error = failure(pipeline.replace("FAIL", failing), tmp_path / "x.mil")
    assert error.reproducer == f"mil-opt --run-reproducer {tmp_path / 'x.mil'}"
    assert read_reproducer(tmp_path / "x.mil").pipeline == tail
    again = rerun(tmp_path / "x.mil")
    assert (again.message, again.subject) == (error.message, error.subject)
    assert str(again.run.pass_) == str(error.run.pass_)


def test_program_is_as_it_was_before_the_tail(tmp_path: Path) -> None:
    failure(f"program({QUANTIZE}, function(fail-at))", tmp_path / "x.mil")
    quantized = run_passes(PROGRAMS["linear_chain"](), QuantizeWeights(min_elements=0)).program
    assert first_difference(milopt.load(tmp_path / "x.mil").program, quantized) is None


def test_other_functions_are_left_out(tmp_path: Path) -> None:
    failure("program(function(fail-at{type=matmul}))", tmp_path / "x.mil", "two_functions")
    program = milopt.load(tmp_path / "x.mil").program
    assert list(program.functions) == ["decode"]
    assert program.default_function_name == "decode"
    assert "matmul" in str(rerun(tmp_path / "x.mil"))


@pytest.mark.parametrize(("limit", "left"), [(9, 2), (8, 1)])
def test_rewrites_that_are_left_count_for_the_tail(limit: int, left: int, tmp_path: Path) -> None:
    error = failure("program(idle, function(fail-at{type=relu}))", tmp_path / "x.mil", limit=limit)
    assert error.reproducer is not None
    assert read_reproducer(tmp_path / "x.mil").rewrite_limit == left
    rerun(tmp_path / "x.mil")


def test_flags_are_told(tmp_path: Path) -> None:
    flags = ("--no-verify-each", "--verify-claims")
    failure("program(function(fail-at))", tmp_path / "x.mil", flags=flags)
    assert read_reproducer(tmp_path / "x.mil") == Reproducer("program(function(fail-at))", flags)


def test_failure_of_another_check_is_reproduced(tmp_path: Path) -> None:
    class Fussy(Instrumentation):
        def after_pass(self, run: Any, outcome: Any) -> None:  # noqa: ARG002
            if run.path.endswith("repeat-name"):
                raise AssertionError("fussy")

    path = tmp_path / "x.mil"
    around = (CrashReproducer(path, checks=lambda: (Fussy(),)), Fussy())
    with pytest.raises(PassFailure, match="fussy") as caught:
        PassManager(parse_pipeline("program(idle, repeat-name)"), around).run(PROGRAMS["linear_chain"]())
    assert caught.value.reproducer
    assert read_reproducer(path).pipeline == "program(repeat-name)"


# --- where it stands


def test_temporary_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    error = failure("program(function(fail-at))", None)
    *command, path = shlex.split(str(error.reproducer))
    assert command == ["mil-opt", "--run-reproducer"]
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/milopt-reproducer-\w+/fail-at\.mil", path)
    assert sorted(each.name for each in Path(path).parent.iterdir()) == ["fail-at.mil", "fail-at.weights.bin"]
    rerun(Path(path))


def test_folder_takes_files_named_after_passes(tmp_path: Path) -> None:
    failure("program(repeat-name)", tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["repeat-name.mil", "repeat-name.weights.bin"]


def test_package_carries_the_pipeline_in_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x.mlpackage"
    error = failure(f"program({QUANTIZE}, function(fail-at))", path)
    assert error.reproducer == f"mil-opt --run-reproducer {path}"
    metadata = milopt.load(path).specification.description.metadata.userDefined
    assert metadata["com.milopt.reproducer"] == "--pass-pipeline='program(function(fail-at))'"
    rerun(path)


def test_failure_is_one_line_that_ends_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "with space.mil"
    assert str(failure("program(function(fail-at))", path)) == (
        "pass 'fail-at', function 'main', op 'relu' (relu): failed with ValueError: boom (this is a defect of the "
        f"pass: please report it); to reproduce: mil-opt --run-reproducer '{path}'"
    )


def test_text_says_what_fails_and_how(tmp_path: Path) -> None:
    failure("program(function(fail-at))", tmp_path / "x.mil")
    first, second, third, *_ = (tmp_path / "x.mil").read_text().splitlines()
    assert first == "// milopt reproducer: --pass-pipeline='program(function(fail-at))'"
    assert second.startswith("// It fails with: pass 'fail-at', function 'main', op 'relu' (relu): failed with")
    assert third == "program(1.3)"


def test_existing_files_stay_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "x.mil"
    path.write_text("mine")
    error = failure("program(function(fail-at))", path)
    assert (error.reproducer, path.read_text()) == (None, "mine")
    assert "there is no reproducer: the output exists already" in str(error)
    assert failure("program(function(fail-at))", path, overwrite=True).reproducer
    rerun(path)


# --- no reproducer


@pytest.mark.parametrize(
    "mistake",
    [
        TargetError("no"),
        OptionError("no"),
        PackageError("no"),
        SaveError("no"),
        CheckFailure("no"),
        MemoryError(),
        OSError(errno.ENOSPC, "no space"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mistakes_of_users_and_machines_leave_none(mistake: Exception, tmp_path: Path) -> None:
    def fail(_: Any) -> None:
        raise mistake

    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear"](), doing(fail, "Fail"), around=(CrashReproducer(tmp_path),))
    assert (caught.value.reproducer, list(tmp_path.iterdir())) == (None, [])
    assert "reproduce" not in str(caught.value)


@pytest.mark.parametrize("first", ["program(repeat-name)", "program(careful)"])
def test_earlier_failures_do_not_count(first: str, tmp_path: Path) -> None:
    crash = CrashReproducer(tmp_path / "x.mil", overwrite=True)
    with suppress(PassFailure):
        PassManager(parse_pipeline(first), (crash, VerifyEach())).run(PROGRAMS["linear_chain"]())
    (tmp_path / "x.mil").unlink(missing_ok=True)
    with pytest.raises(PassFailure) as caught:
        PassManager(parse_pipeline("program(quantize-weights)"), (crash,)).run(PROGRAMS["linear_fp32"]())
    assert not (tmp_path / "x.mil").exists()
    assert "reproduce" not in str(caught.value)


def test_mistake_after_a_failure_that_a_pass_dealt_with_leaves_none(tmp_path: Path) -> None:
    error = failure("program(careful, quantize-weights)", tmp_path, "linear_fp32")
    assert (error.reproducer, list(tmp_path.iterdir())) == (None, [])


def test_interruption_leaves_none(tmp_path: Path) -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_passes(PROGRAMS["linear"](), doing(interrupt), around=(CrashReproducer(tmp_path),))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/x.mil", r"the folder '.*missing' does not exist"),
        ("x.txt", r"a reproducer must end in \.mil or \.mlpackage"),
    ],
)
def test_place_that_can_not_be_written_to_does_not_hide_the_failure(path: str, why: str, tmp_path: Path) -> None:
    error = failure("program(function(fail-at))", tmp_path / path)
    assert re.search(rf"ValueError: boom \(this is a defect .*; there is no reproducer: {why}", str(error))
    assert (error.reproducer, list(tmp_path.iterdir())) == (None, [])


@pytest.mark.parametrize("problem", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("odd\nthing")])
def test_nothing_that_goes_wrong_hides_the_failure(
    problem: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise problem

    monkeypatch.setattr(reproducer_module, "write_reproducer", fail)
    error = failure("program(function(fail-at))", tmp_path / "x.mil")
    words = " ".join(str(problem).split())
    assert f"there is no reproducer: {type(problem).__name__}: {words})" in str(error)
    assert isinstance(error.__cause__, ValueError)


def test_failure_that_does_not_come_again_leaves_none(tmp_path: Path) -> None:
    runs: list[int] = []

    def fail_once(_: Any) -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("boom")

    with pytest.raises(PassFailure, match="there is no reproducer: the pipeline does not fail again") as caught:
        run_passes(PROGRAMS["linear"](), Note(), doing(fail_once), around=(CrashReproducer(tmp_path),))
    assert (caught.value.reproducer, list(tmp_path.iterdir())) == (None, [])


def test_run_in_place_needs_the_original(tmp_path: Path) -> None:
    pipeline, program = parse_pipeline("program(function(fail-at))"), PROGRAMS["linear_chain"]()
    with pytest.raises(PassFailure, match="nobody kept the program as it was"):
        PassManager(pipeline, (CrashReproducer(tmp_path),)).run(program, in_place=True)
    with pytest.raises(PassFailure) as caught:
        PassManager(pipeline, (CrashReproducer(tmp_path),)).run(
            program, in_place=True, original=PROGRAMS["linear_chain"]
        )
    assert caught.value.reproducer


def test_large_weights_are_not_written_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(reproducer_module, "_LARGEST_UNASKED", 100)
    error = failure("program(function(fail-at))", None)
    assert "there is no reproducer: the weights take 0.0 GiB; choose a place" in str(error)
    assert list(tmp_path.iterdir()) == []
    assert failure("program(function(fail-at))", tmp_path / "x.mil").reproducer


def test_pass_that_text_does_not_know_is_doubted(tmp_path: Path) -> None:
    def fail(_: Any) -> None:
        raise ValueError("boom")

    with pytest.raises(PassFailure) as caught:
        run_passes(PROGRAMS["linear"](), doing(fail, "Unheard"), around=(CrashReproducer(tmp_path),))
    assert re.search(r"unheard\.mil \(not as it is: .*unheard.*\)$", str(caught.value.reproducer))


def test_what_text_changes_is_doubted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    another = milopt.parse_program(print_program(PROGRAMS["conv"](), weights="inline"))
    monkeypatch.setattr(opening, "load", lambda _: SimpleNamespace(program=another))
    error = failure("program(function(fail-at))", tmp_path / "x.mil")
    assert str(error.reproducer).endswith("x.mil (it does not fail in the same way once it is read back)")


def test_large_reproducer_is_not_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "load", lambda _: pytest.fail("it is read back"))
    monkeypatch.setattr(reproducer_module, "_LARGEST_CONFIRMED", 100)
    assert str(failure("program(function(fail-at))", tmp_path / "x.mil").reproducer).endswith("x.mil")


# --- what it costs


def test_run_that_does_not_fail_copies_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "copy_program", lambda *_: pytest.fail("a copy"))
    pipeline = parse_pipeline("program(idle, idle)")
    PassManager(pipeline, (CrashReproducer(tmp_path),)).run(PROGRAMS["linear_chain"](), in_place=True)
    assert list(tmp_path.iterdir()) == []


def test_program_of_the_caller_stays_as_it_is(tmp_path: Path) -> None:
    program = PROGRAMS["linear_chain"]()
    with pytest.raises(PassFailure):
        PassManager(parse_pipeline(f"program({QUANTIZE}, repeat-name)"), (CrashReproducer(tmp_path), VerifyEach())).run(
            program
        )
    assert first_difference(program, PROGRAMS["linear_chain"]()) is None


def test_several_runs_leave_a_reproducer_each(tmp_path: Path) -> None:
    crash = CrashReproducer(tmp_path)
    for text in ("program(idle, repeat-name)", "program(idle, idle, function(fail-at))"):
        with pytest.raises(PassFailure) as caught:
            PassManager(parse_pipeline(text), (crash, VerifyEach())).run(PROGRAMS["linear_chain"]())
        assert caught.value.reproducer
    assert {each.name for each in tmp_path.glob("*.mil")} == {"repeat-name.mil", "fail-at.mil"}


# --- the file


@pytest.mark.parametrize(
    "said",
    [
        Reproducer("program()"),
        Reproducer('program(a{b="it\'s"})', ("--no-verify-each",), 0),
        Reproducer("program(function(a{b=[1,2] c={d=e}}))", ("--no-verify-each", "--verify-claims"), 17),
    ],
)
@pytest.mark.parametrize("suffix", [".mil", ".mlpackage"])
def test_what_is_written_is_read(said: Reproducer, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    write_reproducer(path, PROGRAMS["linear"](), said, note="two\nlines")
    assert read_reproducer(path) == said
    assert first_difference(milopt.load(path).program, PROGRAMS["linear"]()) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--pass-pipeline='program()' -o /etc/passwd", "a reproducer can not ask for '-o'"),
        ("--pass-pipeline='program()' --force", "a reproducer can not ask for '--force'"),
        ("--pass-pipeline='program()' --rewrite-limit=-1", "can not ask for '--rewrite-limit=-1'"),
        ("--no-verify-each", "the reproducer names no pipeline"),
        ("--pass-pipeline='program(", "the reproducer is damaged: No closing quotation"),
    ],
)
def test_nothing_else_is_taken_from_a_file(words: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mil"
    path.write_text(f"// a note\n// milopt reproducer: {words}\nprogram(1.3)\n{{}}\n")
    with pytest.raises(PipelineError, match=rf"^{re.escape(str(path))}: .*{re.escape(message)}"):
        read_reproducer(path)


@pytest.mark.parametrize("text", ["program(1.3)\n{}\n", "program(1.3)\n{}\n// milopt reproducer: --pass-pipeline=x\n"])
def test_ordinary_text_is_no_reproducer(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.mil"
    path.write_text(text)
    with pytest.raises(PipelineError, match="it is no reproducer"):
        read_reproducer(path)


def test_ordinary_package_is_no_reproducer(tmp_path: Path) -> None:
    write_reproducer(tmp_path / "x.mil", PROGRAMS["linear"](), Reproducer("program()"))
    milopt.load(tmp_path / "x.mil").save(tmp_path / "x.mlpackage")
    with pytest.raises(PipelineError, match="it is no reproducer"):
        read_reproducer(tmp_path / "x.mlpackage")


@pytest.mark.parametrize("name", ["x.mil", "x.mlpackage"])
def test_failed_write_leaves_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "print_program", fail)
    with pytest.raises(SaveError, match="the disk is full"):
        write_reproducer(tmp_path / name, PROGRAMS["linear"](), Reproducer("program()"))
    assert contents(tmp_path) == {}


def test_failed_write_leaves_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(writing, "print_program", fail)
    assert "there is no reproducer: the disk is full" in str(failure("program(repeat-name)", None))
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_stay(tmp_path: Path) -> None:
    (tmp_path / "x.weights.bin").write_bytes(b"mine")
    with pytest.raises(SaveError, match="exists already"):
        write_reproducer(tmp_path / "x.mil", PROGRAMS["linear"](), Reproducer("program()"))
    assert contents(tmp_path) == {"x.weights.bin": b"mine"}

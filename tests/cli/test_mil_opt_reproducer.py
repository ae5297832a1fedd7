"""`mil-opt --crash-reproducer` and `--run-reproducer`: what is left where, and that nothing else changes."""

from __future__ import annotations

import io
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from milopt.cli.entry import BAD_INPUT, DONE, run
from milopt.cli.mil_opt import mil_opt as mil_opt_command
from milopt.ir.text.printer import print_program
from support.failing_passes import failing_passes
from support.packages import Shelf, contents
from support.programs import PROGRAMS

Command = Callable[..., Any]
FAILS = "--pass-pipeline=program(quantize-weights{min-elements=0}, function(fail-at), idle)"


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with failing_passes():
        yield


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def command_of(err: str) -> list[str]:
    """The command that an error ends with."""
    found = re.search(r"to reproduce: mil-opt (.+?)\)?$", err.rstrip("\n"))
    assert found is not None
    return shlex.split(found.group(1))


def test_package_leaves_a_reproducer_in_the_temporary_folder(mil_opt: Command, temporary: Path, shelf: Shelf) -> None:
    before = contents(shelf["linear_chain"])
    ran = mil_opt("@linear_chain", FAILS)
    ran.require_mistake("pass 'fail-at', function 'main', op 'relu' (relu): failed with ValueError: boom")
    flag, path = command_of(ran.err)
    assert flag == "--run-reproducer"
    assert Path(path).parent.parent == temporary
    assert contents(shelf["linear_chain"]) == before
    again = mil_opt(flag, path)
    assert again.code == BAD_INPUT
    assert "failed with ValueError: boom" in again.err
    assert "to reproduce" not in again.err
    printed = mil_opt(path)
    assert printed.out.count("constexpr_affine_dequantize") == 2


@pytest.mark.parametrize("name", ["x.mil", "x.mlpackage"])
def test_reproducer_stands_where_it_is_asked_for(name: str, mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt("@linear_chain", FAILS, f"--crash-reproducer={tmp_path / name}")
    assert command_of(ran.err) == ["--run-reproducer", str(tmp_path / name)]
    assert "boom" in mil_opt("--run-reproducer", tmp_path / name).err


def test_what_stands_there_stays_unless_forced(mil_opt: Command, tmp_path: Path) -> None:
    (tmp_path / "x.mil").write_text("mine")
    option = f"--crash-reproducer={tmp_path / 'x.mil'}"
    mil_opt("@linear_chain", FAILS, option).require_mistake("exists already")
    assert (tmp_path / "x.mil").read_text() == "mine"
    assert command_of(mil_opt("@linear_chain", FAILS, option, "--force").err)


def test_flags_of_the_run_are_in_the_reproducer(mil_opt: Command, tmp_path: Path) -> None:
    option = f"--crash-reproducer={tmp_path}"
    mil_opt("@linear_chain", FAILS, option, "--no-verify-each", "--verify-claims", "--rewrite-limit=3")
    first, *_ = (tmp_path / "fail-at.mil").read_text().splitlines()
    assert first == (
        "// milopt reproducer: --pass-pipeline='program(function(fail-at))' --no-verify-each --verify-claims "
        "--rewrite-limit=1"
    )


def test_pass_that_breaks_its_word_is_reproduced(mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt(
        "@linear_chain", "--pass-pipeline=program(idle, lie)", "--verify-claims", f"--crash-reproducer={tmp_path}"
    )
    assert "it says that it changed nothing" in ran.err
    assert "it says that it changed nothing" in mil_opt(*command_of(ran.err)).err
    assert mil_opt("@linear_chain", "--pass-pipeline=program(idle, lie)").code == DONE


def test_part_of_a_text_leaves_its_own_program(mil_opt: Command, tmp_path: Path) -> None:
    texts = [print_program(PROGRAMS[name](), weights="inline") for name in ("linear", "linear_chain")]
    (tmp_path / "two.mil").write_text("// -----\n".join(texts))
    ran = mil_opt(tmp_path / "two.mil", "--split-input-file", FAILS, f"--crash-reproducer={tmp_path}")
    assert ran.code == BAD_INPUT
    assert "boom" in mil_opt(*command_of(ran.err.split("\n")[0])).err
    assert "second = linear" in (tmp_path / "fail-at.mil").read_text()


def test_program_of_a_pipeline_leaves_itself(mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt("@pipeline", "--pass-pipeline=program(repeat-name)", f"--crash-reproducer={tmp_path}")
    assert "boom" not in ran.err
    assert mil_opt(*command_of(ran.err)).code == BAD_INPUT


def test_mistakes_of_users_leave_none(mil_opt: Command, temporary: Path) -> None:
    ran = mil_opt("@linear_fp32", "--pass-pipeline=program(quantize-weights)")
    ran.require_mistake("iOS15 has no op for compressed weights")
    assert "reproduce" not in ran.err
    assert list(temporary.glob("milopt-*")) == []


def test_none_is_left_where_none_is_wanted(mil_opt: Command, temporary: Path) -> None:
    ran = mil_opt("@linear_chain", FAILS, "--no-crash-reproducer")
    ran.require_mistake("boom")
    assert "reproduce" not in ran.err
    assert list(temporary.glob("milopt-*")) == []


def test_run_that_does_not_fail_leaves_none(mil_opt: Command, tmp_path: Path) -> None:
    ran = mil_opt("@linear_chain", "--pass-pipeline=program(idle)", f"--crash-reproducer={tmp_path / 'x.mil'}")
    assert (ran.code, ran.err) == (DONE, "")
    assert list(tmp_path.iterdir()) == []


# --- several


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A text of two programs on which the pipeline fails."""
    texts = [print_program(PROGRAMS["linear_chain"](), weights="inline") for _ in range(2)]
    (tmp_path / "two.mil").write_text("// -----\n".join(texts))
    return tmp_path / "two.mil"


def commands_of(err: str) -> list[list[str]]:
    return [command_of(line) for line in err.splitlines() if "to reproduce" in line]


@pytest.mark.parametrize("name", ["boom.mil", "boom.mlpackage"])
@pytest.mark.parametrize("force", [False, True], ids=["new", "forced"])
def test_each_part_that_fails_leaves_its_own(
    name: str, mil_opt: Command, two: Path, tmp_path: Path, *, force: bool
) -> None:
    options = [f"--crash-reproducer={tmp_path / name}", *(["--force"] if force else [])]
    ran = mil_opt(two, "--split-input-file", FAILS, *options)
    second = tmp_path / name.replace(".", ".1.")
    assert commands_of(ran.err) == [["--run-reproducer", str(path)] for path in (tmp_path / name, second)]
    assert all("boom" in mil_opt(*command).err for command in commands_of(ran.err))


def test_folder_keeps_those_of_earlier_runs(mil_opt: Command, tmp_path: Path) -> None:
    option = f"--crash-reproducer={tmp_path}"
    for name in ("fail-at.mil", "fail-at.1.mil", "fail-at.2.mil"):
        assert command_of(mil_opt("@linear_chain", FAILS, option).err)[1] == str(tmp_path / name)
    assert command_of(mil_opt("@linear_chain", FAILS, option, "--force").err)[1] == str(tmp_path / "fail-at.mil")


# --- where nobody asked


def test_texts_that_expect_failures_leave_none_unasked(mil_opt: Command, temporary: Path, two: Path) -> None:
    lines = print_program(PROGRAMS["linear_chain"](), weights="inline").splitlines()
    at = next(number for number, line in enumerate(lines) if "relu(" in line)
    lines.insert(at, "// expected-error@+1 {{failed with ValueError: boom}}")
    two.write_text("\n".join(lines))
    options = (two, FAILS, "--verify-diagnostics")
    assert mil_opt(*options).code == DONE
    assert list(temporary.glob("milopt-*")) == []
    assert mil_opt(*options, f"--crash-reproducer={temporary}").code == DONE
    assert (temporary / "fail-at.mil").exists()


# --- from stdin


def test_reproducer_is_run_from_stdin(mil_opt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights lie in the working folder, as those of any text on stdin."""
    mil_opt("@linear_chain", FAILS, f"--crash-reproducer={tmp_path / 'x.mil'}")
    text = (tmp_path / "x.mil").read_text()
    monkeypatch.chdir(tmp_path)
    out, err = io.StringIO(), io.StringIO()
    assert run(mil_opt_command, ["--run-reproducer", "-"], io.StringIO(text), out, err) == BAD_INPUT
    assert "failed with ValueError: boom" in err.getvalue()

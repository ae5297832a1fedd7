"""`mil-opt --reduce`: commands of all kinds, the forms that they are given programs in, and what goes wrong."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import milopt
import pytest
from milopt.cli.entry import DONE, INTERRUPTED
from milopt.cli.opt.reduce_runs import Command, Outcome
from milopt.cli.opt.reducing import reduce_command
from milopt.ir.diagnostics import TextError
from milopt.ir.errors import OptionError, ProgramError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.ir.text.writing import write_program_text
from milopt.ir.verifier import verify
from milopt.ir.walking import walk
from milopt.passes.base import UNCHANGED, Pass
from milopt.passes.base import Outcome as PassOutcome
from milopt.passes.context import PassContext
from support.packages import Shelf
from support.program_registry import build_program, fp16, weights
from support.refusals import refusal

Registered = Callable[[type[Pass]], type[Pass]]
SUMMARY = re.compile(r"reduced (\d+) ops to (\d+) in (\d+) tests, \d+\.\d s\n")


@attrs.frozen(kw_only=True)
class RefuseSoftmaxOfTanh(Pass):
    """Knows no softmax of a tanh."""

    def run(self, root: Any, context: PassContext) -> PassOutcome:  # noqa: ARG002
        for operation in walk(root):
            if operation.op_type == "softmax" and operation.x.op is not None and operation.x.op.op_type == "tanh":
                message = "no softmax of a tanh, please"
                raise ValueError(message)
        return UNCHANGED


@attrs.frozen(kw_only=True)
class ForgetTanh(Pass):
    """Leaves two values of one name behind."""

    def run(self, root: Any, context: PassContext) -> PassOutcome:  # noqa: ARG002
        for operation in walk(root):
            if operation.op_type == "tanh":
                operation.outputs[0].name = operation.x.name
        return PassOutcome(changed=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A program as text, its weights beside it; one `softmax` of a `tanh` in the middle."""

    def body(x: Any) -> Any:
        for index in range(12):
            y = mb.add(x=mb.linear(x=x, weight=weights(40, 40, seed=index)), y=x)
            x = mb.softmax(x=mb.tanh(x=y), axis=-1) if index == 5 else mb.relu(x=y)
        return x

    path = tmp_path / "source.mil"
    write_program_text(path, [build_program(body, IOS17, x=fp16(10, 40))])
    return path


def kinds(path: Path) -> list[str]:
    """The types of the ops of a model that are no constants."""
    program = milopt.load(path).program
    assert verify(program) == []
    return [operation.op_type for operation in walk(program) if operation.op_type != "const"]


# --- commands


def test_pass_that_raises(source: Path, tmp_path: Path, registered: Registered, capfd: Any) -> None:
    registered(RefuseSoftmaxOfTanh)
    command = "mil-opt --pass-pipeline=program(refuse-softmax-of-tanh) {}"
    out = tmp_path / "out.mil"
    assert reduce_command(source, command, str(out), match="softmax of a tanh") == DONE
    assert kinds(out) == ["tanh", "softmax"]
    said = capfd.readouterr()
    assert said.out == ""
    found = SUMMARY.fullmatch(said.err)
    assert found is not None
    assert found.groups()[:2] == ("37", "2")


def test_pass_that_leaves_an_invalid_program(source: Path, tmp_path: Path, registered: Registered) -> None:
    registered(ForgetTanh)
    out = tmp_path / "out.mil"
    assert reduce_command(source, "mil-opt --pass-pipeline=program(forget-tanh) {}", str(out)) == DONE
    assert kinds(out) == ["tanh"]


def test_shell_script(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    script = 'sh -c \'if grep -q "tanh(" {} && grep -q "softmax(" {}; then exit 7; fi\''
    assert reduce_command(source, script, str(out)) == DONE
    assert kinds(out) == ["tanh", "softmax"]


def test_output_tells_failures_apart(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    script = "sh -c 'grep -q \"softmax(\" {} && echo soft >&2; exit 1'"
    reduce_command(source, script, str(out), match="soft")
    assert kinds(out) == ["softmax"]
    reduce_command(source, script, str(out), force=True)
    assert "softmax" not in kinds(out)
    assert len(kinds(out)) == 1


def test_signal_is_a_failure_of_its_own(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    reduce_command(source, "sh -c 'if grep -q \"tanh(\" {}; then kill -SEGV $$; fi; exit 1'", str(out))
    assert kinds(out) == ["tanh"]


def test_taking_too_long_is_a_failure_of_its_own(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    reduce_command(source, "sh -c 'if grep -q \"tanh(\" {}; then sleep 60; fi; exit 1'", str(out), timeout=0.2)
    assert kinds(out) == ["tanh"]


# --- forms


def test_command_is_given_packages_if_the_output_is_one(shelf: Shelf, tmp_path: Path) -> None:
    out = tmp_path / "out.mlpackage"
    script = "sh -c 'test -f {}/Manifest.json && grep -qr linear {} && exit 3; exit 0'"
    assert reduce_command(shelf["linear_chain"], script, str(out)) == DONE
    assert kinds(out) == ["linear"]


def test_package_is_reduced_as_text_with_weights_beside_it(shelf: Shelf, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    weights = "grep -q BLOBFILE {} && test -f $(dirname {})/*.weights.bin"
    script = f"sh -c 'if test -d {{}}; then exit 1; fi; if {weights}; then exit 1; fi'"
    assert reduce_command(shelf["linear"], script, str(out)) == DONE
    assert kinds(out) == ["linear"]


def test_result_goes_to_stdout(source: Path, capsys: Any) -> None:
    assert reduce_command(source, "sh -c '! grep -q \"tanh(\" {}'", "-") == DONE
    said = capsys.readouterr()
    assert said.out.startswith("program(1.3)")
    assert said.out.count(" tanh(") == 1
    assert SUMMARY.fullmatch(said.err)


def test_missing_weights_are_zeros(tmp_path: Path, source: Path) -> None:
    (tmp_path / "source.weights.bin").unlink()
    out = tmp_path / "out.mil"
    refusal(lambda: reduce_command(source, "false {}", str(out)), TextError, "the weight file is missing")
    assert reduce_command(source, "sh -c '! grep -q \"linear(\" {}'", str(out), missing_weights="zeros") == DONE
    assert kinds(out) == ["linear"]


# --- interrupts


def test_interrupt_writes_the_smallest_so_far(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    left, run = iter(range(5)), Command.run

    def impatient(self: Command, path: Path) -> Outcome:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return run(self, path)

    monkeypatch.setattr(Command, "run", impatient)
    out = tmp_path / "out.mil"
    assert reduce_command(source, "sh -c '! grep -q \"tanh(\" {}'", str(out)) == INTERRUPTED
    assert 1 < len(kinds(out)) < 37
    assert "tanh" in kinds(out)
    assert capsys.readouterr().err.startswith("interrupted: reduced 37 ops to ")


# --- runs


def test_nothing_of_a_command_that_takes_too_long_is_left(tmp_path: Path) -> None:
    noted = tmp_path / "process"
    found = Command("sh -c 'sleep 60 & echo $! > {}; wait'", timeout=0.5).run(noted)
    assert found == Outcome(None, "")
    process = int(noted.read_text("utf-8"))
    deadline = time.monotonic() + 5
    while is_running(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(process)


def is_running(process: int) -> bool:
    """Whether a process exists that has not ended; nobody may have asked how it ended."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    "command",
    ["sh -c 'echo x > $TMPDIR/left; exit 1' {}", "mil-opt --pass-pipeline=program(refuse-softmax-of-tanh) {}"],
)
def test_nothing_is_left_in_the_temporary_folder(
    command: str, source: Path, tmp_path: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(RefuseSoftmaxOfTanh)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert Command(command).run(source).code
    assert list(temporary.iterdir()) == []


def test_own_commands_write_what_they_would_in_a_process(source: Path) -> None:
    printed = Command("milopt print {}").run(source)
    assert (printed.code, printed.output.count(" tanh(")) == (DONE, 1)
    refused = Command("mil-opt --nonsense {}").run(source)
    assert (refused.code, refused.output.count("\n")) == (2, 1)
    assert refused.output.startswith("error: ")


def test_output_holds_both_streams() -> None:
    found = Command("sh -c 'echo out; echo err >&2; exit 4' {}").run(Path("x"))
    assert found == Outcome(4, "out\nerr\n")


# --- mistakes


@pytest.mark.parametrize(
    ("command", "options", "pattern"),
    [
        ("true {}", {}, "--reduce: the command does not fail on source.mil"),
        ("false", {}, r"--reduce: the command has no \{\} in the place of the program's path \(such as"),
        ("", {}, r"has no \{\}"),
        ("false 'x {}", {}, "--reduce: it is no command: No closing quotation"),
        ("no-such-command {}", {}, "--reduce: 'no-such-command' can not be run: No such file"),
        ("false {}", {"match": "("}, r"--reduce-match: '\(' is no regular expression"),
        ("sh -c 'echo oh no; false' {}", {"match": "xyz"}, r"not with 'xyz' in its output \(it ends with: oh no\)"),
        (
            "sh -c 'case {} in */source.mil) exit 3;; esac; exit 4'",
            {},
            "3 on source.mil, but has the exit code 4",
        ),
        ("sh -c 'echo {}; exit 3'", {"match": "source"}, "says no 'source' on its program alone as .mil"),
    ],
)
def test_mistake_is_told_in_one_line(command: str, options: Any, pattern: str, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mil"
    refusal(lambda: reduce_command(source, command, str(out), **options), OptionError, pattern)
    assert not out.exists()


def test_pipeline_of_several_programs_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    out = str(tmp_path / "out.mil")
    refusal(lambda: reduce_command(shelf["pipeline"], "false {}", out), ProgramError, "holds 2 programs")

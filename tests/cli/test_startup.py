"""The commands as processes: quick to start, quiet when their reader leaves, and clean when interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from milopt.cli.main import milopt as milopt_command
from support.packages import Shelf, contents, copy_package

ENTRIES = {"milopt": "milopt", "mil-opt": "mil_opt"}
HEAVY = ("coremltools", "onnxruntime", "rich", "numpy")


def python(*words: object) -> list[str]:
    return [sys.executable, *map(str, words)]


def code_of(command: str, *words: object) -> str:
    """Python that runs a command as its console script does."""
    argv = [command, *map(str, words)]
    return f"import sys; sys.argv = {argv!r}; from milopt.cli.entry import {ENTRIES[command]} as main; main()"


def loaded_after(code: str, folder: Path) -> set[str]:
    """Which of the heavy packages a process has imported when it is done."""
    text = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {code}"
    ran = subprocess.run(python("-c", text), cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    return {name.partition(".")[0] for name in ran.stderr.split()}


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import milopt", id="import"),
        pytest.param("import milopt; milopt.__version__; dir(milopt)", id="version"),
        pytest.param(code_of("milopt", "--help"), id="milopt-help"),
        pytest.param(code_of("milopt", "--version"), id="milopt-version"),
        *(
            pytest.param(code_of("milopt", name, "--help"), id=f"{name}-help")
            for name in sorted(milopt_command.commands)
        ),
        pytest.param(code_of("mil-opt", "--help"), id="mil-opt-help"),
        pytest.param(code_of("mil-opt", "--version"), id="mil-opt-version"),
    ],
)
def test_start_imports_nothing_heavy(code: str, tmp_path: Path) -> None:
    found = loaded_after(code, tmp_path)
    assert "milopt" in found
    assert found.isdisjoint(HEAVY)


def test_check_of_imports_can_fail(tmp_path: Path) -> None:
    assert {"milopt", "rich"} <= loaded_after(f"import rich; {code_of('milopt', '--help')}", tmp_path)


def test_import_is_quick(tmp_path: Path) -> None:
    code = "import time; start = time.perf_counter(); import milopt; print(time.perf_counter() - start)"
    runs = [
        subprocess.run(python("-c", code), cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
        for _ in range(5)
    ]
    assert min(float(ran.stdout) for ran in runs) < 0.3


@pytest.mark.parametrize("command", ENTRIES)
def test_console_script_does_what_its_entry_does(command: str, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name(command)
    if not script.exists():
        pytest.skip("the console scripts are not installed beside this interpreter")
    by_script, by_entry = (
        subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
        for words in ([str(script), "--help"], python("-c", code_of(command, "--help")))
    )
    assert by_script.stdout == by_entry.stdout
    assert by_script.stdout.startswith(f"Usage: {command} ")


# --- readers that leave


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("milopt", ["--help"]),
        ("milopt", ["pipelines"]),
        ("milopt", ["optimize", "@linear", "-o", "small.mlpackage"]),
        ("milopt", ["passes", "--coremltools"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0].strip("-@"),
)
def test_closed_pipe_ends_the_command_quietly(command: str, words: list[str], shelf: Shelf, tmp_path: Path) -> None:
    argv = [str(shelf[word[1:]]) if word.startswith("@") else word for word in words]
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(  # noqa: S603
            python("-c", code_of(command, *argv)),
            cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    stderr = [line for line in ran.stderr.splitlines() if not line.startswith("note: ")]
    assert (ran.returncode, stderr) == (0, [])


def test_head_takes_one_line_and_the_rest_is_dropped_quietly(shelf: Shelf, tmp_path: Path) -> None:
    words = python(
        "-c", code_of("milopt", "print", shelf["attention"], "--weights", "inline")
    )  # more than a pipe holds
    with subprocess.Popen(  # noqa: S603
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        assert (first, stderr, process.wait(60)) == ("program(1.3)\n", "", 0)


# --- odd streams


@pytest.mark.skipif(os.name != "posix", reason="the shell's redirections are POSIX's")
@pytest.mark.parametrize(
    ("redirection", "line", "stderr"),
    [
        ("2>&-", "milopt passes", ""),
        ("<&-", "milopt passes", ""),
        ("<&-", "milopt print -", "error: -: there is nothing to read: stdin is closed\n"),
        ("<&-", "mil-opt -", "error: -: there is nothing to read: stdin is closed\n"),
        (">&-", "milopt passes", "error: stdout: it is closed\n"),
        (">&-", "mil-opt @linear", "error: stdout: it is closed\n"),
        (">&-", "mil-opt @linear -o x.mil", ""),
    ],
)
def test_closed_stream_is_an_error_where_it_is_needed(
    redirection: str, line: str, stderr: str, shelf: Shelf, tmp_path: Path
) -> None:
    command, *words = line.split()
    argv = [str(shelf[word[1:]]) if word.startswith("@") else word for word in words]
    script = ["sh", "-c", f'exec "$@" {redirection}', "sh", *python("-c", code_of(command, *argv))]
    ran = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert (ran.returncode, ran.stderr) == (2 if stderr else 0, stderr)


def test_path_that_stdout_can_not_spell_is_no_error(shelf: Shelf, tmp_path: Path) -> None:
    code = code_of("milopt", "optimize", shelf["linear"], "-o", "klein-für-ünï.mlpackage", "--target", "iOS18")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    ran = subprocess.run(  # noqa: S603
        python("-c", code), cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1].startswith("written  klein-f")
    assert [each.name for each in tmp_path.iterdir()] == ["klein-für-ünï.mlpackage"]


# --- Ctrl-C


SLOW_DISK = """
import time
from milopt.ir.weights.files import WeightFileWriter
write = WeightFileWriter.write
def slow(self, *arguments):
    place = write(self, *arguments)
    time.sleep(60)
    return place
WeightFileWriter.write = slow
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
def test_ctrl_c_during_a_save_leaves_nothing_behind(shelf: Shelf, tmp_path: Path, *, exists: bool) -> None:
    output = tmp_path / "small.mlpackage"
    if exists:
        copy_package(shelf["conv"], tmp_path).rename(output)
    before = contents(tmp_path)
    code = SLOW_DISK + code_of("milopt", "optimize", shelf["linear"], "-o", output, "--force")
    with subprocess.Popen(  # noqa: S603
        python("-c", code), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_until_writing(tmp_path, process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.strip() == "interrupted: what was being written is there as a whole or not at all"
    assert contents(tmp_path) == before
    assert [each.name for each in tmp_path.iterdir()] == ([output.name] if exists else [])


def wait_until_writing(folder: Path, process: subprocess.Popen[str]) -> None:
    """Returns when a weight file has begun in a temporary folder."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if any(path.suffix == ".partial" and any(path.rglob("weight.bin")) for path in folder.iterdir()):
            return
        time.sleep(0.01)
    pytest.fail("the save never began")

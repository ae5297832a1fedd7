"""Running a command on one file after the other, and what came of it each time."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, TypeAlias

import attrs

from ...ir.errors import OptionError

PLACE = "{}"
_OWN_SCRIPTS = ("milopt", "mil-opt")
_Script: TypeAlias = Callable[[], object]


@attrs.frozen
class Outcome:
    """What came of a run.

    Attributes:
        code: the exit code, negative for a signal; None if it took too long.
        output: what it wrote, to stderr as well.
    """

    code: int | None
    output: str

    @property
    def words(self) -> str:
        """How it ended."""
        if self.code is None:
            return "takes too long"
        return f"ends by signal {-self.code}" if self.code < 0 else f"has the exit code {self.code}"


class Command:
    """A command that takes a file.

    milopt's own commands run in forked children of this process, because a new one would spend a second on importing
    coremltools each time; where processes can not be forked safely, on a Mac, they run like any other.

    Args:
        text: with `{}` in the place of the file's path; it is split as a shell would, but no shell runs it.
        timeout: how many seconds it may take.

    Raises:
        OptionError: there is no `{}` in it, or a quotation mark lacks its partner.
    """

    def __init__(self, text: str, timeout: float | None = None) -> None:
        self._words, self._timeout = _split(text), timeout
        self._script = _own_script(self._words[0])

    def run(self, path: Path) -> Outcome:
        """What comes of the command with a path in the place of `{}`.

        Raises:
            OptionError: there is no such command.
        """
        words = [word.replace(PLACE, str(path)) for word in self._words]
        # What it leaves in the temporary folder, such as reproducers of failures, is nobody's.
        with TemporaryFile() as log, TemporaryDirectory(prefix="milopt-reduce-") as scratch:
            if self._script:
                code = self._in_child(self._script, words, log, scratch)
            else:
                code = self._in_process(words, log, scratch)
            log.seek(0)
            return Outcome(code, log.read().decode("utf-8", "replace"))

    def _in_process(self, words: Sequence[str], log: IO[bytes], scratch: str) -> int | None:
        environment = os.environ | {"TMPDIR": scratch}
        try:
            process = subprocess.Popen(  # noqa: S603 - running what the user says is what this is for
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment
            )
        except OSError as error:
            raise OptionError(f"{words[0]!r} can not be run: {error.strerror or error}", where="--reduce") from error
        try:
            return process.wait(self._timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.returncode is None:
                _kill(process)
                process.wait()

    def _in_child(self, script: _Script, words: Sequence[str], log: IO[bytes], scratch: str) -> int | None:
        given = (script, words, log.fileno(), scratch)
        process = multiprocessing.get_context("fork").Process(target=_call, args=given)
        process.start()
        try:
            process.join(self._timeout)
            return process.exitcode
        finally:
            if process.is_alive():
                _kill(process)
            process.join()


def _kill(process: subprocess.Popen[bytes] | BaseProcess) -> None:
    """Kills a process that still runs, and those of its session."""
    if process.pid:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()  # it may not lead its session yet


def _split(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise OptionError(f"it is no command: {error}", where="--reduce") from None
    if not any(PLACE in word for word in words):
        hint = "such as --reduce 'mil-opt --pass-pipeline=program(...) {}'"
        raise OptionError("the command has no {} in the place of the program's path", where="--reduce", hint=hint)
    return words


def _own_script(word: str) -> _Script | None:
    """What milopt's command of this name calls; None of other commands, and where it can not run in a child."""
    if word not in _OWN_SCRIPTS or not hasattr(os, "fork") or sys.platform == "darwin":
        return None
    try:
        scripts = distribution("milopt").entry_points.select(group="console_scripts", name=word)
    except PackageNotFoundError:
        return None
    return next((script.load() for script in scripts), None)


def _call(script: _Script, words: Sequence[str], log: int, scratch: str) -> None:
    """Calls a console script in a child, as if it were a process of its own."""
    os.setsid()
    tempfile.tempdir = scratch
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = list(words)
    script()

"""`mil-opt --reduce`: the smallest program on which a command fails as it does on the input."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from ...ir.errors import MiloptError, OptionError
from ..exit_codes import DONE, INTERRUPTED
from ..opening import STDIN, open_model
from .reduce_runs import Command, Outcome

if TYPE_CHECKING:
    from ...ir.reducing.search import Progress, Reduction
    from ...ir.text.printer import Weights
    from ...ir.weights.store import MissingWeights

_PACKAGE = ".mlpackage"


def reduce_command(
    source: Path,
    command: str,
    output: str,
    *,
    match: str | None = None,
    timeout: float | None = None,
    weights: Weights | None = None,
    force: bool = False,
    missing_weights: MissingWeights = "error",
) -> int:
    """Writes the smallest program that is found on which a command fails as it does on another.

    The command is run on packages if the output is one, else on MIL text with its weights beside it. A package is
    described from its program, because the inputs change.

    Args:
        source: the program, in any form; `-` for text on stdin. A pipeline of several can not be reduced.
        command: with `{}` in the place of a program's path.
        output: an `.mlpackage`, a `.mil` file, or `-`; the caller has checked that it can be written.
        match: what must be found in all that the command writes, a regular expression.
        timeout: how many seconds the command may take; to take longer is a failure of its own kind.
        weights: of text, as for `mil-opt`.
        force: replace the output if it exists.
        missing_weights: as for `milopt.load`; zeros are written for them.

    Returns:
        The exit code: 0, or 130 if Ctrl-C ended the search; the smallest program so far is written then.

    Raises:
        OptionError: the command does not fail on the input, or not in the way that is asked for.
    """
    from ...ir.reducing.search import reduce_program

    began = time.monotonic()
    failure = _Failure(Command(command, timeout), match)
    program = open_model(source, missing_weights).program
    if str(source) != STDIN:
        failure.expect(source)
    with TemporaryDirectory(prefix="milopt-reduce-") as folder, _shown() as progress:
        path = Path(folder) / f"candidate{_PACKAGE if output.endswith(_PACKAGE) else '.mil'}"
        reduction = reduce_program(program, lambda each: failure.is_shown(each, path), progress=progress)
        _write(reduction.program, output, path, weights=weights, force=force)
    click.echo(_summary(reduction, time.monotonic() - began), err=True)
    return INTERRUPTED if reduction.interrupted else DONE


class _Failure:
    """The way in which a command fails: that of its first run."""

    def __init__(self, command: Command, match: str | None) -> None:
        self._command = command
        try:
            self._match = re.compile(match or "")
        except re.error as error:
            raise OptionError(f"{match!r} is no regular expression: {error}", where="--reduce-match") from None
        self._source: Path | None = None
        self._expected: Outcome | None = None
        self._was_shown = False

    def expect(self, path: Path) -> None:
        """Runs the command for the first time.

        Raises:
            OptionError: it does not fail, or not as it should.
        """
        outcome = self._command.run(path)
        if outcome.code == 0:
            raise OptionError(f"the command does not fail on {path.name}", where="--reduce")
        if not self._match.search(outcome.output):
            message = f"the command fails on {path.name}, but not with {self._match.pattern!r} in its output"
            raise OptionError(message, where="--reduce-match", hint=f"it ends with: {_last_line(outcome.output)}")
        self._source, self._expected = path, outcome

    def is_shown(self, program: Any, path: Path) -> bool:
        """Whether the command fails on a program, which is written to a path, as it did for the first time.

        Raises:
            OptionError: it does not do so on a copy of the program that it fails on.
            MiloptError: that copy can not be written in this form.
        """
        try:
            _write_candidate(program, path)
        except MiloptError:
            if self._was_shown:
                return False
            raise
        is_same = self._is_repeated(path)
        self._was_shown |= is_same
        return is_same

    def _is_repeated(self, path: Path) -> bool:
        if self._expected is None:
            self.expect(path)
            return True
        outcome = self._command.run(path)
        is_same = outcome.code == self._expected.code and self._match.search(outcome.output) is not None
        if not is_same and not self._was_shown:
            raise self._not_on_a_copy(path, self._expected, outcome)
        return is_same

    def _not_on_a_copy(self, path: Path, expected: Outcome, outcome: Outcome) -> OptionError:
        name = self._source.name if self._source else ""
        found = outcome.words if outcome.code != expected.code else f"says no {self._match.pattern!r}"
        message = f"the command {expected.words} on {name}, but {found} on its program alone as {path.suffix}"
        other = "out.mil" if path.suffix == _PACKAGE else f"out{_PACKAGE}"
        return OptionError(message, where="--reduce", hint=f"try -o {other}: programs are handed over in that form")


def _last_line(output: str) -> str:
    return next(reversed(output.strip().splitlines()), "nothing")


def _write_candidate(program: Any, path: Path) -> None:
    """Writes a program that no one keeps, as a package or as text with its weights beside it."""
    from ...ir.opening import load
    from ...ir.pymil import opset_of
    from ...ir.text.printer import print_program
    from ...ir.text.weight_placing import FileSink

    text, weights = path.with_suffix(".mil"), path.with_suffix(".weights.bin")
    weights.unlink(missing_ok=True)
    with FileSink(weights, opset_of(program)) as sink:
        text.write_text(print_program(program, weights=sink), encoding="utf-8")
    if path != text:
        load(text).save(path, overwrite=True)


def _write(program: Any, output: str, path: Path, *, weights: Weights | None, force: bool) -> None:
    from ...ir.opening import load
    from ...ir.text.printer import print_program
    from ...ir.text.writing import write_program_text

    if output.endswith(_PACKAGE):
        _write_candidate(program, path)
        load(path).save(output, overwrite=force)
    elif output.endswith(".mil"):
        write_program_text(Path(output), [program], weights=weights, overwrite=force, allow_missing_weights=True)
    else:
        click.echo(print_program(program, weights=weights or "elided"), nl=False)


def _summary(reduction: Reduction, seconds: float) -> str:
    told = "interrupted: " if reduction.interrupted else ""
    ops = f"{reduction.before.ops} ops to {reduction.after.ops}"
    return f"{told}reduced {ops} in {reduction.tests} tests, {seconds:.1f} s"


@contextmanager
def _shown() -> Iterator[Callable[[Progress], object]]:
    """Shows how far a search is, when stderr is a terminal; without a thread, because processes are forked."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as live:
        yield lambda now: live.update(f"{now.doing}: {now.size.ops} ops, {now.tests} tests", refresh=True)

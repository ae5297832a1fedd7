"""Where both commands begin: arguments and streams in, an exit code out."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, TextIO

import click

from ..ir.diagnostics import TextError
from ..ir.errors import CheckFailure, MiloptError
from .exit_codes import BAD_INPUT, CHECK_FAILED, DONE, INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence


def milopt() -> None:
    """The console script `milopt`."""
    from .main import milopt as command

    sys.exit(run(command, sys.argv[1:], sys.stdin, *_streams()))


def mil_opt() -> None:
    """The console script `mil-opt`."""
    from .mil_opt import mil_opt as command

    sys.exit(run(command, sys.argv[1:], sys.stdin, *_streams()))


def _streams() -> tuple[TextIO, TextIO]:
    """Stdout and stderr; what an encoding can not spell is escaped.

    Results that go to a closed stdout are an error; what goes to a closed stderr is dropped: nobody could be told.
    """
    out, err = sys.stdout or _Closed(), sys.stderr or io.StringIO()
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    return out, err


class _Closed(io.StringIO):
    """In the place of a stdout that was closed before this process began."""

    def write(self, text: str) -> int:
        """Writes nothing, and only that.

        Raises:
            OSError: there is something to write.
        """
        if text:
            raise OSError(errno.EBADF, "it is closed", "stdout")
        return 0


def run(command: click.Command, argv: Sequence[str], stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Runs a command in this process.

    Returns:
        0 when done, 1 when a check failed, 2 for bad usage or bad input, 130 when interrupted.
    """
    previous, sys.stdin = sys.stdin, stdin
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr):
            code = _run(command, list(argv))
            stdout.flush()
            return code
    except BrokenPipeError:
        # Whoever read our output has left; nothing is wrong. The interpreter must not complain at its end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return DONE
    finally:
        sys.stdin = previous


def _run(command: click.Command, argv: list[str]) -> int:
    try:
        code = command.main(argv, prog_name=command.name, standalone_mode=False)
    except TextError as error:
        click.echo("\n".join(diagnostic.render() for diagnostic in error.diagnostics), err=True)
        return CHECK_FAILED if isinstance(error, CheckFailure) else BAD_INPUT
    except MiloptError as error:
        click.echo(f"error: {error}", err=True)
        return CHECK_FAILED if isinstance(error, CheckFailure) else BAD_INPUT
    except click.ClickException as error:
        _show(error)
        return BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: what was being written is there as a whole or not at all", err=True)
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # click ends the interpreter when whoever read our output has left; outside of that it returns.
        raise BrokenPipeError from None
    except OSError as error:
        click.echo(f"error: {error.filename or 'output'}: {error.strerror or error}", err=True)
        return BAD_INPUT
    return code if isinstance(code, int) else DONE


def _show(error: click.ClickException) -> None:
    """A usage error in one line, like every other; help where no argument was given at all."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show(file=sys.stderr)
        return
    message = " ".join(error.format_message().rstrip(".").split())
    context = getattr(error, "ctx", None)
    click.echo(f"error: {message}" + (f" (try '{context.command_path} --help')" if context else ""), err=True)

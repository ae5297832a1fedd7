"""Which options go with those that make `mil-opt` do something else than to run a pipeline and to write the result."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import click
from click.core import ParameterSource

_READING = ("missing-weights", "allow-missing-weights")


@attrs.frozen
class _Mode:
    """What an option does to others, told by what their names begin with.

    Attributes:
        why: why some have no meaning with it.
        takes: those that have a meaning; all without it.
        refuses: those that have none all the same.
    """

    why: str
    takes: tuple[str, ...] = ("",)
    refuses: tuple[str, ...] = ()

    def has_no_use_for(self, name: str) -> bool:
        """Whether an option means nothing beside the mode."""
        return not name.startswith(self.takes) or name.startswith(self.refuses)


_MODES = {
    "reduce": _Mode(
        "the command says what is run, and the smallest program is all that is written",
        takes=("reduce", "output", "force", "weights", *_READING),
    ),
    "bisect": _Mode(
        "it prints what it finds, and writes nothing",
        takes=(
            *("bisect", "pass-pipeline", "run-reproducer", "no-crash-reproducer", "dump-pass-pipeline", "json"),
            *("split-input-file", "check-", "min-sqnr", *_READING),
        ),
    ),
    "run-reproducer": _Mode(
        "INPUT says it", refuses=("pass-pipeline", "verify-each", "no-verify-each", "verify-claims", "rewrite-limit")
    ),
}


def refuse_idle_options(context: click.Context) -> None:
    """Refuses options that have no meaning beside others: what is ignored in silence misleads.

    Raises:
        click.UsageError: there are such; it names both.
    """
    given = list(_given(context))
    for mode, rules in _MODES.items():
        idle = next((name for name in given if name != mode and rules.has_no_use_for(name)), None)
        if mode in given and idle is not None:
            raise click.UsageError(f"--{mode} does not go with --{idle}: {rules.why}")


def _given(context: click.Context) -> Iterator[str]:
    """The names of the options on the command line, as they are spelt there but for their dashes."""
    for option in context.command.params:
        name = option.name or ""
        if isinstance(option, click.Option) and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            spellings = option.secondary_opts if context.params[name] is False else option.opts
            yield max(spellings, key=len).removeprefix("--")

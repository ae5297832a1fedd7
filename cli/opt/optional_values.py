"""Options that may be given a value, `--timing` or `--timing=list`; the value is never the next word."""

from __future__ import annotations

from typing import Any

import click


class OptionalValue(click.Option):
    """An option whose value may be left out; it needs an `OptionalValueCommand` around it.

    Args:
        declarations: as click's.
        bare: the value that stands for none.
        attributes: as click's.
    """

    def __init__(self, declarations: list[str], *, bare: str, **attributes: Any) -> None:
        super().__init__(declarations, **attributes)
        self.bare = bare

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option's line of `--help`, with its value in brackets."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        name, _, value = record[0].partition(" ")
        return f"{name}[={value.strip('[]')}]", record[1]


class OptionalValueCommand(click.Command):
    """A command whose options may be `OptionalValue`s."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Gives options without a value theirs; click would take the next word for it."""
        bare = {name: each.bare for each in self.params if isinstance(each, OptionalValue) for name in each.opts}
        end = args.index("--") if "--" in args else len(args)
        whole = [f"{word}={bare[word]}" if word in bare else word for word in args[:end]]
        return super().parse_args(ctx, whole + args[end:])


def optional(*declarations: str, bare: str, **attributes: Any) -> Any:
    """A decorator as `click.option`, for an `OptionalValue`."""
    return click.option(*declarations, cls=OptionalValue, bare=bare, **attributes)

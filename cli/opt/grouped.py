"""A command with many options: `--help` shows them in groups."""

from __future__ import annotations

import click

from .optional_values import OptionalValueCommand

# By what the options' names begin with; the first group that has one takes it, the last takes the rest.
_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Pipelines", ("pass-pipeline", "list", "dump")),
    ("What is read and written", ("output", "force", "weights", "missing", "allow", "split")),
    ("Checks", ("verify", "rewrite-limit")),
    ("Numbers", ("check-", "min-sqnr", "bisect")),
    ("Reports", ("timing", "statistics", "remarks", "log-", "json")),
    ("Programs around passes", ("print-ir",)),
    ("Failures", ("crash", "no-crash", "run-reproducer", "reduce")),
    ("Others", ("",)),
)


class GroupedCommand(OptionalValueCommand):
    """Shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes one section for each group that has any."""
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title, _ in _GROUPS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                sections[_group_of(parameter)].append(record)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def _group_of(parameter: click.Parameter) -> str:
    name = max(parameter.opts, key=len).lstrip("-")
    return next(title for title, beginnings in _GROUPS if name.startswith(beginnings))

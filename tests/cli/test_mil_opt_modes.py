"""Options of `mil-opt` that make it do something else, and which others go with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from milopt.cli.mil_opt import mil_opt as command

Command = Callable[..., Any]
PIPELINE = "--pass-pipeline=program()"
BISECT, REDUCE, RUN = "--bisect", "--reduce=false {}", "--run-reproducer"


@pytest.mark.parametrize(
    ("mode", "idle"),
    [
        *((BISECT, word) for word in ("--verify-diagnostics", "--timing", "--statistics=list", "--remarks")),
        *(
            (BISECT, word)
            for word in ("--print-ir-after-all", "--output=x.mil", "--verify-claims", "--rewrite-limit=1")
        ),
        *((BISECT, word) for word in ("--no-verify-each", "--log-rewrites", "--crash-reproducer=x.mil", "--force")),
        *((REDUCE, word) for word in ("--timing", "--json", "--check-numerics=random", "--verify-diagnostics")),
        *((REDUCE, word) for word in (BISECT, RUN, PIPELINE, "--split-input-file", "--rewrite-limit=1")),
        *((RUN, word) for word in ("--no-verify-each", "--verify-each", "--verify-claims", "--rewrite-limit=1")),
        (RUN, PIPELINE),
    ],
    ids=lambda word: word.partition("=")[0].strip("-"),
)
def test_options_that_would_mean_nothing_are_refused(mode: str, idle: str, mil_opt: Command) -> None:
    names = [word.partition("=")[0] for word in (mode, idle)]
    mil_opt("@linear", idle, mode).require_mistake(f"{names[0]} does not go with {names[1]}: ")


def test_defaults_are_not_on_the_command_line(mil_opt: Command) -> None:
    ran = mil_opt("@linear", BISECT, PIPELINE, "--no-crash-reproducer", "--json", "--missing-weights=error")
    assert (ran.code, ran.out) == (0, '{"culprit": null}\n')


def test_modes_are_options() -> None:
    """So that a renamed option is not forgotten in the table."""
    from milopt.cli.opt.modes import _MODES

    names = [name.removeprefix("--") for each in command.params for name in (*each.opts, *each.secondary_opts)]
    assert set(_MODES) <= set(names)
    for mode in _MODES.values():
        for beginning in (*mode.takes, *mode.refuses):
            assert any(name.startswith(beginning) for name in names), beginning


def test_pipeline_is_given_once(mil_opt: Command) -> None:
    mil_opt("@linear", PIPELINE, PIPELINE).require_mistake("'--pass-pipeline': it is given more than once")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--rewrite-limit=x", "'x' is not a valid integer (try"),
        ("--rewrite-limit=-1", "-1 is not in the range x>=0"),
        ("--check-seed=1.5", "'1.5' is not a valid integer (try"),
        ("--reduce-timeout=x", "'x' is not a valid number (try"),
    ],
)
def test_numbers_are_refused_in_plain_words(word: str, message: str, mil_opt: Command) -> None:
    mil_opt("@linear", word).require_mistake(message)


def test_every_option_says_what_it_is_for() -> None:
    assert all(each.help for each in command.params if isinstance(each, click.Option))


def test_mistakes_in_reproducers_are_told_with_their_file(mil_opt: Command, tmp_path: Path) -> None:
    path = tmp_path / "x.mil"
    path.write_text("// milopt reproducer: --pass-pipeline='program(nobodys)'\n")
    ran = mil_opt(RUN, path)
    assert ran.err.startswith(f"the pipeline of {path}:1:9: error: there is no pass or pipeline 'nobodys'")
    mil_opt(RUN, "-").require_mistake("<stdin>: it is no reproducer: it names no pipeline")

"""Differences of programs as the lines that are told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from milopt.ir.diffing.comparing import diff_programs
from milopt.ir.diffing.lines import lines
from milopt.ir.diffing.options import DEFAULT, DiffOptions
from milopt.ir.diffing.records import ModelDiff, ProgramDiff

from .programs import PROGRAMS


def told(diff: ProgramDiff) -> list[str]:
    """The lines of a difference, marks and all, without the heading and the summary."""
    found = list(lines(ModelDiff(stages=(diff,) if diff else ())))
    return [str(line).strip() for line in found[:-1] if line.mark]


def edited(name: str, edit: Callable[[Any], object], options: DiffOptions = DEFAULT) -> list[str]:
    """What is told of a program and itself after an edit."""
    program = PROGRAMS[name]()
    edit(program)
    return told(diff_programs(PROGRAMS[name](), program, options))

"""Which stage of a pipeline, and which of a program's functions, a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..ir.errors import ProgramError
    from ..ir.model import Model
    from ..ir.model_parts import Stage


def choose_stages(model: Model, place: str | None, function: str | None = None) -> list[Stage]:
    """The stages that are asked for, of a pipeline or the only one.

    Args:
        model: the model.
        place: of a stage, such as `0`; without it, all.
        function: a name; only stages that have it, without it, all.

    Raises:
        MiloptError: there is no such stage.
        ProgramError: none of the stages has the function.
    """
    from ..ir.errors import MiloptError

    found = [stage for stage in model.stages if place in (None, stage.label)]
    if not found:
        known = ", ".join(_option(stage) for stage in model.stages if stage.label)
        hint = f"try {known}" if known else "it is no pipeline"
        raise MiloptError(f"there is no stage {place!r} with a program", where=model.name, hint=hint)
    if function is None:
        return found
    having = [stage for stage in found if function in stage.program.functions]
    if not having:
        raise no_function(model, function, (name for stage in found for name in stage.program.functions))
    return having


def choose_stage(model: Model, place: str | None, function: str | None = None) -> Stage:
    """The stage that `choose_stages` finds.

    Raises:
        click.UsageError: it finds several.
    """
    found = choose_stages(model, place, function)
    if len(found) > 1:
        raise click.UsageError(f"{model.name} has several programs; try {', '.join(map(_option, found))}")
    return found[0]


def choose_function(model: Model, program: Any, name: str | None) -> str:
    """The name of one of a program's functions: the default one's without a name.

    Raises:
        ProgramError: there is no such function.
    """
    chosen: str = name or program.default_function_name
    if chosen not in program.functions:
        raise no_function(model, chosen, program.functions)
    return chosen


def choose_functions(model: Model, place: str | None, name: str | None) -> list[tuple[Stage, str]]:
    """The functions of a name, or all; the default one of each program before the others.

    Args:
        model: the model.
        place: of a stage; without it, functions of all stages.
        name: of the functions.

    Raises:
        MiloptError: there is no such stage.
        ProgramError: there is no such function.
    """
    stages = choose_stages(model, place, name)
    found = [(stage, each) for stage in stages for each in stage.program.functions if name in (None, each)]
    return sorted(found, key=lambda pair: pair[1] != pair[0].program.default_function_name)


def _option(stage: Stage) -> str:
    return f"--stage {stage.label}"


def no_function(model: Model, name: str, known: Iterable[str] | None = None) -> ProgramError:
    """The error about a function that there is not; `known` are all of the model's without it."""
    from ..ir.errors import ProgramError, did_you_mean

    if known is None:
        known = (each for stage in model.stages for each in stage.specification.mlProgram.functions)
    names = list(dict.fromkeys(known))
    hint = did_you_mean(name, names) or f"the functions are {', '.join(names)}"
    return ProgramError(f"there is no function {name!r}", where=model.name, hint=hint)

"""`milopt print`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...ir.errors import ProgramError
from .. import options
from ..choosing import choose_functions, no_function
from ..opening import open_model
from ..option_types import Integer

if TYPE_CHECKING:
    from ...ir.model import Model
    from ...ir.model_parts import Stage
    from ...ir.text.source import Dialect
    from ...ir.weights.store import MissingWeights

_DEPTH = 1


@click.command("print")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--function", help="Only this function.")
@click.option("--op", "name", help="Only this op and what is around it, as a program of its own.")
@click.option(
    "--depth",
    type=Integer(min=0),
    help=f"How many steps to go from --op, constants not counted; {_DEPTH} without it.",
)
@click.option(
    "--weights",
    type=click.Choice(["references", "elided", "inline"]),
    default="references",
    show_default=True,
    help="Large constants as places in the weight file, as digests, or element by element.",
)
@click.option("--elide", is_flag=True, help="The same as --weights elided.")
@click.option(
    "--dialect",
    type=click.Choice(["1.0", "1.3"]),
    help="1.3 writes scalars as int32(1), 1.0 as tensor<int32, []>(1); without it, as the text has it, else 1.3.",
)
@options.missing_weights
def print_(
    model: Path,
    *,
    function: str | None,
    name: str | None,
    depth: int | None,
    weights: str,
    elide: bool,
    dialect: Dialect | None,
    missing_weights: MissingWeights,
) -> None:
    """Print MODEL as MIL text.

    The syntax is Apple's, that of the model.mil of compiled models. MODEL may be text itself, - for stdin.
    """
    from ...ir.text.writing import joined

    if depth is not None and name is None:
        raise click.UsageError("--depth needs --op, the op to go from")
    weights = "elided" if elide else weights
    # References need no weights.
    loaded = open_model(model, "zeros" if weights == "references" else missing_weights)
    spoken = dialect or (loaded.origin.text.dialect if loaded.origin.text else "1.3")
    printer = _Printer(loaded, weights, spoken)
    if name is not None:
        texts = printer.around(function, name, _DEPTH if depth is None else depth)
    else:
        texts = printer.stages(function)
    click.echo(joined(texts), nl=False)


class _Printer:
    def __init__(self, model: Model, weights: str, dialect: Dialect) -> None:
        self._model, self._weights, self._dialect = model, weights, dialect

    def stages(self, function: str | None) -> list[str]:
        """The text of each program, or of the programs that have a function."""
        found = [stage for stage in self._model.stages if _has(stage, function)]
        if not found and function is not None:
            raise no_function(self._model, function)
        return [self._stage(stage, function) for stage in found]

    def _stage(self, stage: Stage, function: str | None) -> str:
        from ...ir.text.printer import print_proto

        if self._weights != "references":
            return self._program(stage.program if function is None else _only(stage.program, function))
        program = stage.specification.mlProgram
        if function is not None:
            program = type(program)()
            program.CopyFrom(stage.specification.mlProgram)
            for name in set(program.functions) - {function}:
                del program.functions[name]
        described = (each.name for each in stage.specification.description.functions)
        order = [name for name in described if name in program.functions]
        return print_proto(program, dialect=self._dialect, function_order=order)

    def _program(self, program: Any) -> str:
        from ...ir.text.printer import print_program
        from ...ir.text.weight_placing import ReferenceSink

        chosen: Any = ReferenceSink(self._model.weights) if self._weights == "references" else self._weights
        return print_program(program, weights=chosen, dialect=self._dialect)

    def around(self, function: str | None, name: str, depth: int) -> list[str]:
        """The text of the program of an op and its neighbours, which is one of the first stage that has the op."""
        from ...ir.excerpts import excerpt
        from ...ir.graphs.def_use import def_use_graph
        from ...ir.graphs.slices import around

        absent: list[ProgramError] = []
        for stage, chosen in choose_functions(self._model, None, function):
            try:
                found = around(def_use_graph(stage.program.functions[chosen], name=chosen), name, depth)
            except ProgramError as error:
                absent.append(error)
            else:
                return [self._program(excerpt(stage.program, chosen, found))]
        raise next((error for error in absent if error.hint), absent[0])


def _has(stage: Stage, function: str | None) -> bool:
    return function is None or function in stage.specification.mlProgram.functions


def _only(program: Any, function: str) -> Any:
    """A program with one of another's functions."""
    from ...ir.pymil import Program

    result = Program()
    result.add_function(function, program.functions[function])
    return result

"""What of a program a dump shows: all of it, a function, or an op with its neighbours."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ...ir.errors import MiloptError, located

if TYPE_CHECKING:
    from ..runs import PassRun


@attrs.frozen
class Scope:
    """What a dump shows; each text is a program by itself, large constants elided.

    Attributes:
        function: show this function only, and nothing around passes on other functions.
        op: show this op only, with what it takes from other ops and the ops that take it; nothing where there is no
            such op.
        whole_program: show all functions around a pass on one function, too.
    """

    function: str | None = None
    op: str | None = None
    whole_program: bool = False

    def __str__(self) -> str:
        """`op 'y' in a function 'main'`."""
        op = [] if self.op is None else [f"op {self.op!r}"]
        function = [] if self.function is None else [f"function {self.function!r}"]
        return " in a ".join([*op, *function])

    def text(self, run: PassRun) -> str | None:
        """What there is to show around a pass; None if there is nothing.

        A program that can not be printed, as after a pass that broke it, gives a comment that says why.
        """
        from ...ir.text.printer import print_program

        functions = self._functions(run)
        try:
            with located("the program"):
                shown = functions if self.op is None else dict(_excerpts(run.program, functions, self.op))
                return print_program(_with(run.program, shown)) if shown else None
        except MiloptError as error:
            return f"// it can not be printed: {error}\n"

    def _functions(self, run: PassRun) -> dict[str, Any]:
        """The functions to show, by name."""
        every: Mapping[str, Any] = run.program.functions
        if self.function is not None and run.function not in (None, self.function):
            return {}
        shown = None if self.whole_program else run.function or self.function
        return {name: function for name, function in every.items() if shown in (None, name)}


class Texts:
    """The texts of a scope; what was printed is not printed anew while the program is the same.

    Args:
        scope: what they show.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._last: dict[str | None, tuple[list[Any], str | None]] = {}  # by the function that a pass runs on

    def of(self, run: PassRun) -> str | None:
        """See `Scope.text`."""
        from ...ir.structure import snapshot

        try:
            with located("the program"):
                now = snapshot(run.program)
        except MiloptError:  # it is damaged; the printer says how
            return self._scope.text(run)
        before, text = self._last.get(run.function, (None, None))
        if now != before:
            text = self._scope.text(run)
            self._last[run.function] = now, text
        return text


def _with(program: Any, functions: dict[str, Any]) -> Any:
    """The same program with other functions; what both share is not copied."""
    view = copy.copy(program)
    view.functions = functions
    return view


def _excerpts(program: Any, functions: Mapping[str, Any], op: str) -> Iterator[tuple[str, Any]]:
    """What is around an op, for each function that has it."""
    from ...ir.excerpts import excerpt

    for name, function in functions.items():
        around = list(_around(function, op))
        if around:
            yield name, excerpt(program, name, around).functions[name]


def _around(function: Any, op: str) -> Iterator[Any]:
    """An op of a name, or that gives a value of that name; the ops that it takes values of, and those that take its."""
    from ...ir.walking import input_values, walk

    found = (each for each in walk(function) if op in (each.name, *_names(each.outputs)))
    operation = next(found, None)
    if operation is not None:
        yield operation
        yield from (var.op for _, var in input_values(operation) if var.op is not None)
        yield from (user for output in operation.outputs for user in output.child_ops)


def _names(values: Iterable[Any]) -> Iterator[str]:
    return (value.name for value in values)

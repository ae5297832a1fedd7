"""The instrumentation that prints programs before and after passes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .base import Instrumentation
from .ir_scope import Scope, Texts

if TYPE_CHECKING:
    from ..base import Outcome
    from ..runs import PassRun, PipelineRun

Moment = Literal["before", "after", "failure", "changes"]

_TITLES: dict[Moment, str] = {
    "before": "IR dump before",
    "after": "IR dump after",
    "failure": "IR dump after failed",
    "changes": "IR changes by",
}


@attrs.frozen
class PassNames:
    """Names of passes.

    Attributes:
        names: some of them, as `pass_name_of` gives them.
        every: all there are.
    """

    names: frozenset[str] = frozenset()
    every: bool = False

    def __contains__(self, name: object) -> bool:
        """Whether a name is among them."""
        return self.every or name in self.names


@attrs.frozen
class Dump:
    """What is printed around one pass.

    Attributes:
        moment: `before` it, `after` it, after its `failure`, or the `changes` by it.
        pass_name: the pass, without its options.
        path: where it stands, for people.
        number: of the pass in the course of all runs, counted from 0.
        text: a program, or lines with `+` and `-` for changes.
        program: which program of those that were seen, counted from 0.
    """

    moment: Moment
    pass_name: str
    path: str
    number: int
    text: str
    program: int = 0

    def __str__(self) -> str:
        """The text below a comment that says what it is."""
        title = " ".join(f"{_TITLES[self.moment]} {self.pass_name} ({self.path})".split())
        return f"// ----- {title} ----- //\n{self.text}"

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return attrs.asdict(self)


@attrs.frozen
class Moments:
    """When programs are printed.

    Attributes:
        before: before these passes.
        after: after these passes.
        only_changes: after a pass only if the text is another one than before it.
        differences: after a pass only the lines that are other ones than before it.
        failures: after a pass that fails.
    """

    before: PassNames = PassNames()
    after: PassNames = PassNames()
    only_changes: bool = False
    differences: bool = False
    failures: bool = False


class IRPrinting(Instrumentation):
    """Prints the program, or a part of it, around passes.

    Outside of the verifier it prints nothing after a pass that broke the program but with `failures`.

    Args:
        moments: when.
        write: takes each dump.
        scope: what is shown.
    """

    def __init__(self, moments: Moments, write: Callable[[Dump], None], scope: Scope = Scope()) -> None:  # noqa: B008
        self._moments, self._write, self._texts = moments, write, Texts(scope)
        self._count = self._programs = 0
        self._looked = self._found = False
        self._running: list[tuple[int, str | None]] = []  # the number of each pass, and the text before it

    @property
    def found_nothing(self) -> bool:
        """Whether there never was what the scope names, although it was looked for."""
        return self._looked and not self._found

    def before_pipeline(self, run: PipelineRun) -> None:
        """Counts programs."""
        self._programs += run.path == "program"

    def before_pass(self, run: PassRun) -> None:
        """Prints, and keeps the text if it will be compared."""
        moments, name, text = self._moments, pass_name_of(run), None
        compares = (moments.only_changes or moments.differences) and name in moments.after
        number, self._count = self._count, self._count + 1
        if compares or name in moments.before:
            text = self._text(run)
        if name in moments.before:
            self._dump("before", run, number, text)
        self._running.append((number, text))

    def after_pass(self, run: PassRun, outcome: Outcome) -> None:  # noqa: ARG002
        """Prints, if anything changed where that is asked for."""
        moments = self._moments
        number, before = self._running.pop()
        if pass_name_of(run) not in moments.after:
            return
        text = self._text(run)
        if not (moments.only_changes or moments.differences):
            self._dump("after", run, number, text)
        elif text != before and moments.differences:
            self._dump("changes", run, number, difference(before or "", text or ""))
        elif text != before:
            self._dump("after", run, number, text)

    def after_failed_pass(self, run: PassRun, error: BaseException) -> None:  # noqa: ARG002
        """Prints what the pass left."""
        number, _ = self._running.pop()
        if self._moments.failures:
            self._dump("failure", run, number, self._text(run))

    def _text(self, run: PassRun) -> str | None:
        text = self._texts.of(run)
        self._looked, self._found = True, self._found or text is not None
        return text

    def _dump(self, moment: Moment, run: PassRun, number: int, text: str | None) -> None:
        if text is not None:
            program = max(self._programs - 1, 0)
            self._write(Dump(moment, pass_name_of(run), run.path, number, text, program))


def pass_name_of(run: PassRun) -> str:
    """The name of the pass that runs, without its options: `quantize-weights`, `common::noop_elimination`."""
    return str(run.pass_).partition("{")[0]


def difference(before: str, after: str) -> str:
    """The lines that differ, with three around them and the numbers of all."""
    lines: Iterable[str] = difflib.unified_diff(_lines(before), _lines(after), "before", "after", lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines; unlike `str.splitlines` it knows no breaks that may stand in a string of MIL."""
    return text.removesuffix("\n").split("\n") if text else []

"""What `mil-opt` works on: each part of a text, or a package, on its own, with the diagnostics that it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ...ir.diagnostics import Diagnostic, TextError, diagnostic_of
from ...ir.errors import MiloptError, PackageError
from ..opening import STDIN, read_stdin, tell_notes

if TYPE_CHECKING:
    from ...ir.model import Model
    from ...ir.text.places import Places
    from ...ir.text.source import Source
    from ...ir.weights.store import MissingWeights
    from ...passes.instrumentation.base import Instrumentation
    from ...passes.pipeline import Pipeline
    from ...passes.remarks import Remark
    from .instruments import Instruments


@attrs.frozen
class Unit:
    """One input.

    Attributes:
        path: the file or folder; `-` for stdin.
        text: the text, or a part of it; None for packages.
    """

    path: Path
    text: Source | None = None

    @property
    def name(self) -> str:
        """What people know it by."""
        return str(self.path) if self.text is None else self.text.name

    def open(self, missing_weights: MissingWeights) -> Model:
        """The model; raises what `milopt.load` does."""
        from ...ir.opening import load, load_text

        if self.text is None:
            return load(self.path, missing_weights=missing_weights)
        folder = Path.cwd() if str(self.path) == STDIN else self.path.parent
        return load_text(self.text, folder, missing_weights)


def units_of(path: Path, *, split: bool) -> list[Unit]:
    """The inputs at a path: the parts of a text between `// -----` if it is to be split, else all as one.

    Raises:
        PackageError: the text can not be read, or a package is to be split.
    """
    from ...ir.opening import is_text, read_source

    if str(path) == STDIN:
        source = read_stdin()
    elif is_text(path):
        source = read_source(path)
    elif split:
        raise PackageError("only MIL text can be split", where=path)
    else:
        return [Unit(path)]
    return [Unit(path, part) for part in (source.sections() if split else [source])]


@attrs.define
class Work:
    """What became of a unit.

    Attributes:
        unit: the input.
        model: the model, changed by the passes; None if it could not be read, half changed if there is an error.
        error: what went wrong.
        remarks: what the passes said.
    """

    unit: Unit
    model: Model | None = None
    error: MiloptError | None = None
    remarks: list[Remark] = attrs.Factory(list)
    _places: Places | None = None

    def diagnostics(self, accepts: Callable[[Remark], bool]) -> list[Diagnostic]:
        """The faults, and what the passes said if it is accepted, with places in the text where there are any."""
        said = filter(accepts, self.remarks)
        remarks = [(remark, Diagnostic("", str(remark), severity="remark")) for remark in said]
        return [*self._faults(), *(self._located(found, each.op, each.function) for each, found in remarks)]

    def _faults(self) -> Iterator[Diagnostic]:
        if isinstance(self.error, TextError):
            yield from self.error.diagnostics
        elif self.error is not None:
            subject, found = self.error.subject, diagnostic_of(self.error)
            yield self._located(found, subject.op, subject.function) if subject and subject.op else found

    def _located(self, diagnostic: Diagnostic, op: str, function: str | None = None) -> Diagnostic:
        if self.model is None or self.model.origin.text is None:
            return diagnostic
        from ...ir.text.places import Places

        self._places = self._places or Places(self.model.origin.text)
        return attrs.evolve(diagnostic, location=self._places.of_op(op, function))


@attrs.frozen
class Original:
    """A program as it is in the input, read anew: nothing has to be kept for runs that do not fail."""

    unit: Unit
    stage: str
    missing_weights: MissingWeights

    def __call__(self) -> Any:
        """The program."""
        return self.unit.open(self.missing_weights).programs[self.stage]


def run_unit(
    unit: Unit,
    pipeline: Pipeline,
    around: Iterable[Instrumentation],
    missing_weights: MissingWeights,
    instruments: Instruments,
) -> Work:
    """Reads a unit and runs a pipeline on its programs; errors that a user can make are in the result."""
    from ...passes.manager import PassManager

    work, manager = Work(unit), PassManager(pipeline, tuple(around))
    try:
        with instruments.phase("reading"):
            work.model = unit.open(missing_weights)
        instruments.opened(work.model)
        tell_notes(work.model)
        for stage in work.model.stages:
            original = Original(unit, stage.label, missing_weights)
            work.remarks += manager.run(stage.program, in_place=True, original=original).remarks
    except MiloptError as error:
        work.error = error
    return work

"""The model that is calibrated, as sessions here open it and as workers elsewhere find it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs

from ....ir.model import Model
from ....ir.opening import load
from ....ir.pymil import Program


@attrs.frozen
class Source:
    """A model, a program or a path, opened.

    Attributes:
        opened: a `Model`, or a PyMIL program.
        path: where it was read from; None for what was given in memory.
    """

    opened: Any
    path: Path | None = None

    @classmethod
    def of(cls, model: Any) -> Source:
        """What `calibrate` was given.

        Raises:
            PackageError: a path that is none of a model.
        """
        if isinstance(model, Model | Program):
            return cls(model)
        path = Path(getattr(model, "package_path", None) or os.fspath(model)).absolute()
        return cls(load(path), path)

    @property
    def program(self) -> Any:
        """The program.

        Raises:
            ProgramError: the model is a pipeline of several.
        """
        return self.opened.program if isinstance(self.opened, Model) else self.opened

    @property
    def functions(self) -> Mapping[str, Any]:
        """The program's functions by name."""
        found: Mapping[str, Any] = self.program.functions
        return found

    @contextmanager
    def on_disk(self) -> Iterator[tuple[Path, bool]]:
        """A path that workers can open the model from, as long as they work, and whether its program runs alone.

        What was given in memory is written into a temporary folder; all workers have to see it.
        """
        if self.path is not None:
            yield self.path, False
            return
        with TemporaryDirectory(prefix="milopt-") as folder:
            yield self._written(Path(folder)), not isinstance(self.opened, Model)

    def _written(self, folder: Path) -> Path:
        if isinstance(self.opened, Model):
            path = folder / "model.mlpackage"
            self.opened.save(path)
            return path
        from ....ir.text.writing import write_program_text

        path = folder / "model.mil"
        write_program_text(path, [self.opened])
        return path

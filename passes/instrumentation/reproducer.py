"""The instrumentation that leaves a file that reproduces a pass's failure."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...ir.errors import (
    CheckFailure,
    MiloptError,
    OptionError,
    PackageError,
    PassFailure,
    RunError,
    SaveError,
    TargetError,
)
from ..proving.captures import Tail
from ..proving.reproducers import read_reproducer, reproducer_of, write_reproducer
from ..proving.tails import Checks, Symptom, Witness, fails_alike, smallest_tail
from .verify_each import VerifyEach

if TYPE_CHECKING:
    from ..runs import PipelineRun

# What a user or the machine has to mend. Everything else is a defect: an exception that no pass should raise, a program
# that is not valid after a pass. Numbers that are off are for `--bisect`, which knows the program to compare with.
NO_DEFECTS = (CheckFailure, OptionError, PackageError, RunError, SaveError, TargetError, OSError, MemoryError)

# More weights than this are not written to the temporary folder unasked.
_LARGEST_UNASKED = 1 << 30
# A reproducer with more than this is not read back to see whether it works.
_LARGEST_CONFIRMED, _MOST_OPS_CONFIRMED = 1 << 26, 10_000


class CrashReproducer(Witness):
    """Writes a reproducer when a pass fails by a defect; it costs nothing before.

    It has to stand outside of all that can fail a pass. The failure's `reproducer` becomes the command to run; if there
    is none, its hint says why.

    Args:
        path: a `.mil` file, an `.mlpackage` or a folder; a new file in the temporary folder without it. In a folder,
            and from the second failure on, a number in the name keeps it from what is there: `x.1.mil`.
        checks: makes what else runs around the passes and can fail them.
        flags: what tells `mil-opt` of these; see `reproducers.FLAGS`.
        rewrite_limit: how many rewrites the run admits; all without it.
        overwrite: whether something may stand at `path` already.
        working: told what is being done, for as long as the context that it gives lasts.
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        path: Path | None = None,
        *,
        checks: Checks = lambda: (VerifyEach(),),
        flags: tuple[str, ...] = (),
        rewrite_limit: int | None = None,
        overwrite: bool = False,
        working: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        super().__init__()
        self._path, self._checks, self._flags, self._overwrite = path, checks, flags, overwrite
        self._rewrite_limit, self._working = rewrite_limit, working
        self._written: list[Path] = []

    def before_pipeline(self, run: PipelineRun) -> None:
        """Begins anew with each program."""
        if run.path == "program":
            self.restart()

    def after_failed_pipeline(self, run: PipelineRun, error: BaseException) -> None:
        """Leaves the reproducer, after the outermost pipeline."""
        if run.path != "program" or not isinstance(error, PassFailure) or isinstance(self.cause, NO_DEFECTS):
            return
        try:
            with self._working("making a reproducer of the failure"):
                error.reproducer = self._leave(run, error)
        except Exception as problem:  # noqa: BLE001 - whatever goes wrong here must not hide the failure
            words = problem.message if isinstance(problem, MiloptError) else f"{type(problem).__name__}: {problem}"
            why = f"there is no reproducer: {' '.join(words.split())}"
            error.hint = f"{error.hint}; {why}" if error.hint else why

    def _leave(self, run: PipelineRun, error: PassFailure) -> str:
        """Writes the reproducer, and gives the command that runs it."""
        if run.original is None or self.symptom is None:
            raise SaveError("nobody kept the program as it was")
        whole = Tail(run.original(), run.pipeline, self._rewrite_limit)
        tail = smallest_tail(whole, self.symptom, self.places, self._checks)
        if tail is None:
            raise SaveError("the pipeline does not fail again")
        path = self._write(tail, error)
        doubt = _doubt(path, tail.program, self.symptom, self._checks)
        return f"mil-opt --run-reproducer {shlex.quote(str(path))}" + (f" ({doubt})" if doubt else "")

    def _write(self, tail: Tail, error: PassFailure) -> Path:
        """Writes the file, and gives its path."""
        said = reproducer_of(tail.pipeline, self._flags, tail.rewrite_limit)
        name = re.sub(r"[^\w.-]+", "_", str(error.run.pass_).partition("{")[0]) + ".mil"
        if self._path is not None:
            path = self._place(self._path, name)
            write_reproducer(path, tail.program, said, note=str(error), overwrite=self._overwrite)
            self._written.append(path)
            return path
        _require_small(tail.program)
        folder = Path(tempfile.mkdtemp(prefix="milopt-reproducer-"))
        try:
            write_reproducer(folder / name, tail.program, said, note=str(error))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder / name

    def _place(self, path: Path, name: str) -> Path:
        """Where the next one goes, with a number in its name where it has to stand beside others.

        What the same run has written is never replaced; what stood there before is, if that is allowed.
        """
        is_folder = path.is_dir() and path.suffix != ".mlpackage"
        first = path / name if is_folder else path
        if not is_folder and not self._written:
            return first
        numbered = (first.with_name(f"{first.stem}.{number}{first.suffix}") for number in count(1))
        return next(each for each in chain((first,), numbered) if self._is_free(each))

    def _is_free(self, path: Path) -> bool:
        """Whether a file, or the weights that stand beside it, would replace nothing that has to stay."""
        places = (path, path.with_suffix(".weights.bin"))
        return path not in self._written and (self._overwrite or not any(map(os.path.lexists, places)))


def _require_small(program: Any) -> None:
    from ...ir.sizes import weight_bytes

    size = weight_bytes(program)
    if size > _LARGEST_UNASKED:
        hint = "choose a place for it with --crash-reproducer"
        raise SaveError(f"the weights take {size / (1 << 30):.1f} GiB; {hint}")


def _doubt(path: Path, program: Any, symptom: Symptom, checks: Checks) -> str:
    """Why what was written may not reproduce the failure; empty if it does, or is too large to try."""
    from ...ir.opening import load
    from ...ir.sizes import weight_bytes
    from ...ir.walking import walk
    from ..pipeline_text import parse_pipeline

    if weight_bytes(program) > _LARGEST_CONFIRMED or sum(1 for _ in walk(program)) > _MOST_OPS_CONFIRMED:
        return ""
    try:
        said = read_reproducer(path)
        tail = Tail(load(path).program, parse_pipeline(said.pipeline), said.rewrite_limit)
        return "" if fails_alike(tail, symptom, checks) else "it does not fail in the same way once it is read back"
    except MiloptError as problem:
        return f"not as it is: {' '.join(problem.message.split())}"

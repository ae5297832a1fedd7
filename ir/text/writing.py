"""Programs as text files, their weights in a file beside the text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import SaveError
from ..pymil import opset_of
from ..saving import atomic_files, check_output
from ..weights.missing import require_weights
from .printer import Weights, print_program
from .source import SEPARATOR, Dialect
from .weight_placing import FileSink


def write_program_text(  # noqa: PLR0913 - each is a choice of its own
    path: Path,
    programs: Iterable[Any],
    *,
    weights: Weights | None = None,
    dialect: Dialect = "1.3",
    overwrite: bool = False,
    allow_missing_weights: bool = False,
) -> None:
    """Writes PyMIL programs to a `.mil` file, as a whole or not at all; several are separated by `// -----`.

    Args:
        path: the file.
        programs: what to write.
        weights: as for `print_program`; without it, large constants go to `<stem>.weights.bin` beside the file, which
            the text refers to: nothing is lost.
        dialect: of the text.
        overwrite: whether something may stand there already.
        allow_missing_weights: write zeros for weights that were missing when a program was read.

    Raises:
        PackageError: weights were missing, and nothing allows zeros in their place.
        SaveError: the path is taken or can not be written to.
        ProgramError: a program holds something that MIL can not express.
    """
    programs = list(programs)
    if weights is None and not allow_missing_weights:
        for program in programs:
            hint = "allow_missing_weights=True, --allow-missing-weights writes zeros"
            require_weights(program, "written with its weights", hint)
    with atomic_files(path, overwrite=overwrite) as folder:
        texts = _texts(programs, folder / path.stem, weights, dialect)
        (folder / path.name).write_text(joined(texts), encoding="utf-8")
        for file in folder.iterdir():
            _check_place(path.with_name(file.name), overwrite=overwrite)


def _check_place(path: Path, *, overwrite: bool) -> None:
    """Raises `SaveError` unless a file can take its place: weights that stand beside a text may be another's."""
    check_output(path, overwrite=overwrite, suffix=path.suffix)
    if path.is_dir():
        raise SaveError("a folder stands in the place of the output", where=path)


def joined(texts: Iterable[str]) -> str:
    """Several texts as one, which `Source.sections` takes apart."""
    return f"{SEPARATOR}\n".join(texts)


def _texts(programs: Iterable[Any], stem: Path, weights: Weights | None, dialect: Dialect) -> Iterator[str]:
    for index, program in enumerate(programs):
        if weights is not None:
            yield print_program(program, weights=weights, dialect=dialect)
            continue
        suffix = f".{index}.weights.bin" if index else ".weights.bin"
        with FileSink(stem.with_name(stem.name + suffix), opset_of(program)) as sink:
            yield print_program(program, weights=sink, dialect=dialect)

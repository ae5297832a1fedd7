"""Reproducers: ordinary inputs, `.mil` or `.mlpackage`, that also say which pipeline fails on them.

In a text that is a comment in front of the program, in a package an entry of the user's metadata:

    // milopt reproducer: --pass-pipeline='program(quantize-weights)' --no-verify-each
"""

from __future__ import annotations

import shlex
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import attrs

from ...ir.errors import PackageError, PipelineError, SaveError
from ...ir.saving import atomic_files, check_output
from ...ir.text.source import Source
from ..pipeline import Pipeline

METADATA_KEY = "com.milopt.reproducer"

# Nothing else is taken from a file: a reproducer comes from somebody else, and must not write anywhere.
FLAGS = ("--no-verify-each", "--verify-claims")

_COMMENT = "// milopt reproducer: "
_PIPELINE, _LIMIT = "--pass-pipeline", "--rewrite-limit"
_NO_REPRODUCER = "write one with --crash-reproducer, or give --pass-pipeline"


@attrs.frozen
class Reproducer:
    """How to run what fails.

    Attributes:
        pipeline: as text.
        flags: of `mil-opt`, some of `FLAGS`.
        rewrite_limit: how many rewrites are done; all without it.
    """

    pipeline: str
    flags: tuple[str, ...] = ()
    rewrite_limit: int | None = None

    def __str__(self) -> str:
        """The arguments for `mil-opt`, quoted for a shell."""
        limit = () if self.rewrite_limit is None else (f"{_LIMIT}={self.rewrite_limit}",)
        return " ".join((f"{_PIPELINE}={shlex.quote(self.pipeline)}", *self.flags, *limit))

    @classmethod
    def parse(cls, text: str, where: object) -> Self:
        """What `str` gives, read back.

        Raises:
            PipelineError: it is nothing of the kind.
        """
        pipeline, flags, limit = None, [], None
        for word in _words(text, where):
            name, _, value = word.partition("=")
            if name == _PIPELINE:
                pipeline = value
            elif name == _LIMIT and value.isdecimal():
                limit = int(value)
            elif word in FLAGS:
                flags.append(word)
            else:
                raise PipelineError(f"a reproducer can not ask for {word!r}", where=where)
        if pipeline is None:
            raise PipelineError("the reproducer names no pipeline", where=where, hint=_NO_REPRODUCER)
        return cls(pipeline, tuple(flags), limit)


def _words(text: str, where: object) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise PipelineError(f"the reproducer is damaged: {error}", where=where) from None


def read_reproducer(path: Path) -> Reproducer:
    """What a `.mil` file or an `.mlpackage` says that fails on it.

    Raises:
        PackageError: it can not be read.
        PipelineError: it says nothing of the kind.
    """
    from ...ir.opening import is_text, open_unchecked, read_source

    if is_text(path):
        return reproducer_in(read_source(path))
    metadata = open_unchecked(path).specification.description.metadata
    return _parsed(metadata.userDefined.get(METADATA_KEY, ""), path)


def reproducer_in(text: Source) -> Reproducer:
    """What a text says that fails on its program.

    Raises:
        PipelineError: it says nothing of the kind.
    """
    head = takewhile(lambda line: line.startswith("//"), text.text.splitlines())
    return _parsed(next((line.removeprefix(_COMMENT) for line in head if line.startswith(_COMMENT)), ""), text.name)


def _parsed(said: str, where: object) -> Reproducer:
    if not said:
        raise PipelineError("it is no reproducer: it names no pipeline", where=where, hint=_NO_REPRODUCER)
    return Reproducer.parse(said, where)


def write_reproducer(
    path: Path, program: Any, reproducer: Reproducer, *, note: str = "", overwrite: bool = False
) -> None:
    """Writes a program with its weights, and what fails on it, as a whole or not at all.

    Args:
        path: a `.mil` file, whose weights stand beside it, or an `.mlpackage`.
        program: PyMIL.
        reproducer: what fails.
        note: how it fails, for people.
        overwrite: whether something may stand there already.

    Raises:
        SaveError: it can not be written there.
        ProgramError: the program can not be written.
    """
    if path.suffix not in (".mil", ".mlpackage"):
        raise SaveError("a reproducer must end in .mil or .mlpackage", where=path)
    check_output(path, overwrite=overwrite, suffix=path.suffix)
    if path.suffix == ".mil":
        _write_text(path, program, reproducer, note, overwrite=overwrite)
    else:
        _write_package(path, program, reproducer, overwrite=overwrite)


def _write_text(path: Path, program: Any, reproducer: Reproducer, note: str, *, overwrite: bool) -> None:
    from ...ir.text.writing import write_program_text

    with atomic_files(path, overwrite=overwrite) as folder:
        text = folder / path.name
        write_program_text(text, [program], allow_missing_weights=True)
        comments = [f"{_COMMENT}{reproducer}", *([f"// It fails with: {' '.join(note.split())}"] if note else [])]
        text.write_text("\n".join([*comments, text.read_text("utf-8")]), "utf-8")
        for file in folder.iterdir():
            check_output(path.with_name(file.name), overwrite=overwrite, suffix=file.suffix)


def _write_package(path: Path, program: Any, reproducer: Reproducer, *, overwrite: bool) -> None:
    """By way of text, from which a description is made."""
    from ...ir.opening import load

    with TemporaryDirectory(prefix="milopt-") as folder:
        text = Path(folder) / "program.mil"
        _write_text(text, program, reproducer, "", overwrite=False)
        model = load(text)
        model.specification.description.metadata.userDefined[METADATA_KEY] = str(reproducer)
        model.save(path, overwrite=overwrite)


def reproducer_of(pipeline: Pipeline, flags: tuple[str, ...], rewrite_limit: int | None) -> Reproducer:
    """The reproducer of a pipeline.

    Raises:
        PackageError: its text takes several lines, which no comment can hold.
    """
    text = str(pipeline)
    if not text.isprintable():
        raise PackageError("the text of the pipeline does not fit into a line")
    return Reproducer(text, flags, rewrite_limit)

"""Writing a package so that nothing is lost whatever happens: beside the old one first, then in its place."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import SaveError
from .package import MANIFEST


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool, suffix: str = ".mlpackage") -> Iterator[Path]:
    """Gives a temporary folder beside `path` that takes its place when the block ends well.

    When the block fails, or is interrupted, the temporary folder goes and `path` is as it was.

    Args:
        path: the folder to write.
        overwrite: whether something may stand there already.
        suffix: what its name has to end in.

    Raises:
        SaveError: `path` ends otherwise, exists, can not be written to, or the disk is full.
    """
    check_output(path, overwrite=overwrite, suffix=suffix)
    with _explained(path):
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            work.chmod(0o777 & ~_umask())
            yield work
            _flush(work)
            _replace(work, path)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Writes a text file as a whole or not at all; errors are those of `atomic_files`."""
    with atomic_files(path, overwrite=overwrite) as folder:
        (folder / path.name).write_text(text, encoding="utf-8")


@contextmanager
def atomic_files(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Gives a temporary folder whose files take their places beside `path` when the block ends well.

    The file that is called as `path` comes last: it may name the others.

    Args:
        path: the file to write.
        overwrite: whether something may stand there already.

    Raises:
        SaveError: `path` exists, can not be written to, or the disk is full.
    """
    check_output(path, overwrite=overwrite, suffix=path.suffix)
    with _explained(path):
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent))
        try:
            yield work
            _flush(work)
            for file in sorted(work.iterdir(), key=lambda each: each.name == path.name):
                file.chmod(0o666 & ~_umask())
                file.replace(path.parent / file.name)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def check_output(path: Path, *, overwrite: bool, suffix: str = ".mlpackage") -> None:
    """Raises `SaveError` when nothing can be written to `path` as things stand, or its name ends otherwise."""
    if path.suffix != suffix:
        raise SaveError(f"the output must end in {suffix}", where=path)
    if not path.parent.is_dir():
        raise SaveError(f"the folder {str(path.parent)!r} does not exist", where=path)
    if overwrite and suffix == ".mlpackage" and _is_something_else(path):
        raise SaveError("what stands there is no package, and is not replaced", where=path, hint="choose another name")
    if os.path.lexists(path) and not overwrite:
        raise SaveError(
            "the output exists already",
            where=path,
            hint="use --force, in Python overwrite=True, to replace it",
        )


def _is_something_else(path: Path) -> bool:
    """Whether something other than a package, or an empty folder, stands at a path; links are replaced themselves."""
    if path.is_symlink() or not path.exists():
        return False
    return not path.is_dir() or (any(path.iterdir()) and not (path / MANIFEST).exists())


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what an operating system's error means for the save."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise SaveError(
                "the disk is full; nothing was written", where=path, hint="free space and try again"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise SaveError("the folder can not be written to", where=path.parent) from error
        raise SaveError(f"could not be written: {error.strerror or error}", where=path) from error


def _flush(folder: Path) -> None:
    """Makes sure that the files are on the disk before a rename says that they are."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _replace(work: Path, path: Path) -> None:
    if not os.path.lexists(path):
        work.rename(path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        path.rename(old / path.name)
        try:
            work.rename(path)
        except BaseException:
            (old / path.name).rename(path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)

"""FileCheck in this process, with what PyPI's `filecheck` 1.0.3 lacks.

It passes misspelt directives and unused prefixes in silence, and takes any line for a directive that has the word in
it. Here a directive is a comment on a line of its own, in exactly its form; what nearly is one is an error.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import attrs
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser, pattern_for_opts

_KINDS = r"DAG|NOT|EMPTY|NEXT|SAME|LABEL|COUNT-\d+"
# A line of MIL text up to its comment: `//` in a string begins none.
_COMMENT = re.compile(r'(?P<text>(?:[^"/\n]|"(?:[^"\\\n]|\\.)*"|/(?!/))*)//[ \t]*(?P<comment>.*)')
_START = re.compile(r"(?P<word>[A-Z][A-Z0-9_-]*)(?![a-z])(?P<end>(?:\{\w*\})?\s*:|)")


class FileCheckError(Exception):
    """The output does not match the file, or the file itself is wrong."""


@attrs.frozen
class _Comment:
    """A comment, and whether it has its line to itself."""

    line: int
    text: str
    is_alone: bool


def _comments(text: str) -> Iterator[_Comment]:
    for number, line in enumerate(lines_of(text)):
        found = _COMMENT.match(line)
        if found:
            yield _Comment(number, found["comment"], not found["text"].strip())


def _directive(prefixes: Collection[str]) -> re.Pattern[str]:
    """What directives of these prefixes look like."""
    known = "|".join(map(re.escape, prefixes)) if prefixes else "(?!)"
    return re.compile(rf"(?P<prefix>{known})(-({_KINDS}))?(\{{LITERAL\}})?:")


def check_directives(path: Path, prefixes: Iterable[str]) -> None:
    """Fails for comments that look like directives and are none, and for prefixes without any.

    Args:
        path: a golden file.
        prefixes: all that its RUN lines use.
    """
    known = sorted(set(prefixes))
    directive, used = _directive(known), set()
    for comment in _comments(path.read_text("utf-8")):
        found = directive.match(comment.text)
        if found is None:
            _check_prose(comment, known, path)
        elif not comment.is_alone:
            raise FileCheckError(f"{path.name}:{comment.line + 1}: {found.group()} must begin its line")
        else:
            used.add(found["prefix"])
    for prefix in known:
        if prefix not in used:
            raise FileCheckError(f"{path.name}: the prefix {prefix} has no directive")


def _check_prose(comment: _Comment, known: list[str], path: Path) -> None:
    """Fails for words in capitals with a colon behind them, and for those of directives without one."""
    start = _START.match(comment.text)
    if start is None or (comment.is_alone and start.group() == "RUN:"):
        return
    lacks_colon = start["end"] == "" and _directive(known).match(f"{start['word']}:")
    if start["end"] or lacks_colon:
        place = f"{path.name}:{comment.line + 1}"
        raise FileCheckError(f"{place}: {start.group()!r} is no directive of the prefixes {', '.join(known)}")


def file_check(output: str, path: Path, prefixes: list[str]) -> None:
    """Fails with FileCheck's own report unless `output` matches the directives of `path`."""
    directive = _directive(prefixes)
    for comment in _comments(output):
        if directive.match(comment.text):
            raise FileCheckError(f"the output holds its own checks, which would match themselves: // {comment.text}")
    options = Options(str(path), check_prefixes=prefixes, comment_prefixes=["\0"])  # directives are all that it gets
    directives = io.StringIO(_only_directives(path.read_text("utf-8"), directive))
    parser = Parser(options, directives, *pattern_for_opts(options))
    report = io.StringIO()
    with redirect_stderr(report), redirect_stdout(report):
        code = Matcher(options, FInput("output", output), parser).run()
    if code != 0:
        raise FileCheckError(f"{report.getvalue()}\n--- output ---\n{output}")


def _only_directives(text: str, directive: re.Pattern[str]) -> str:
    """The directives, each in its line of the text; all else becomes blank."""
    lines = [""] * len(lines_of(text))
    for comment in _comments(text):
        if comment.is_alone and directive.match(comment.text):
            lines[comment.line] = comment.text
    return "".join(f"{line}\n" for line in lines)


def as_directives(output: str, prefix: str) -> list[str]:
    """The comment lines that check for exactly this output, line by line."""
    lines = lines_of(output)
    return [
        f"// {prefix}{'-NEXT' if index else ''}{{LITERAL}}: {line}" if line.strip() else f"// {prefix}-EMPTY:"
        for index, line in enumerate(lines)
    ]


def lines_of(text: str) -> list[str]:
    """The lines of a text; unlike `str.splitlines` it knows no line breaks that may stand in a string of MIL."""
    return text.removesuffix("\n").split("\n") if text else []

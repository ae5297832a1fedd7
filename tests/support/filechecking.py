"""FileCheck in this process, with what PyPI's `filecheck` 1.0.3 lacks.

It passes misspelt directives and unused prefixes in silence; here both are errors.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser, pattern_for_opts

_KINDS = "DAG|NOT|EMPTY|NEXT|SAME|LABEL|COUNT-\\d+"
_WORD = re.compile(r"^\s*//\s*(?P<word>[A-Z][A-Z0-9_-]*)(?:\{LITERAL\})?\s*:", re.MULTILINE)


class FileCheckError(Exception):
    """The output does not match the file, or the file itself is wrong."""


def check_directives(path: Path, prefixes: Iterable[str]) -> None:
    """Fails for comments that look like directives and are none, and for prefixes without any.

    Args:
        path: a golden file.
        prefixes: all that its RUN lines use.
    """
    text, known = path.read_text("utf-8"), sorted(set(prefixes))
    directive = re.compile(f"({'|'.join(map(re.escape, known))})(-({_KINDS}))?" if known else "(?!)")
    words = {match.group("word") for match in _WORD.finditer(text)} - {"RUN"}
    wrong = sorted(word for word in words if not directive.fullmatch(word))
    if wrong:
        raise FileCheckError(f"{path.name}: {', '.join(wrong)} is no directive of the prefixes {', '.join(known)}")
    for prefix in known:
        if not any(word == prefix or word.startswith(f"{prefix}-") for word in words):
            raise FileCheckError(f"{path.name}: the prefix {prefix} has no directive")


def file_check(output: str, path: Path, prefixes: list[str]) -> None:
    """Fails with FileCheck's own report unless `output` matches the directives of `path`."""
    options = Options(str(path), check_prefixes=prefixes)
    with path.open(encoding="utf-8") as directives:
        parser = Parser(options, directives, *pattern_for_opts(options))
        report = io.StringIO()
        with redirect_stderr(report), redirect_stdout(report):
            code = Matcher(options, FInput("output", output), parser).run()
    if code != 0:
        raise FileCheckError(f"{report.getvalue()}\n--- output ---\n{output}")


def as_directives(output: str, prefix: str) -> list[str]:
    """The comment lines that check for exactly this output, line by line."""
    lines = output.splitlines()
    return [
        f"// {prefix}{'-NEXT' if index else ''}{{LITERAL}}: {line}" if line.strip() else f"// {prefix}-EMPTY:"
        for index, line in enumerate(lines)
    ]

"""The project's own source files, found from the tests' place: a checkout, whatever is installed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("ir", "runtime", "passes", "pipelines", "cli")


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below `milopt`; the face itself is the empty name."""
    files = [ROOT / "__init__.py", *(file for layer in LAYERS for file in sorted((ROOT / layer).rglob("*.py")))]
    return {_dotted(file): file for file in files}


def _dotted(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree(file: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(file.read_text("utf-8"), str(file))


def imports(name: str, file: Path) -> Iterator[str]:
    """What a module imports, as dotted names: ours begin with `milopt.`; those inside functions count too."""
    package = ["milopt", *name.split(".")] if name else ["milopt"]
    if file.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield from (f"{prefix}.{alias.name}" for alias in node.names)


def definitions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Every function, method and class of a file, nested ones too."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node

from __future__ import annotations

import ast
import inspect
import statistics

from support.source_tree import definitions, modules, tree

FILES = sorted(modules().values())


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{file.name}:{node.lineno} {node.name}", node)
        for file in FILES
        for node in definitions(file)
        if not isinstance(node, ast.ClassDef)
    ]


def test_files_are_small() -> None:
    lengths = {file.name: file.read_text("utf-8").count("\n") for file in FILES}
    assert max(lengths.values()) <= 500, lengths
    assert statistics.median(lengths.values()) <= 130


def test_functions_are_small() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    assert {name: length for name, length in lengths.items() if length > 60} == {}
    assert statistics.median(lengths.values()) <= 8


def test_functions_are_annotated() -> None:
    bare = [
        name
        for name, node in functions()
        if node.returns is None
        or any(a.annotation is None for a in [*node.args.args, *node.args.kwonlyargs] if a.arg not in ("self", "cls"))
    ]
    assert bare == []


def test_public_names_are_documented() -> None:
    missing = []
    for file in FILES:
        if ast.get_docstring(tree(file)) is None:
            missing.append(file.name)
        for node in ast.walk(tree(file)):
            body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
            if isinstance(node, ast.ClassDef) and node.name.startswith("_"):
                continue
            missing += [
                f"{file.name}:{inner.lineno} {inner.name}"
                for inner in body
                if isinstance(inner, ast.FunctionDef | ast.ClassDef)
                and not inner.name.startswith("_")
                and ast.get_docstring(inner) is None
            ]
    assert missing == []


def test_public_face_is_what_it_says() -> None:
    import milopt

    assert set(milopt.__all__) == {
        "CalibrationInterrupted",
        "CalibrationStatistics",
        "CheckFailure",
        "Comparison",
        "MiloptError",
        "Model",
        "Optimization",
        "PassManager",
        "Session",
        "TextError",
        "__version__",
        "calibrate",
        "compare",
        "evaluate",
        "load",
        "optimize",
        "parse_pipeline",
        "parse_program",
        "print_program",
    }
    for name in milopt.__all__:
        found = getattr(milopt, name)
        assert isinstance(found, str) or inspect.getdoc(found)

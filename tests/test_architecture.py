from __future__ import annotations

import re
from pathlib import Path

import networkx as nx
import pytest
from support.source_tree import LAYERS, ROOT, imports, modules

ALLOWED = {
    "ir": {"ir"},
    "runtime": {"runtime", "ir"},
    "passes": {"passes", "runtime", "ir"},
    "pipelines": {"pipelines", "passes", "runtime", "ir"},
    "cli": set(LAYERS),
}
# The modules that may touch coremltools' private side; everything else goes through them.
DOORS_TO_COREMLTOOLS = {
    "ir.fast_editing",
    "ir.pymil",
    "ir.pymil_editing",
    "ir.proto.writer",
    "passes.foreign.passes",
    "passes.coremltools_registration",
    "runtime.coremltools_bridge",
}


def internal_imports(name: str, file: Path) -> set[str]:
    """The modules of ours that a module imports; a name imported from a module counts as that module."""
    known = modules()
    found = set()
    for target in imports(name, file):
        inner = target.removeprefix("milopt").lstrip(".")
        if target.partition(".")[0] == "milopt":
            found.add(inner if inner in known else inner.rpartition(".")[0])
    return found - {name}


@pytest.mark.parametrize("name", sorted(set(modules()) - {""}))
def test_imports_point_down(name: str) -> None:
    layer = name.split(".", maxsplit=1)[0]
    for target in internal_imports(name, modules()[name]):
        assert target.split(".")[0] in ALLOWED[layer], f"{name} may not import {target}"
        assert not (name.startswith("passes.analysis") and target.startswith("passes.transforms")), (
            f"{name} is an analysis and may not import the transform {target}"
        )


def test_layers_form_no_circle() -> None:
    graph = nx.DiGraph()
    for name, file in modules().items():
        for target in internal_imports(name, file):
            if name and target and name.split(".")[0] != target.split(".")[0]:
                graph.add_edge(name.split(".")[0], target.split(".")[0])
    assert nx.is_directed_acyclic_graph(graph), list(nx.simple_cycles(graph))


def test_modules_import_each_other_in_no_circle() -> None:
    graph = nx.DiGraph(
        (name, target) for name, file in modules().items() if name for target in internal_imports(name, file) if target
    )
    assert list(nx.simple_cycles(graph)) == []


def test_imports_of_ours_are_relative() -> None:
    absolute = [
        name
        for name, file in modules().items()
        if re.search(r"^\s*(from|import) milopt\b", file.read_text("utf-8"), re.MULTILINE)
        and name != "passes.coremltools_registration"  # its docstring shows a user's import
    ]
    assert absolute == []


def test_coremltools_is_reached_through_its_doors_only() -> None:
    users = {name for name, file in modules().items() if any(t.startswith("coremltools") for t in imports(name, file))}
    assert users <= DOORS_TO_COREMLTOOLS


def test_packaging_lists_every_package() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^packages = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    listed = set(re.findall(r'"([^"]+)"', block.group(1)))
    present = {f"milopt.{name}".rstrip(".") for name, file in modules().items() if file.name == "__init__.py"}
    assert listed == present

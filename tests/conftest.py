"""Collects golden files, and gives tests the shelf of packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from milopt.passes.base import Pass
from milopt.passes.registry import register, unregister
from support.filechecking import FileCheckError
from support.golden import GoldenError, RunLine, execute, run_lines
from support.packages import Shelf

_GOLDEN = Path(__file__).parent / "golden"  # MIL text elsewhere is read by tests of its own
_SHELF = pytest.StashKey[Shelf]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write generated blocks of *.mil anew, then fail")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    is_golden = file_path.suffix == ".mil" and file_path.is_relative_to(_GOLDEN)
    return GoldenFile.from_parent(parent, path=file_path) if is_golden else None


@pytest.fixture(scope="session")
def shelf(pytestconfig: pytest.Config) -> Shelf:
    """Packages by name, written when first asked for; tests must not change them."""
    return shelf_of(pytestconfig)


@pytest.fixture
def registered() -> Iterator[Callable[[type[Pass]], type[Pass]]]:
    """Registers passes for the length of a test."""
    known: list[type[Pass]] = []

    def remember(cls: type[Pass]) -> type[Pass]:
        known.append(register(cls))
        return cls

    yield remember
    for cls in known:
        unregister(cls)


def shelf_of(config: pytest.Config) -> Shelf:
    """The one shelf of a run; golden files use it too, and they have no fixtures."""
    if _SHELF not in config.stash:
        folder = TemporaryDirectory(prefix="milopt-shelf-")
        config.add_cleanup(folder.cleanup)
        config.stash[_SHELF] = Shelf(Path(folder.name))
    return config.stash[_SHELF]


class GoldenFile(pytest.File):
    """A golden file: one test for each RUN line."""

    def collect(self) -> Iterator[pytest.Item]:
        for index, line in enumerate(run_lines(self.path)):
            yield GoldenItem.from_parent(self, name=f"RUN-{index + 1}", line=line)


class GoldenItem(pytest.Item):
    """One RUN line."""

    def __init__(self, *, line: RunLine, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.add_marker("golden")
        self.line = line

    def runtest(self) -> None:
        execute(self.line, self.path, shelf_of(self.config), update=self.config.getoption("--update-golden"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, FileCheckError | GoldenError):
            return f"{self.line.text}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.name}: {self.line.text}"

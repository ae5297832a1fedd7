"""A pytest plugin: coremltools' own tests of MIL ops, with milopt's runtime in the place of Core ML.

The tests ship with coremltools. Where there is no Core ML they convert programs and compare nothing; with this plugin
their predictions are made and compared, on any machine:

    PYTHONPATH=tests/conformance python -m pytest -p milopt_conformance -p no:cacheprovider \\
        --pyargs coremltools.converters.mil.mil.ops.tests

`--sample 1000` takes about so many of the ten thousand, the same ones each time and some of every test function;
`--text` also prints and parses every program, see `milopt_text.py`.
Tests that are known to fail stand in docs/conformance.md, each with its reason; one that fails and does not stand
there fails the run, and so does one that stands there and passes.
"""

from __future__ import annotations

import fnmatch
import gc
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TABLE = Path(__file__).parents[2] / "docs" / "conformance.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", type=int, help="take about so many tests, some of every test function")
    parser.addoption("--text", action="store_true", help="also print and parse every program")


def pytest_configure(config: pytest.Config) -> None:
    """Puts the runtime in Core ML's place before any test module is imported."""
    os.environ["PYMIL_TEST_TARGETS"] = "mlprogram"  # coremltools reads it when its test helpers are imported
    from milopt.runtime import patch_coremltools

    config.add_cleanup(patch_coremltools().undo)
    from coremltools import _deps

    # Tests and their helpers ask this, not the model class, whether to predict.
    _deps._IS_MACOS = True
    from coremltools.converters.mil import testing_utils

    testing_utils._IS_MACOS = True
    config.pluginmanager.register(Conformance(), "milopt-conformance")
    if config.getoption("--text"):
        from milopt_text import TextRoundTrips

        trips = TextRoundTrips()
        trips.install(config)
        config.pluginmanager.register(trips, "milopt-text")


def known_failures() -> dict[str, str]:
    """Reasons by pattern of test name, from the table in docs/conformance.md."""
    rows = re.findall(r"^\| `([^`]+)` \|(?:[^|]*\|)? *(.+?) *\|$", TABLE.read_text("utf-8"), re.MULTILINE)
    return dict(rows)


def short_name(item: pytest.Item) -> str:
    """`iOS14/test_pool.py::TestAvgPool::test_x[...]`."""
    return "/".join(item.nodeid.split("/")[-2:])


def sampled(items: list[pytest.Item], wanted: int) -> list[pytest.Item]:
    """About `wanted` of the tests: rounds over the test functions, in each round one more of every function."""
    functions: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in sorted(items, key=lambda each: zlib.crc32(each.nodeid.encode())):
        functions[item.nodeid.partition("[")[0]].append(item)
    order = sorted(
        ((round_, name, item) for name, each in functions.items() for round_, item in enumerate(each)),
        key=lambda entry: entry[:2],
    )
    chosen = {item for _, _, item in order[:wanted]}
    return [item for item in items if item in chosen]


class Conformance:
    """Counts the tests that ask for a prediction, and how they end."""

    def __init__(self) -> None:
        self._asked = False
        self._ended: Counter[tuple[bool, str]] = Counter()
        self._texts = 0
        self._reasons = set(known_failures().values())

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Takes the sample, and marks what is known to fail."""
        if wanted := config.getoption("--sample"):
            items[:] = sampled(items, wanted)
        known = known_failures()
        for item in items:
            for pattern, reason in known.items():
                if fnmatch.fnmatchcase(short_name(item), pattern.replace("[", "[[]")):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def pytest_collection_finish(self) -> None:
        """Spares the garbage collector what lives to the end: `coremltools.convert` collects each time."""
        gc.collect()
        gc.freeze()

    @pytest.fixture(autouse=True)
    def _noted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Notes whether `MLModel.predict` is called."""
        from coremltools.models import MLModel

        predict = MLModel.predict
        self._asked = False

        def noted(model: Any, *arguments: Any, **keywords: Any) -> Any:
            self._asked = True
            return predict(model, *arguments, **keywords)

        monkeypatch.setattr(MLModel, "predict", noted)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """Puts the note into the report, which may be read in another process."""
        report = yield
        if report.when == "call":
            report.user_properties.append(("asked", self._asked))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a test that has ended; what coremltools itself expects to fail, with Core ML, says nothing."""
        if report.when == "teardown":
            self._texts += sum(count for name, count in report.user_properties if name == "texts")
        if report.when == "call":
            expected = getattr(report, "wasxfail", None)
            outcome = report.outcome if expected is None else "documented" if expected in self._reasons else "theirs"
            self._ended[bool(dict(report.user_properties)["asked"]), outcome] += 1

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says how many predictions were asked for and were right."""
        asked = {outcome: count for (predicted, outcome), count in self._ended.items() if predicted}
        theirs = asked.pop("theirs", 0)
        passed, total = asked.get("passed", 0), sum(asked.values())
        others = sum(count for (predicted, _), count in self._ended.items() if not predicted)
        share = f" ({100 * passed / total:.2f} %)" if total else ""
        terminalreporter.write_line(
            f"conformance: {total} tests asked for a prediction: {passed} passed{share}, "
            f"{asked.get('documented', 0)} fail as documented, {asked.get('failed', 0)} fail; "
            f"{theirs} more are marked by coremltools to fail; {others} tests asked for none"
        )
        if terminalreporter.config.getoption("--text"):
            terminalreporter.write_line(f"text: {self._texts} programs were printed in both dialects and parsed")

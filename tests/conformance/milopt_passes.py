"""A pytest plugin: coremltools' own tests of graph passes, each program run before and after its pass.

The tests ship with coremltools and look at ops; what the programs compute they compare on a Mac only. With this plugin
they are run by milopt's runtime, and verified:

    PYTHONPATH=tests/conformance python -m pytest -p milopt_passes -p no:cacheprovider -W ignore \\
        --pyargs coremltools.converters.mil.mil.passes.tests

Beside coremltools the tests need `torch`, `mock` and `parameterized`. What is known to go wrong stands in
docs/coremltools.md with its reason; anything else fails, and so does what stands there and goes well.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.pymil import available_target
from milopt.ir.targets import IOS15
from milopt.ir.verifier import verify
from milopt.passes.foreign.names import has_names_twice
from milopt.passes.proving.fidelity import worst_of
from milopt.passes.proving.reference import Random, Reference
from milopt.runtime import patch_coremltools

TABLE = Path(__file__).parents[2] / "docs" / "coremltools.md"
LEAST_DB = 40


def known_failures() -> dict[str, str]:
    """Reasons by pattern of test name, from the table in docs/coremltools.md."""
    return dict(re.findall(r"^\| `(Test\w+::test_[^`]+)` \| (.+) \|$", TABLE.read_text("utf-8"), re.MULTILINE))


def pytest_configure(config: pytest.Config) -> None:
    """Puts the check around coremltools' helper, and the runtime in Core ML's place, before any test is imported."""
    config.add_cleanup(patch_coremltools().undo)
    from coremltools.converters.mil import testing_utils

    checks = PassChecks(testing_utils.apply_pass_and_basic_check)
    testing_utils.apply_pass_and_basic_check = checks.apply
    config.pluginmanager.register(checks, "milopt-passes")


class PassChecks:
    """Runs programs before and after passes, and counts them.

    Args:
        apply: coremltools' helper, which applies a pass to a program.
    """

    def __init__(self, apply: Callable[..., Any]) -> None:
        self._apply = apply
        self._count: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Marks what is known to fail."""
        for item in items:
            name = item.nodeid.partition(".py::")[2] or item.nodeid.lstrip(":")
            for pattern, reason in known_failures().items():
                if fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")):
                    item.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    def apply(self, prog: Any, *arguments: Any, **options: Any) -> Any:
        """Applies a pass as coremltools does; raises if the program computes something else then."""
        for function in prog.functions.values():
            # These tests' default is an older one, of which the ops are the same.
            function.opset_version = max(function.opset_version, available_target(IOS15))
        before = self._reference(prog)
        given = self._apply(prog, *arguments, **options)
        if not has_names_twice(prog):  # which milopt mends after each pass
            assert verify(prog) == []
        if before is not None:
            worst = worst_of(before.distances(prog))
            assert worst is None or worst.sqnr_db >= LEAST_DB, worst
        return given

    def _reference(self, program: Any) -> Reference | None:
        """What the program gives; nothing where it does not run on random numbers, such as graphs without inputs."""
        try:
            reference = Reference(program, Random(count=1))
        except milopt.MiloptError:
            self._count["not run"] += 1
            return None
        self._count["run"] += 1
        return reference

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says how many programs were run."""
        terminalreporter.write_line(f"programs before and after a pass: {dict(self._count)}")

"""Programs that coremltools' converter makes from its own tests, as MIL text and back.

Part of the plugin `milopt_conformance`: with `--text`, every model that a test opens is printed and parsed, in both
dialects, and the test fails unless the same program comes back.
"""

from __future__ import annotations

from typing import Any

import pytest
from milopt.ir.equality import first_difference
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_proto
from milopt.ir.text.reading import program_of


class TextRoundTrips:
    """Counts the programs that come back, and raises for one that does not."""

    def __init__(self) -> None:
        self.count = 0

    def install(self, config: pytest.Config) -> None:
        """Checks each model that the bridge opens for coremltools."""
        from milopt.runtime import coremltools_bridge

        load = coremltools_bridge.load

        def checked(path: Any) -> Any:
            model = load(path)
            for stage in model.stages:
                check(stage, model.weights)
                self.count += 1
            return model

        coremltools_bridge.load = checked
        config.add_cleanup(lambda: setattr(coremltools_bridge, "load", load))

    def pytest_runtest_makereport(self, item: pytest.Item) -> None:
        """Lets the count of this process reach the one that reports."""
        item.user_properties.append(("texts", self.count))
        self.count = 0


def check(stage: Any, weights: Any) -> None:
    """Raises `AssertionError` unless a program comes back from its text."""
    program = stage.specification.mlProgram
    for dialect in ("1.0", "1.3"):
        text = print_proto(program, dialect=dialect)  # type: ignore[arg-type]
        parsed = parse_proto(text)
        assert print_proto(parsed.program, dialect=parsed.dialect) == text, "the text is no fixed point"
        difference = first_difference(stage.program, program_of(parsed, weights))
        assert difference is None, f"the program does not come back from its text: {difference}"

"""What several tests of `passes` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from milopt.passes.base import Pass
from milopt.passes.registry import register, unregister


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

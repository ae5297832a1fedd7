"""How tests say that something is refused properly."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import milopt
import pytest

from .packages import contents


def refusal(action: Callable[[], object], kind: type[milopt.MiloptError], pattern: str) -> None:
    """The action must raise exactly this kind of error, with a message of one line that matches."""
    with pytest.raises(milopt.MiloptError) as caught:
        action()
    text = str(caught.value)
    assert type(caught.value) is kind, text
    assert len(text.splitlines()) == 1
    assert re.search(pattern, text), text


def assert_load_refused(package: Path, kind: type[milopt.MiloptError], pattern: str) -> None:
    """Loading a package whole is refused, and changes nothing in it or beside it."""
    before, beside = contents(package), sorted(package.parent.iterdir())
    refusal(lambda: milopt.load(package).programs, kind, pattern)
    assert contents(package) == before
    assert sorted(package.parent.iterdir()) == beside

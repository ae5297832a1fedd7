"""Passes that fail, known to pipeline text while a golden file of this folder runs."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from support.failing_passes import failing_passes


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:  # noqa: ARG001
    with failing_passes():
        yield

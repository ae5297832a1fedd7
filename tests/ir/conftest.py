"""What several tests of `ir` share: every package there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.packages import PACKAGES, Shelf, shared_model_params
from support.programs import PROGRAMS


@pytest.fixture(params=[*shared_model_params(), *PACKAGES, *PROGRAMS])
def package(request: pytest.FixtureRequest, shelf: Shelf) -> Path:
    """Each package in turn: the shared models, those of a kind of their own, and one for each program."""
    return request.param if isinstance(request.param, Path) else shelf[request.param]

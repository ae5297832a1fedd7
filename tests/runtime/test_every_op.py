"""Every MIL op that a program of iOS15 to iOS18 can hold has a lowering, and a test that runs it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from coremltools.converters.mil._deployment_compatibility import AvailableTarget
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from milopt.runtime.registry import runnable_ops

OPS = sorted(
    op_type
    for op_type, variants in SSAOpRegistry.core_ops.items()
    if any(target <= AvailableTarget.iOS18 for target in variants)
)
# PyMIL's own bookkeeping: it stands for the symbol of an unknown size, and no package holds it.
INTERNAL = {"_const_symbolic"}
TESTS = Path(__file__).parent


def ops_in_tests() -> set[str]:
    """The ops that this folder's tests name, in a builder call or in a table of names."""
    text = "\n".join(file.read_text("utf-8") for file in TESTS.glob("test_*.py") if file.name != "test_every_op.py")
    return set(re.findall(r"\bmb\.(\w+)", text)) | set(re.findall(r'"(\w+)"', text))


def test_the_registry_has_the_ops_that_are_meant() -> None:
    assert len(set(OPS) - INTERNAL) == 167


@pytest.mark.parametrize("op_type", sorted(set(OPS) - INTERNAL))
def test_every_op_runs_and_is_tested(op_type: str) -> None:
    assert op_type in runnable_ops()
    assert op_type in ops_in_tests()

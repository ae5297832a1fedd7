from __future__ import annotations

import numpy as np
import pytest
from milopt.runtime import engine
from milopt.runtime.executable import Executable
from milopt.runtime.lower import lower_function
from support.programs import PROGRAMS
from support.running import plausible_inputs

# What is handed over, by the limits of `engine.py` that are set: weights that no optimizer reads, or all of them.
HANDOVERS = {
    "weights-that-nobody-reads": {"SHARED_BYTES": 4096},
    "without-packing": {"SHARED_BYTES": 4096, "UNPACKED_BYTES": 0},
    "all": {"SHARED_BYTES": 4096, "EMBEDDED_BYTES": 0},
}


def outputs_of(name: str) -> list[dict[str, np.ndarray]]:
    """What each function of a program of `PROGRAMS` gives."""
    functions = PROGRAMS[name]().functions.values()
    return [Executable(lower_function(each)).run(plausible_inputs(each))[0] for each in functions]


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_handing_weights_over_changes_no_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = outputs_of(name)
    for limits in HANDOVERS.values():
        with monkeypatch.context() as patch:
            for limit, value in limits.items():
                patch.setattr(engine, limit, value)
            for one, other in zip(embedded, outputs_of(name), strict=True):
                for output, value in one.items():
                    np.testing.assert_allclose(
                        np.asarray(value, np.float64), np.asarray(other[output], np.float64), rtol=2e-3, atol=1e-4
                    )

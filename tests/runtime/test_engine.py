from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.runtime import engine
from milopt.runtime.executable import Executable
from milopt.runtime.lower import lower_function
from support.programs import PROGRAMS
from support.running import plausible_inputs, run

# By the limits of `engine.py` that are set: nearly all constants are handed over, or weights are fed as inputs.
HANDOVERS = {"handed-over": {"HANDED_BYTES": 64}, "fed": {"HANDED_BYTES": 64, "FED_BYTES": 0}}


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


@pytest.mark.parametrize("limits", [{}, {"FED_BYTES": 0}], ids=["handed-over", "fed"])
def test_optimizers_that_read_weights_see_their_values(limits: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value in limits.items():
        monkeypatch.setattr(engine, limit, value)
    random = np.random.default_rng(0)
    weight, mean, x = (random.standard_normal(shape, np.float32) for shape in ((512, 1024), (1024,), (2, 512)))
    variance = np.ones(1024, np.float32)

    def body(x: Any) -> Any:  # ONNX Runtime folds the norm into the weight
        product = mb.reshape(x=mb.matmul(x=x, y=weight), shape=[2, 1024, 1])
        return mb.batch_norm(x=product, mean=mean, variance=variance, epsilon=0.0)

    np.testing.assert_allclose(run(body, IOS17, x=x)[0][..., 0], x @ weight - mean, rtol=1e-4, atol=1e-3)

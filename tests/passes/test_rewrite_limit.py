"""The first N rewrites of a run, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from milopt.passes.base import UNCHANGED, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.rewrite_limit import RewriteLimit
from milopt.passes.runs import Rewrite
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.editing import ops_of_type
from support.passes import made, run_passes
from support.programs import PROGRAMS


def asking(times: int, name: str) -> Pass:
    def run(_: Any, context: PassContext) -> Outcome:
        done = [context.admits("step") for _ in range(times)]
        return Outcome(changed=any(done)) if done else UNCHANGED

    return made(name, run)


@pytest.mark.parametrize(("limit", "done"), [(0, 0), (1, 1), (3, 3), (5, 5), (9, 5), (None, 5)])
def test_limit_counts_over_all_passes(limit: int | None, done: int) -> None:
    counter = RewriteLimit(limit)
    run_passes(PROGRAMS["linear"](), asking(2, "First"), asking(3, "Second"), around=(counter,))
    assert counter.admitted == [Rewrite("first", "step")] * min(2, done) + [Rewrite("second", "step")] * max(
        0, done - 2
    )


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_weights_are_quantized_one_by_one(limit: int) -> None:
    counter = RewriteLimit(limit)
    result = run_passes(
        PROGRAMS["linear_chain"](), RaiseOpset(target="iOS18"), QuantizeWeights(min_elements=0), around=(counter,)
    )
    weights = max(0, limit - 1)  # raising the opset is the first rewrite
    assert len(ops_of_type(result.program, "constexpr_blockwise_shift_scale")) == weights
    assert result.changed == (limit > 0)


def test_rewrite_names_its_op() -> None:
    counter = RewriteLimit()
    run_passes(
        PROGRAMS["linear_chain"](), RaiseOpset(target="iOS18"), QuantizeWeights(min_elements=0), around=(counter,)
    )
    first, second, *_ = map(str, counter.admitted)
    assert first == "raise-opset {raise-opset}"
    assert second == "quantize on op 'first_weight_0' (const) in main {quantize-weights}"

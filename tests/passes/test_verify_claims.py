"""Passes that do not tell the truth about themselves are caught."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from milopt.ir.errors import PassFailure
from milopt.ir.pymil import mb
from milopt.ir.walking import walk
from milopt.passes.analyses import Analysis, AnalysisManager
from milopt.passes.analysis.weight_inventory import WeightInventory
from milopt.passes.base import EVERYTHING, UNCHANGED, Outcome, Pass
from milopt.passes.context import PassContext
from milopt.passes.instrumentation.verify_claims import VerifyClaims
from milopt.passes.manager import PassManager
from milopt.passes.pipeline import program_pipeline
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from support.editing import find_op
from support.passes import made
from support.programs import PROGRAMS


@attrs.frozen
class Names(Analysis):
    names: tuple[str, ...]

    @classmethod
    def run(cls, program: Any, analyses: AnalysisManager) -> Names:  # noqa: ARG003
        return cls(tuple(operation.name for operation in walk(program)))


def run(*passes: Pass) -> Any:
    return PassManager(program_pipeline(*passes), (VerifyClaims(),)).run(PROGRAMS["linear_chain"]())


def renaming(outcome: Outcome, *asked: type[Analysis]) -> Pass:
    def rename(root: Any, context: PassContext) -> Outcome:
        for kind in asked:
            context.analyses.get(kind)
        find_op(root, "relu").name = "renamed"
        return outcome

    return made("Rename", rename)


def test_change_that_is_denied() -> None:
    with pytest.raises(PassFailure, match=r"^pass 'rename', .*'renamed' \(relu\): it says that it changed nothing"):
        run(renaming(UNCHANGED))


def test_change_that_is_told() -> None:
    assert run(renaming(Outcome(changed=True))).changed


@pytest.mark.parametrize("preserved", [frozenset({Names}), EVERYTHING])
def test_analysis_that_does_not_hold(preserved: Any) -> None:
    with pytest.raises(PassFailure, match=r"it says that Names still holds, but it does not"):
        run(renaming(Outcome(changed=True, preserved=preserved), Names))


def test_analysis_that_holds() -> None:
    assert run(renaming(Outcome(changed=True, preserved=frozenset({WeightInventory})), WeightInventory)).changed


def test_analysis_that_was_never_made_is_not_made_now() -> None:
    assert run(renaming(Outcome(changed=True, preserved=EVERYTHING))).changed


def test_real_pass_tells_the_truth() -> None:
    assert run(QuantizeWeights(min_elements=0), QuantizeWeights()).changed


def test_op_that_is_gone_is_missed() -> None:
    def shorten(root: Any, _: PassContext) -> Outcome:
        function = root.functions["main"]
        function.set_outputs([find_op(root, "relu").outputs[0]])
        function.remove_ops([find_op(root, "second")])
        return UNCHANGED

    with pytest.raises(PassFailure, match="it says that it changed nothing"):
        run(made("Shorten", shorten))


def test_dead_op_that_is_gone_is_named_and_not_the_one_behind_it() -> None:
    program = PROGRAMS["linear_chain"]()
    main = program.functions["main"]
    with main:
        mb.relu(x=main.inputs["x"], name="dead", before_op=find_op(program, "second"))

    def remove(root: Any, _: PassContext) -> Outcome:
        root.functions["main"].remove_ops([find_op(root, "dead")])
        return UNCHANGED

    with pytest.raises(PassFailure, match=r"op 'dead' \(relu\): it says that it changed nothing"):
        PassManager(program_pipeline(made("Remove", remove)), (VerifyClaims(),)).run(program)

"""Text is the unit of golden tests, numbers are the proof: what passes are shown to write computes what was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milopt import PassManager, Session, parse_pipeline
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from support.running import plausible_inputs

HERE = Path(__file__).parent
# Files in which every program computes the same, to the last bit, after the pipeline of their first RUN line.
EXACT = {
    "quantize_weights/ops.mil": "program(quantize-weights{min-elements=0})",
    "raise_opset/ops.mil": "program(raise-opset{target=iOS18})",
}


def outputs(program: Any, seed: int) -> list[np.ndarray]:
    inputs = plausible_inputs(program.functions[program.default_function_name], seed=seed)
    return list(Session(program).run(inputs).values())


@pytest.mark.parametrize("name", EXACT)
def test_programs_compute_what_they_did(name: str) -> None:
    text = (HERE / name).read_text("utf-8")
    assert EXACT[name] in text.partition("\n\n")[0], "the pipeline of the RUN line is another"
    for section in Source(text, name).sections():
        program = parse_program(section)
        changed = PassManager(parse_pipeline(EXACT[name])).run(program).program
        assert print_program(changed) != print_program(program)
        for seed in range(2):
            for before, after in zip(outputs(program, seed), outputs(changed, seed), strict=True):
                np.testing.assert_array_equal(after, before, err_msg=program.default_function_name)

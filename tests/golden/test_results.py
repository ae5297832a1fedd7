"""Text is the unit of golden tests, numbers are the proof: what a pass is shown to write computes what was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milopt import Session
from milopt.ir.opening import load_text
from milopt.ir.text.source import Source
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline

HERE = Path(__file__).parent
# Files whose every program must compute the same, to the last bit, after the pipeline of their RUN line.
EXACT = {
    "quantize_weights/ops.mil": "program(quantize-weights{min-elements=0})",
    "raise_opset/ops.mil": "program(raise-opset{target=iOS18})",
}


def sections(name: str) -> list[Any]:
    return [
        pytest.param(part, pipeline, id=f"{name}-{number}")
        for name, pipeline in EXACT.items()
        for number, part in enumerate(Source((HERE / name).read_text("utf-8"), name).sections())
    ]

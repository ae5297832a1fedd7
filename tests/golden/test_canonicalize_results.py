"""Every program of the golden files of `canonicalize` computes what it did: to the last bit, or as its file says.

A file that is no exception states nothing. One that is has a line `// ground: relative=0x1p-9 steps=1`: how far floats
may lie apart, as a part of the greater one, and codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from milopt import PassManager, parse_pipeline
from milopt.ir.equality import first_difference
from milopt.ir.text.reading import parse_program
from milopt.ir.text.source import Source
from support.golden import run_lines
from support.grounding import EXACT, Bound, assert_same_results

HERE = Path(__file__).parent / "canonicalize"
PIPELINE = "--pass-pipeline="
_GROUND = re.compile(r"^// ground: relative=(?P<relative>\S+) steps=(?P<steps>\d+)$", re.MULTILINE)


def bound_of(text: str, pipeline: str) -> Bound:
    """How far a file's results may lie apart behind a pipeline."""
    stated = _GROUND.search(text)
    if stated is None:
        return EXACT
    assert "exact=false" in pipeline, "what is exact needs no bound"
    return Bound(int(stated["steps"]), float.fromhex(stated["relative"]))


def pipelines(path: Path) -> Iterator[str]:
    """The pipelines of a golden file's RUN lines, without those that fail."""
    for line in run_lines(path):
        for command in line.commands:
            if not command.fails:
                yield from (word.removeprefix(PIPELINE) for word in command.words if word.startswith(PIPELINE))


FILES = sorted(path for path in HERE.glob("*.mil") if any(pipelines(path)))
CASES = [(path.stem, pipeline) for path in FILES for pipeline in pipelines(path)]


def test_all_families_are_there() -> None:
    from milopt.passes.canonicalization.families import FAMILIES

    names = {path.stem for path in FILES}
    assert names >= {*FAMILIES} | {f"{family}_negative" for family in FAMILIES}


@pytest.mark.parametrize(("name", "pipeline"), CASES)
def test_programs_compute_what_they_did(name: str, pipeline: str) -> None:
    text = (HERE / f"{name}.mil").read_text("utf-8")
    bound, changes = bound_of(text, pipeline), 0
    for seed, section in enumerate(Source(text, name).sections()):
        program = parse_program(section)
        changed = PassManager(parse_pipeline(pipeline)).run(program).program
        changes += first_difference(changed, program) is not None
        assert_same_results(program, changed, seed=seed, bound=bound)
    assert changes or name.endswith("_negative")

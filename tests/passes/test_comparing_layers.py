"""Two models on the same samples: values that are inside of both."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.passes.proving.comparing.compare import compare
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.runtime.session import Session
from support.comparing import ROWS, STEPS, made, output
from support.packages import Shelf
from support.passes import run_passes
from support.programs import PROGRAMS
from support.refusals import refusal


def test_layers_are_those_of_both_in_order() -> None:
    before = PROGRAMS["linear_chain"]()
    after = run_passes(before, QuantizeWeights(min_elements=0)).program

    found = compare(before, after, ROWS, layers=True)

    assert found.layers is not None
    assert [(each.name, each.op_type) for each in found.layers] == [
        ("first", "linear"),
        ("relu", "relu"),
        ("second", "linear"),
    ]
    was, now = (
        np.stack([Session(each, observe=["relu"]).run_entries(row)[1]["relu"]["value"][0] for row in ROWS]).astype(
            float
        )
        for each in (before, after)
    )
    assert found.layers[1].sqnr_db == pytest.approx(10 * math.log10(np.sum(was**2) / np.sum((was - now) ** 2)))
    assert found.layers[2].sqnr_db == pytest.approx(output(found).sqnr_db, abs=0.5)
    assert found.worst_layer is min(found.layers, key=lambda each: each.sqnr_db or 0)


def test_layers_of_other_shapes_or_types_are_left_out() -> None:
    first = made(lambda x: mb.relu(x=mb.transpose(x=x, perm=[1, 0], name="inner"), name="y"))
    second = made(lambda x: mb.transpose(x=mb.relu(x=x, name="inner"), perm=[1, 0], name="y"))
    whole = made(lambda x: mb.cast(x=mb.cast(x=x, dtype="int32", name="inner"), dtype="fp32", name="z"))

    found = compare(first, second, [{"x": np.ones((2, 3))}], layers=True)
    assert [each.name for each in found.layers or ()] == ["y"]
    none = compare(first, whole, [{"x": np.ones((2, 3))}], layers=True)
    assert none.layers == ()
    assert "no value inside has the same name and shape in both models" in none.notes


def test_layers_of_states_are_compared() -> None:
    found = compare(PROGRAMS["states"](), PROGRAMS["states"](), [STEPS], layers=True)

    assert {"linear", "read", "total", "twice"} <= {each.name for each in found.layers or ()}
    assert all(each.is_equal for each in found.layers or ())


def test_layers_inside_of_loops_count_each_time() -> None:
    samples = [{"x": ROWS[index]["x"], "limit": np.int32([count])} for index, count in enumerate((3, 0, 2))]
    before = PROGRAMS["while_loop"]()
    after = run_passes(before, QuantizeWeights(min_elements=0)).program

    found = {each.name: each for each in compare(before, after, samples, layers=True).layers or ()}

    assert set(found) == {"step", "bounded", "loop_1"}
    assert found["step"].elements == 5 * 10 * 40
    assert 20 < (found["bounded"].sqnr_db or 0) < 60


def test_loops_that_run_more_often_are_a_problem() -> None:
    def looped(times: int) -> Any:
        def body(x: Any) -> Any:
            step = lambda i, y: (mb.add(x=i, y=1), mb.relu(x=y, name="inner"))  # noqa: E731
            return mb.while_loop(
                _cond=lambda i, _: mb.less(x=i, y=times), _body=step, loop_vars=(np.int32(0), x), name="loop"
            )[1]

        return made(body)

    first, second = looped(2), looped(3)
    (inner,) = (
        each
        for each in compare(first, second, [{"x": np.ones((2, 3))}], layers=True).layers or ()
        if each.name == "inner"
    )
    assert (inner.sqnr_db, inner.problem) == (-math.inf, "was computed 3 times in a call, and 2 times in A")


def test_branches_that_are_never_taken_differ_in_nothing() -> None:
    program = PROGRAMS["cond"]()
    samples = [{"x": ROWS[0]["x"], "flag": np.int32([1])}]

    found = {each.name: each for each in compare(program, program, samples, layers=True).layers or ()}

    assert (found["no"].elements, found["no"].sqnr_db, found["no"].is_equal) == (0, None, True)
    assert (found["yes"].elements, found["yes"].is_equal) == (640, True)


def test_values_inside_a_pipeline_are_refused(shelf: Shelf) -> None:
    path = shelf["pipeline"]
    refusal(lambda: compare(path, path, ROWS, layers=True), RunError, "inside of a pipeline")
    assert output(compare(shelf["pipeline"], shelf["pipeline"], ROWS)).is_equal

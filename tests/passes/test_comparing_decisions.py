"""Two models on the same samples: how often they decide the same."""

from __future__ import annotations

import math
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15
from milopt.passes.proving.comparing.compare import compare
from milopt.runtime.session import Session
from support.comparing import made, named, output
from support.editing import find_op, replace_constant
from support.packages import Shelf
from support.program_registry import build_program, fp32
from support.programs import PROGRAMS


def test_labels_of_classifiers_agree_or_not() -> None:
    samples = [{"x": x} for x in np.random.default_rng(5).standard_normal((20, 1, 200)).astype(np.float32)]
    first, second = PROGRAMS["classifier_strings"](), PROGRAMS["classifier_strings"]()
    weight = find_op(second, "scores").weight.op
    replace_constant(weight, weight.outputs[0].val * np.linspace(0.2, 3, 12, dtype=np.float32)[:, None])
    (name, _), (other, _) = (Session(each).run(samples[0]) for each in (first, second))
    same = sum(Session(first).run(each)[name] == Session(second).run(each)[other] for each in samples)

    label, probabilities = compare(first, second, samples).outputs

    assert label.agreement is not None
    assert (label.agreement.same, label.agreement.total, label.agreement.criterion) == (same, 20, "label")
    assert 0 < same < 20
    assert (label.sqnr_db, probabilities.agreement) == (None, None)
    assert 0 < (probabilities.sqnr_db or 0) < 40


def test_labels_may_be_numbers() -> None:
    program = PROGRAMS["classifier_integers"]()

    found = output(compare(program, program, [{"x": np.ones((1, 200))}]))

    assert found.agreement is not None
    assert str(found.agreement) == "1/1 = 100.00% (label)"


def test_probabilities_are_paired_by_label() -> None:
    names = ["one", "two", "three"]

    def classifier(order: list[int]) -> Any:
        def body(x: Any) -> Any:
            from milopt.ir.pymil import mil_list

            labels = mb.const(val=mil_list([names[index] for index in order]), name="labels")
            picked = mb.gather(x=x, indices=np.array(order, np.int32), axis=1, name="picked")
            return mb.classify(probabilities=picked, classes=labels, name="kind")

        return build_program(body, IOS15, x=fp32(1, 3))

    samples = [{"x": np.array([[0.2, 0.5, 0.3]])}, {"x": np.array([[0.9, 0.1, 0.0]])}]
    label, probabilities = compare(classifier([0, 1, 2]), classifier([2, 0, 1]), samples).outputs

    assert label.is_equal
    assert probabilities.is_equal


def test_outputs_along_one_axis_are_taken_for_scores() -> None:
    scores = np.array([[[[1]], [[2]], [[0]]]], np.float32)
    program = named("y", shape=fp32(1, 3, 1, 1))
    turned = made(
        lambda x: mb.mul(x=x, y=np.array([3, 1, 1], np.float32).reshape(1, 3, 1, 1), name="y"), fp32(1, 3, 1, 1)
    )

    found = output(compare(program, turned, [{"x": scores}, {"x": -scores}, {"x": scores[:, ::-1]}]))

    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.total, found.agreement.criterion) == (2, 3, "argmax")
    assert output(compare(named("y"), named("y"), [{"x": np.ones((2, 3))}])).agreement is None


def test_of_several_that_may_be_scores_none_is_taken() -> None:
    program = made(lambda x: (mb.relu(x=x, name="y"), mb.abs(x=x, name="z")), fp32(1, 3))

    found = compare(program, program, [{"x": [[1, 2, 3]]}])
    assert [each.agreement for each in found.outputs] == [None, None]
    assert found.notes == ("each of 'y', 'z' may be class scores: choose them with --scores, scores=[...]",)
    chosen = compare(program, program, [{"x": [[1, 2, 3]]}], scores=["z"])
    assert [each.agreement is None for each in chosen.outputs] == [True, False]
    assert chosen.notes == ()


@pytest.mark.parametrize(("axis", "same", "total"), [(None, 1, 2), (0, 2, 3), (-1, 1, 2)])
def test_scores_and_their_axis_can_be_chosen(axis: int | None, same: int, total: int) -> None:
    changed = made(lambda x: mb.mul(x=x, y=np.array([[1, 1, 9], [1, 1, 1]], np.float32), name="y"))

    found = output(compare(named("y"), changed, [{"x": [[3, 2, 1], [4, 5, 6]]}], scores=["y"], axis=axis))

    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.total) == (same, total)


def test_scores_with_nan_name_no_class() -> None:
    rooted = made(lambda x: mb.sqrt(x=x, name="y"), fp32(1, 3))

    found = output(compare(rooted, rooted, [{"x": [[1, 2, 3]]}, {"x": [[1, -2, 3]]}]))

    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.total) == (1, 2)


def test_whole_numbers_are_compared_for_equality() -> None:
    first = made(lambda x: mb.cast(x=x, dtype="int32", name="y"))
    second = made(lambda x: mb.cast(x=mb.mul(x=x, y=np.float32(1.5)), dtype="int32", name="y"))

    found = output(compare(first, second, [{"x": [[0, 1, 2], [3, 4, 5]]}]))

    assert found.sqnr_db is None
    assert found.agreement is not None
    assert (found.agreement.same, found.agreement.total, found.agreement.criterion) == (2, 6, "equality")


def test_pixels_are_numbers(shelf: Shelf) -> None:
    pytest.importorskip("PIL")
    model = milopt.load(shelf["image_output"])
    picture = np.random.default_rng(5).integers(0, 200, (20, 30, 3)).astype(np.uint8)
    darker = model.copy()
    replace_constant(find_op(darker.program, "brighter").y.op, np.float32(1.2))

    found = output(compare(model, darker, [{"image": picture}]))

    assert found.agreement is None
    assert (found.sqnr_db, found.max_abs) == (pytest.approx(20 * math.log10(1.25 / 0.05), abs=0.5), 10)

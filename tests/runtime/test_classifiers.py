from __future__ import annotations

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.runtime import Session
from support.packages import Shelf
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(1, 200)).astype(np.float32)


@pytest.mark.parametrize(("package", "kind"), [("classifier_strings", str), ("classifier_integers", int)])
@pytest.mark.parametrize("as_program", [False, True])
def test_a_classifier_gives_a_label_and_probabilities_by_label(
    shelf: Shelf, package: str, kind: type, *, as_program: bool
) -> None:
    model = milopt.load(shelf[package])
    session = Session(model.program if as_program else model)

    label, probabilities = session.run({"x": X}).values()

    assert [feature.kind for feature in session.outputs] == ["string" if kind is str else "int64", "dictionary"]
    assert type(label) is kind
    assert label == max(probabilities, key=probabilities.__getitem__)
    expected = [f"kind {index}" if kind is str else 2**33 + index for index in range(12)]
    assert list(probabilities) == expected
    assert {type(value) for value in probabilities.values()} == {float}
    assert sum(probabilities.values()) == pytest.approx(1)


def test_a_description_of_labels_needs_an_op_that_makes_them(shelf: Shelf) -> None:
    model = milopt.load(shelf["linear"])
    model.specification.description.output[0].type.stringType.SetInParent()
    refusal(lambda: Session(model), RunError, "output 'linear' is a classifier's, and the program has no op 'classify'")


def test_outputs_have_the_names_of_the_description(shelf: Shelf) -> None:
    session = Session(shelf["image_classifier"])

    outputs = session.run({"image": np.full((20, 30, 3), 9, np.uint8)})

    assert list(outputs) == ["kind", "kind_probs"]
    assert outputs["kind"] in outputs["kind_probs"]

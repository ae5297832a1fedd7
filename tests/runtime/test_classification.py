from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from milopt.ir.pymil import mb, mil_list
from milopt.ir.targets import IOS15
from milopt.runtime.executable import Executable
from milopt.runtime.lower import lower_function
from support.running import program_of

NAMES = ["cat", "dog", "7"]
NUMBERS = [40, -3, 2**40]


def classifier(classes: list[Any]) -> Callable[[Any], Any]:
    held = [np.int64(each) if isinstance(each, int) else each for each in classes]
    return lambda x: mb.classify(probabilities=x, classes=mb.const(val=mil_list(held)), name="label")


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 3, 1, 1)])
@pytest.mark.parametrize("classes", [NAMES, NUMBERS])
def test_the_graph_gives_an_index_and_the_probabilities(
    classes: list[Any], shape: tuple[int, ...], *, symbolic: bool
) -> None:
    x = np.float32([0.2, 0.4, 0.4]).reshape(shape)
    program = program_of(classifier(classes), IOS15, {"x": x}, symbolic=symbolic)

    lowered = lower_function(program.functions["main"])
    outputs = list(Executable(lowered).run({"x": x})[0].values())

    assert outputs[0].dtype == np.int64
    assert outputs[0].shape == ()
    assert outputs[0] == 1  # the first of the most probable ones
    np.testing.assert_array_equal(outputs[1], x)


@pytest.mark.parametrize("classes", [NAMES, NUMBERS])
def test_labels_are_kept_for_the_output_that_gives_the_index(classes: list[Any]) -> None:
    program = program_of(classifier(classes), IOS15, {"x": np.zeros((1, 3), np.float32)}, symbolic=False)

    lowered = lower_function(program.functions["main"])

    label, probabilities = lowered.outputs
    assert lowered.labels == {label.name: classes}
    assert [type(each) for each in lowered.labels[label.name]] == [type(each) for each in classes]
    assert label.dtype == ("string" if classes is NAMES else "int64")
    assert (probabilities.dtype, probabilities.shape) == ("fp32", (1, 3))

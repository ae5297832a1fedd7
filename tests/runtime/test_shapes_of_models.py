from __future__ import annotations

import re

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.runtime import Session
from support.packages import Shelf
from support.program_registry import build_program, fp32
from support.refusals import refusal


def test_enumerated_shapes(shelf: Shelf) -> None:
    session = Session(shelf["enumerated_shapes"])
    (given,) = session.inputs

    assert (given.shape, set(given.shapes), given.ranges) == ((4, 40), {(1, 40), (4, 40), (9, 40)}, ())
    for rows in (1, 4, 9):
        assert session.run({"x": np.zeros((rows, 40))})["softmax"].shape == (rows, 64)
    for shape in ((2, 40), (4, 41), (4, 40, 1), (40,)):
        refusal(
            lambda shape=shape: session.run({"x": np.zeros(shape)}),
            RunError,
            rf"shape {re.escape(str(list(shape)))} \(the model takes float16\[4, 40\] or \[1, 40\] or \[9, 40\]\)",
        )


def test_a_range_of_shapes(shelf: Shelf) -> None:
    session = Session(shelf["shape_range"])
    (given,) = session.inputs

    assert (given.shape, given.shapes, given.ranges) == ((3, 40), (), ((2, 9), (40, 40)))
    for rows in (2, 9):
        assert session.run({"x": np.zeros((rows, 40))})["softmax"].shape == (rows, 64)
    for rows in (1, 10):
        refusal(lambda rows=rows: session.run({"x": np.zeros((rows, 40))}), RunError, r"takes float16\[2\.\.9, 40\]")


def test_a_range_without_end(shelf: Shelf) -> None:
    model = milopt.load(shelf["shape_range"])
    array = model.specification.description.input[0].type.multiArrayType
    array.shapeRange.sizeRanges[0].upperBound = -1  # coremltools refuses to write what the format allows
    session = Session(model)

    assert session.inputs[0].ranges == ((2, None), (40, 40))
    assert session.run({"x": np.zeros((1000, 40))})["softmax"].shape == (1000, 64)
    refusal(lambda: session.run({"x": np.zeros((1, 40))}), RunError, r"takes float16\[2\.\., 40\]")


def test_a_program_without_description_takes_every_size_that_it_leaves_open() -> None:
    session = Session(build_program(lambda x: mb.relu(x=x, name="y"), IOS17, x=fp32(None, 3)))

    assert str(session.inputs[0]) == "float32[?, 3]"
    for rows in (0, 1, 7):
        assert session.run({"x": np.ones((rows, 3))})["y"].shape == (rows, 3)
    refusal(lambda: session.run({"x": np.ones((1, 4))}), RunError, r"takes float32\[\?, 3\]")


def test_sizes_that_do_not_fit_each_other_fail_in_one_line() -> None:
    program = build_program(lambda x, y: mb.add(x=x, y=y, name="z"), IOS17, x=fp32(None, 3), y=fp32(None, 3))
    refusal(lambda: Session(program).run({"x": np.ones((2, 3)), "y": np.ones((4, 3))}), RunError, "the run failed")


@pytest.mark.parametrize("rows", [1, 2])
def test_flexible_sizes_reach_shapes_computed_in_the_program(shelf: Shelf, rows: int) -> None:
    session = Session(shelf["flexible_reshape"])
    assert session.run({"x": np.zeros((1, rows, 2, 12))})["reshape"].shape == (rows, 24)

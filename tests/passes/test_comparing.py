"""Two models on the same samples: what is measured of their outputs and states, and what is refused."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import CheckFailure, OptionError, RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17
from milopt.passes.proving.comparing.compare import compare
from milopt.passes.proving.comparing.comparer import Comparer
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.runtime.session import Session
from support.comparing import ROWS, STEPS, made, named, output
from support.packages import Shelf
from support.passes import run_passes
from support.program_registry import build_program, fp16, fp32, int32
from support.programs import PROGRAMS
from support.refusals import refusal

# --- numbers


def test_measures_are_those_of_all_samples_together() -> None:
    before = PROGRAMS["linear_chain"]()
    after = run_passes(before, QuantizeWeights(min_elements=0)).program
    was, now = (
        np.concatenate([Session(each).run(sample)["second"].ravel() for sample in ROWS]).astype(np.float64)
        for each in (before, after)
    )

    found = output(compare(before, after, ROWS))

    assert found.sqnr_db == pytest.approx(10 * math.log10(np.sum(was**2) / np.sum((was - now) ** 2)))
    assert found.cosine == pytest.approx(was @ now / np.linalg.norm(was) / np.linalg.norm(now), abs=1e-12)
    assert found.max_abs == np.abs(was - now).max()
    assert found.mean_abs == pytest.approx(np.abs(was - now).mean())
    assert (found.elements, found.not_finite, found.problem, found.is_equal) == (4 * 10 * 50, 0, "", False)
    assert 40 < found.sqnr_db < 60


def test_a_model_is_equal_to_itself() -> None:
    found = compare(PROGRAMS["linear"](), PROGRAMS["linear"](), ROWS)

    assert (output(found).sqnr_db, output(found).max_abs, output(found).is_equal) == (math.inf, 0, True)
    assert (found.worst, found.notes, found.samples, found.layers) == (None, (), 4, None)


def test_opposite_values_point_the_other_way() -> None:
    found = output(compare(named("y"), named("y", -1), [{"x": np.arange(6.0).reshape(2, 3)}]))

    assert found.cosine == pytest.approx(-1)
    assert found.sqnr_db == pytest.approx(10 * math.log10(1 / 4))


def test_zeros_have_no_direction() -> None:
    found = output(compare(named("y", 0), named("y"), [{"x": np.ones((2, 3))}]))

    assert (found.cosine, found.sqnr_db, found.max_abs) == (None, -math.inf, 1)


def test_half_and_single_precision_are_compared() -> None:
    half = made(lambda x: mb.mul(x=x, y=np.float16(1), name="y"), fp16(2, 3))

    found = output(compare(named("y"), half, [{"x": np.full((2, 3), 1 / 3)}]))

    assert 60 < (found.sqnr_db or 0) < 90


def test_the_precision_of_b_can_be_another() -> None:
    program = PROGRAMS["linear_chain"]()

    found = output(compare(program, program, ROWS, other_precision="float16"))

    assert 50 < (found.sqnr_db or 0) < 90


def test_elements_that_stop_being_finite_are_counted() -> None:
    values = np.array([[1, -1, 2], [3, 4, 5]], np.float32)
    rooted = made(lambda x: mb.sqrt(x=x, name="y"))

    found = output(compare(named("y"), rooted, [{"x": values}] * 2))

    assert (found.not_finite, found.sqnr_db) == (2, -math.inf)
    assert found.max_abs == pytest.approx(5 - math.sqrt(5))
    assert "2 elements changed between finite and not" in found.words


def test_what_is_nowhere_finite_says_nothing() -> None:
    rooted = made(lambda x: mb.sqrt(x=x, name="y"))

    found = output(compare(rooted, rooted, [{"x": -np.ones((2, 3))}]))

    assert found.sqnr_db == -math.inf
    assert "nowhere finite" in found.problem


def test_memory_does_not_grow_with_the_samples() -> None:
    shape = fp32(100, 1000)

    def samples(count: int) -> Iterator[dict[str, np.ndarray]]:
        return ({"x": np.full((100, 1000), index, np.float32)} for index in range(count))

    def peak(count: int) -> int:
        comparer = Comparer(named("y", shape=shape), named("y", 2, shape), layers=True)
        tracemalloc.start()
        for sample in samples(count):
            comparer.add(sample)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    assert peak(40) < 1.2 * peak(4)


# --- which value is which


def test_names_that_differ_are_paired_in_order_and_noted() -> None:
    other = build_program(lambda z: (mb.relu(x=z, name="p"), mb.abs(x=z, name="q")), IOS15, z=fp32(2, 3))
    first = made(lambda x: (mb.relu(x=x, name="r"), mb.abs(x=x, name="q")))

    found = compare(first, other, [{"x": np.random.default_rng(5).standard_normal((2, 3)), "extra": 1}])

    assert [(each.name, each.other, each.is_equal) for each in found.outputs] == [("r", "p", True), ("q", "q", True)]
    assert found.notes == (
        "'extra' is no input of the models, and not used",
        "input 'x' of A is 'z' in B",
        "output 'r' of A is compared with 'p' of B",
    )
    assert output(found).label == "r (B: p)"


def test_outputs_of_one_model_alone_are_told() -> None:
    both = made(lambda x: (mb.relu(x=x, name="r"), mb.abs(x=x, name="q")))
    one = made(lambda x: mb.abs(x=x, name="q"))

    gone, kept = compare(both, one, [{"x": np.ones((2, 3))}]).outputs
    assert (gone.sqnr_db, gone.problem, kept.is_equal) == (-math.inf, "is gone: B has no such output", True)
    assert compare(one, both, [{"x": np.ones((2, 3))}]).notes == ("output 'r' is only in B",)


def test_shapes_that_differ_are_a_problem() -> None:
    flat = made(lambda x: mb.reshape(x=x, shape=[6], name="y"))

    found = output(compare(named("y"), flat, [{"x": np.ones((2, 3))}]))

    assert (found.sqnr_db, found.problem) == (-math.inf, "has the shape [6], and [2, 3] in A")


def test_a_described_number_is_that_of_the_bare_program(shelf: Shelf) -> None:
    model = milopt.load(shelf["total"])

    assert output(compare(model, model.program, [{"x": np.arange(6.0)}])).is_equal


# --- states


def test_states_are_compared_after_each_sequence() -> None:
    before = PROGRAMS["states"]()
    after = run_passes(before, QuantizeWeights(min_elements=0)).program

    single = compare(before, after, STEPS)
    sequence = compare(before, after, [STEPS])
    carried = compare(before, after, STEPS, carry_state=True)

    assert [each.name for each in sequence.outputs] == ["twice", "state 'cache'"]
    assert [each.label for each in sequence.outputs] == ["twice", "state 'cache'"]
    assert (single.samples, sequence.samples, carried.samples) == (3, 1, 3)
    assert sequence.outputs[1].elements == 64
    assert single.outputs[1].elements == 3 * 64
    assert sequence.outputs[0] == carried.outputs[0] != single.outputs[0]


def test_a_state_that_b_lacks_is_noted() -> None:
    bare = build_program(lambda x: mb.mul(x=x, y=np.float16(2), name="relu"), IOS17, x=fp16(1, 40))

    found = compare(PROGRAMS["states_written_only"](), bare, STEPS)

    assert [each.name for each in found.outputs] == ["relu"]
    assert found.notes == ("A has 2 states, B has 0: those of both are compared",)


# --- mistakes and limits


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "there are no samples"),
        ([3], "sample 0: it is a int"),
        ([[]], "sample 0: it is an empty sequence of calls"),
        ([ROWS[0], {}], "A (program), sample 1, input 'x': it is missing"),
        ([[ROWS[0], {"x": np.ones(3)}]], "A (program), sample 0, call 1, input 'x'"),
    ],
)
def test_samples_that_are_none_are_refused(samples: list[Any], message: str) -> None:
    with pytest.raises(RunError) as caught:
        compare(PROGRAMS["linear"](), PROGRAMS["linear"](), samples)
    assert message in str(caught.value)


def test_inputs_that_b_does_not_take_are_refused() -> None:
    with pytest.raises(RunError, match=r"B \(program\), sample 0, input 'x': "):
        compare(named("y"), named("y", shape=fp32(3, 2)), [{"x": np.ones((2, 3))}])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scores": ["z"]}, "A (program): there is no output 'z'"),
        ({"scores": ["y"], "axis": 4}, "there is no axis 4"),
        ({"function": "mian"}, "A (program): there is no function 'mian'"),
    ],
)
def test_settings_that_fit_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((OptionError, RunError)) as caught:
        compare(named("y"), named("y"), [{"x": np.ones((2, 3))}], **settings)
    assert message in str(caught.value)


def test_whole_numbers_are_no_scores() -> None:
    first = made(lambda x: mb.cast(x=x, dtype="int32", name="y"))
    with pytest.raises(OptionError, match="'y' holds no scores"):
        compare(first, first, [{"x": np.ones((2, 3))}], scores=["y"])


def test_limits_name_all_that_miss_them() -> None:
    first = made(lambda x: (mb.mul(x=x, y=np.float32(1), name="y"), mb.relu(x=x, name="z")), fp32(1, 3))
    second = made(lambda x: (mb.mul(x=x, y=np.float32(1.5), name="y"), mb.relu(x=x, name="z")), fp32(1, 3))
    found = compare(first, second, [{"x": [[1, 2, 3]]}])

    found.require(min_sqnr=6)
    message = r"^program against program: 'y' is at 6.0 dB, its largest error is 1.5 \(at least 7.0 dB are asked for\)$"
    refusal(lambda: found.require(min_sqnr=7), CheckFailure, message)


def test_what_can_not_be_compared_misses_every_limit() -> None:
    found = compare(named("y"), made(lambda x: mb.reshape(x=x, shape=[6], name="y")), [{"x": np.ones((2, 3))}])

    message = r"^program against program: 'y' has the shape \[6\], and \[2, 3\] in A$"
    for limits in ({"min_sqnr": -99}, {"min_agreement": 0}, {"min_sqnr": -99, "min_agreement": 0}):
        refusal(lambda limits=limits: found.require(**limits), CheckFailure, message)  # type: ignore[misc]


def test_limits_that_no_output_can_meet_are_refused() -> None:
    whole = made(lambda x: mb.cast(x=x, dtype="int32", name="y"))
    found = compare(whole, whole, [{"x": np.ones((2, 3))}])
    with pytest.raises(OptionError, match="no output has an SQNR"):
        found.require(min_sqnr=3)
    found = compare(named("y"), named("y"), [{"x": np.ones((2, 3))}])
    with pytest.raises(OptionError, match="no output looks like class scores"):
        found.require(min_agreement=3)


def test_paths_of_samples_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.stack([row["x"] for row in ROWS]))
    program = PROGRAMS["linear"]()

    assert compare(program, program, tmp_path / "in.npz").samples == 4


def test_integers_as_inputs_are_compared() -> None:
    program = build_program(lambda n: mb.cast(x=n, dtype="fp32", name="y"), IOS15, n=int32(3))

    assert output(compare(program, program, [{"n": np.arange(3, dtype=np.int32)}])).is_equal

"""Checks of calibration data: what is refused, what is remarked on, and what real-looking data is left in peace."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.passes.analysis.data_checks.checker import DataChecker
from milopt.passes.analysis.data_checks.noise import NoiseTest
from milopt.passes.analysis.data_checks.surface import surface_of
from milopt.passes.remarks import Remark
from milopt.runtime.surface.features import Feature
from support.packages import Shelf
from support.program_registry import build_program, fp32
from support.programs import PROGRAMS
from support.source_tree import ROOT

DIGITS = ROOT / "examples" / "digits"
TIMES = np.arange(16_000) / 16_000


@pytest.fixture
def digits() -> np.ndarray:
    return np.load(DIGITS / "calibration.npz")["image"]


def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def floats(*shape: int, dtype: str = "float32") -> Feature:
    return Feature("x", dtype=dtype, shape=shape)


def remarks_on(values: Iterable[Any], feature: Feature | None = None, *, function: Any = None) -> dict[str, Remark]:
    """The remarks on samples of the one input `x`, by their codes."""
    checker: DataChecker | None = None
    for value in values:
        checker = checker or DataChecker([feature or floats(*np.shape(value))], function=function)
        checker.observe({"x": value})
    assert checker is not None
    return {remark.code: remark for remark in checker.finish()}


# Real-looking data, of which nothing is to be said but how few samples there are.


def photograph(random: np.random.Generator) -> np.ndarray:
    """Contrast falls with frequency, as in photographs; brightness and contrast differ."""
    across, down = np.fft.fftfreq(96), np.fft.fftfreq(96)[:, np.newaxis]
    distance = np.hypot(across, down)
    distance[0, 0] = 1
    made = np.real(np.fft.ifft2(np.fft.fft2(random.standard_normal((3, 96, 96))) / distance))
    return (made * random.uniform(0.1, 1) + random.uniform(-1, 1))[np.newaxis]


def tone(random: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * random.uniform(50, 7_000) * TIMES)[np.newaxis]


def tone_without_correlation(random: np.random.Generator) -> np.ndarray:
    return np.sin(np.pi / 2 * np.arange(16_000) + random.uniform(0, 6))[np.newaxis]


def chirp(random: np.random.Generator) -> np.ndarray:
    """From 0 Hz to the highest there is: over all of it, neighbours are not correlated."""
    return np.sin(np.pi * 8_000 * TIMES**2 + random.uniform(0, 6))[np.newaxis]


def chord_of_chirps(random: np.random.Generator) -> np.ndarray:
    return np.sum([np.roll(chirp(random), random.integers(16_000)) for _ in range(8)], axis=0)


def whispering(random: np.random.Generator) -> np.ndarray:
    """White noise whose loudness changes, as that of breath does."""
    loudness = np.exp(np.cumsum(random.normal(0, 0.3, 160)).clip(-2, 2))
    return (random.standard_normal(16_000) * loudness.repeat(100))[np.newaxis]


def embedding(random: np.random.Generator) -> np.ndarray:
    made = random.standard_normal((1, 512))
    return made / np.linalg.norm(made)


def small_vector(random: np.random.Generator) -> np.ndarray:
    return random.standard_normal((1, 40))


def tokens(random: np.random.Generator) -> np.ndarray:
    return np.cumsum(random.standard_normal((64, 256)), axis=0)


def sparse(random: np.random.Generator) -> np.ndarray:
    return (random.random((1, 1, 64, 64)) < 0.05) * random.random((1, 1, 64, 64))


REAL = [photograph, tone, tone_without_correlation, chirp, chord_of_chirps, whispering, embedding, small_vector, tokens,
        sparse]  # fmt: skip


@pytest.mark.parametrize("make", REAL)
def test_nothing_is_said_of_real_looking_data(make: Callable[[np.random.Generator], np.ndarray]) -> None:
    random = generator()

    assert remarks_on(make(random).astype(np.float32) for _ in range(32)).keys() == {"few-samples"}


def test_nothing_is_said_of_the_digits(digits: np.ndarray) -> None:
    checker = DataChecker.of(milopt.load(DIGITS / "digits.mlpackage"))

    assert len(list(checker.watch({"image": image} for image in digits))) == len(digits)
    assert checker.finish() == ()


NOISE: dict[str, tuple[str, Callable[[np.random.Generator], np.ndarray]]] = {
    "images": ("normal", lambda random: random.standard_normal((1, 3, 64, 64))),
    "small images": ("uniform", lambda random: random.random((1, 1, 8, 8))),
    "far from zero": ("uniform", lambda random: random.random((1, 1, 64, 64)) + 1_000),
    "audio": ("normal", lambda random: random.standard_normal((1, 16_000)) * 0.1),
    "short audio": ("normal", lambda random: random.standard_normal((1, 512)).astype(np.float16)),
}


@pytest.mark.parametrize("kind", NOISE)
def test_random_numbers_are_recognized(kind: str) -> None:
    distribution, make = NOISE[kind]
    random = generator()

    remark = remarks_on(make(random) for _ in range(48))["random-looking"]

    assert (remark.kind, remark.op, remark.op_type, remark.function) == ("missed", "x", "input", "main")
    assert f"({distribution})" in remark.message


def test_random_pixels_are_recognized() -> None:
    random = generator()
    image = Feature("x", "image", dtype="uint8", shape=(64, 64, 3), colors="RGB")

    found = remarks_on((random.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(8)), image)

    assert "random-looking" in found


def test_few_samples_of_noise_are_judged_only_where_they_are_large() -> None:
    random = generator()
    small, large = NoiseTest(), NoiseTest()
    for _ in range(4):
        small.observe(random.standard_normal((1, 1_000)))
        large.observe(random.standard_normal((1, 16_000)))

    assert (small.distribution(), large.distribution()) == (None, "normal")


@pytest.mark.parametrize(("count", "kind"), [(1, "missed"), (31, "missed"), (32, "analysis"), (127, "analysis")])
def test_too_few_samples_are_told_with_advice(digits: np.ndarray, count: int, kind: str) -> None:
    (remark,) = remarks_on(digits[:count]).values()

    assert (remark.code, remark.kind, remark.data["samples"]) == ("few-samples", kind, count)
    assert remark.suggestion is not None
    assert remark.source is not None


def test_values_that_are_not_finite_are_counted(digits: np.ndarray) -> None:
    spoiled = digits.copy()
    spoiled[3, 0, 0, 0, :2] = np.nan, np.inf
    spoiled[9, 0, 0, 0, 0] = -np.inf

    remark = remarks_on(spoiled)["not-finite"]

    assert (remark.kind, remark.data) == ("missed", {"elements": 3, "first_sample": 3})


@pytest.mark.parametrize(("shape", "kind"), [((1, 1, 8, 8), "missed"), ((1,), "analysis")])
def test_constant_inputs_are_told(shape: tuple[int, ...], kind: str) -> None:
    found = remarks_on(np.full(shape, 2.5, np.float32) for _ in range(8))

    assert (found["constant-input"].kind, found["constant-input"].data) == (kind, {"value": 2.5})
    assert "same-in-all-samples" not in found


def test_constant_within_samples_is_not_constant_between_them() -> None:
    assert "constant-input" not in remarks_on(np.full((1, 1, 8, 8), value, np.float32) for value in range(8))


def test_an_input_that_never_changes_beside_one_that_does(digits: np.ndarray) -> None:
    checker = DataChecker([Feature("x", dtype="float32"), Feature("state", dtype="float32")])
    for image in digits[:8]:
        checker.observe({"x": image, "state": digits[0]})

    assert [(remark.op, remark.code) for remark in checker.finish() if remark.op != "samples"] == [
        ("state", "same-in-all-samples")
    ]


@pytest.mark.parametrize(("repeated", "kind"), [(4, "analysis"), (20, "missed")])
def test_repeated_samples_are_counted(digits: np.ndarray, repeated: int, kind: str) -> None:
    remark = remarks_on([*digits[:20], *digits[:repeated]])["repeated-samples"]

    assert (remark.kind, remark.data) == (kind, {"repeated": repeated, "samples": 20 + repeated})


def test_pixels_that_were_scaled_twice_are_told(digits: np.ndarray) -> None:
    assert remarks_on(digits / 255)["scaled-twice"].data["maximum"] == pytest.approx(1 / 255)


def scaling_program(factor: float, op: str = "mul") -> Any:
    def scaled(x: Any) -> Any:
        return mb.relu(x=getattr(mb, op)(x=mb.identity(x=x), y=np.float32(factor), name="scaled"), name="out")

    return build_program(scaled, IOS17, x=fp32(1, 1, 8, 8)).functions["main"]


@pytest.mark.parametrize(
    ("factor", "op", "is_told"),
    [(1 / 255, "mul", True), (1 / 127.5, "mul", True), (255, "real_div", True), (2, "mul", False), (3, "add", False)],
)
def test_programs_that_scale_pixels_want_bytes(digits: np.ndarray, factor: float, op: str, *, is_told: bool) -> None:
    function = scaling_program(factor, op)

    assert ("scaled-twice" in remarks_on(digits, function=function)) == is_told
    assert "scaled-twice" not in remarks_on(digits * 255, function=function)


def test_samples_of_two_scales_are_told(digits: np.ndarray) -> None:
    remark = remarks_on([*digits[:100] * 255, *digits[100:]])["mixed-scales"]

    assert remark.data == {"unit_samples": 156, "byte_samples": 100}


def test_pixels_of_an_image_that_are_0_and_1_are_told(digits: np.ndarray) -> None:
    image = Feature("x", "image", dtype="uint8", shape=(8, 8), colors="GRAYSCALE")

    assert "dark-pixels" in remarks_on([each[0, 0].astype(np.uint8) for each in digits], image)
    assert "dark-pixels" not in remarks_on([(each[0, 0] * 255).astype(np.uint8) for each in digits], image)


@pytest.mark.parametrize(("highest", "is_told"), [(99, False), (100, True)])
def test_indices_past_their_table_are_told(highest: int, *, is_told: bool) -> None:
    function = PROGRAMS["embedding"]().functions["main"]
    (name,) = function.inputs
    shape = tuple(function.inputs[name].shape)
    checker = DataChecker([Feature(name, dtype="int32", shape=shape)], function=function)
    checker.observe({name: np.full(shape, highest, np.int32)})

    found = {remark.code: remark for remark in checker.finish()}

    assert ("out-of-table" in found) == is_told
    if is_told:
        assert found["out-of-table"].data == {"minimum": 100.0, "maximum": 100.0, "size": 100}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_past_fp16_are_told(digits: np.ndarray, dtype: str) -> None:
    found = remarks_on((digits * 1e6).astype(dtype), floats(1, 1, 8, 8, dtype="float16"))

    assert found["past-fp16"].data == {"absmax": 1e6}
    assert "not-finite" not in found


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"y": 0}, "sample 1: there is no input 'y' (the inputs are image)"),
        ({"imge": 0}, "sample 1: there is no input 'imge' (did you mean 'image'?)"),
        ({}, "sample 1, input 'image': it is missing (the model takes float32[1, 1, 8, 8])"),
        ({"image": np.zeros((8, 8))}, "sample 1, input 'image': it has the shape [8, 8] (the model takes"),
        ({"image": np.full((1, 1, 8, 8), "x")}, "sample 1, input 'image': it is an array of <U1"),
        ([{"image": np.zeros((1, 1, 8, 8))}, {}], "sample 1, call 1, input 'image': it is missing"),
        (None, "sample 1: the inputs are a NoneType"),
    ],
)
def test_samples_that_the_model_does_not_take_are_refused(digits: np.ndarray, sample: Any, message: str) -> None:
    checker = DataChecker.of(milopt.load(DIGITS / "digits.mlpackage"))
    checker.observe({"image": digits[0]})

    with pytest.raises(RunError, match=re.escape(message)):
        checker.observe(sample)


def test_functions_are_checked_by_their_own_inputs() -> None:
    program = PROGRAMS["two_functions"]()
    for name, function in program.functions.items():
        checker = DataChecker.of(program, name)
        checker.observe({each: np.zeros(tuple(var.shape), np.float32) for each, var in function.inputs.items()})
        assert {remark.function for remark in checker.finish()} == {name}

    with pytest.raises(RunError, match="there is no function 'mian'"):
        DataChecker.of(program, "mian")


def of_sequences(*sequences: np.ndarray) -> tuple[Remark, ...]:
    checker = DataChecker([floats(1, 1, 8, 8)])
    for images in sequences:
        checker.observe([{"x": image} for image in images])
    return checker.finish()


def test_calls_of_a_sequence_count(digits: np.ndarray) -> None:
    assert of_sequences(digits[:200]) == ()


def test_few_calls_are_told_apart_from_samples(digits: np.ndarray) -> None:
    (remark,) = of_sequences(digits[:10], digits[10:20])

    assert remark.message.startswith("2 samples of 20 calls in all may not show")
    assert remark.data == {"samples": 2, "calls": 20}


def test_a_sequence_is_repeated_as_a_whole(digits: np.ndarray) -> None:
    assert of_sequences(np.repeat(digits[:100], 2, axis=0)) == ()

    (remark,) = of_sequences(digits[:100], digits[100:200], digits[:100])

    assert (remark.code, remark.data) == ("repeated-samples", {"repeated": 1, "samples": 3})


def test_of_a_part_nothing_is_said_as_a_whole(digits: np.ndarray) -> None:
    checker = DataChecker([floats(1, 1, 8, 8)])
    checker.observe({"x": digits[0] * np.nan})

    assert [remark.code for remark in checker.finish(is_whole=False)] == ["not-finite"]


@pytest.mark.parametrize("name", ["image_classifier", "pipeline", "multifunction", "states", "scalar_input"])
def test_what_is_checked_is_what_a_session_takes(shelf: Shelf, name: str) -> None:
    model = milopt.load(shelf[name])

    assert surface_of(model)[0] == milopt.Session(model).inputs


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        random, checker = generator(), DataChecker([floats(1, 1, 32, 32)])
        for _ in checker.watch(_images(random, count)):
            pass
        checker.finish()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8)
    assert peak(256) < peak(8) + 256 * 512


def _images(random: np.random.Generator, count: int) -> Iterator[dict[str, np.ndarray]]:
    return ({"x": random.random((1, 1, 32, 32), np.float32)} for _ in range(count))

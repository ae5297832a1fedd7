from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import OptionError, RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15, IOS17, IOS18
from milopt.runtime import Session
from support.packages import Shelf
from support.program_registry import Input, build_program, fp16, fp32
from support.programs import PROGRAMS
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(10, 40)).astype(np.float16)


def doubled(*shape: int, dtype: str = "fp32") -> Session:
    return Session(build_program(lambda x: mb.add(x=x, y=x, name="y"), IOS18, x=Input(shape, dtype)))


def test_importing_the_runtime_imports_neither_coremltools_nor_onnxruntime() -> None:
    code = "import sys, milopt.runtime as r; dir(r); print({'coremltools', 'onnxruntime', 'onnx'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert run.stdout == "set()\n"


def test_the_face_of_the_runtime() -> None:
    import milopt.runtime as face

    assert dir(face) == face.__all__ == ["Session", "State", "patch_coremltools", "runnable_ops"]
    assert "linear" in face.runnable_ops()
    assert all(getattr(face, name).__doc__ for name in face.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        _ = face.nothing


@pytest.mark.parametrize("way", ["path", "string", "model", "program"])
def test_a_session_opens_paths_models_and_programs(shelf: Shelf, way: str) -> None:
    path = shelf["linear"]
    sources: dict[str, Callable[[], Any]] = {
        "path": lambda: path,
        "string": lambda: str(path),
        "model": lambda: milopt.load(path),
        "program": lambda: milopt.load(path).program,
    }
    session = Session(sources[way]())

    assert [str(feature) for feature in (*session.inputs, *session.outputs)] == ["float16[10, 40]", "float16[10, 64]"]
    assert session.run({"x": X})["linear"].dtype == np.float16


def test_a_program_that_took_the_place_of_the_models_own_is_what_runs(shelf: Shelf) -> None:
    model = milopt.load(shelf["linear"])
    program = build_program(
        lambda x: mb.linear(x=x, weight=np.eye(64, 40, dtype=np.float16), name="linear"), IOS17, x=fp16(10, 40)
    )
    model.stages[0].replace(program)

    np.testing.assert_array_equal(Session(model).run({"x": X})["linear"][:, :40], X)


# --- functions


@pytest.mark.parametrize("package", ["multifunction", "two_functions"])
def test_each_function_can_be_run_and_one_is_the_default(shelf: Shelf, package: str) -> None:
    model = milopt.load(shelf[package])
    default, other = {"multifunction": ("short", "long"), "two_functions": ("encode", "decode")}[package]

    for name in (None, default, other):
        session = Session(model, name)
        (given,) = session.inputs
        run = session.run({"x": np.ones(given.shape or ())})
        assert list(run) == [feature.name for feature in session.outputs]
        assert (session.outputs == Session(model).outputs) == (name != other)


def test_an_unknown_function_is_refused(shelf: Shelf) -> None:
    model = milopt.load(shelf["multifunction"])
    refusal(lambda: Session(model, "shorts"), RunError, r"multifunction.mlpackage: there is no function 'shorts' \(did")
    refusal(lambda: Session(model, "xyz"), RunError, r"\(the functions are (short, long|long, short)\)")
    refusal(lambda: Session(PROGRAMS["linear"](), "zzz"), RunError, "the functions are main")


def test_settings_that_make_no_sense_are_refused() -> None:
    precision: Any = "float8"
    refusal(lambda: Session(PROGRAMS["linear"](), precision=precision), OptionError, "float8")
    refusal(lambda: Session(PROGRAMS["linear"](), threads=0), OptionError, "0 threads")


# --- arrays


@pytest.mark.parametrize("given", ["float64", "float32", "float16", "int32", "int8"])
@pytest.mark.parametrize("wanted", ["fp32", "fp16", "int32"])
def test_every_array_type_of_core_ml_is_converted(given: str, wanted: str) -> None:
    session = doubled(2, 3, dtype=wanted)
    x = np.array([[1, -2, 3], [4, 5, 60]], given)

    (y,) = session.run({"x": x}).values()

    assert y.dtype.name == session.outputs[0].dtype == {"fp32": "float32", "fp16": "float16"}.get(wanted, wanted)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize("given", ["int64", "uint8", "int16", "bool", "complex64", "str", "object"])
def test_other_array_types_are_refused(given: str) -> None:
    session = doubled(2, dtype="fp32")
    message = (
        r"input 'x': it is an array of .* \(Core ML takes arrays of float64, .*float32\[2\].*astype\('float32'\)\)"
    )
    refusal(lambda: session.run({"x": np.array([1, 0], given)}), RunError, message)


@pytest.mark.parametrize("x", [[1, 2], (1, 2), [1.0, 2], np.float64([1, 2]), range(1, 3)])
def test_numbers_in_lists_have_no_type_of_their_own(x: Any) -> None:
    for dtype in ("fp32", "int32"):
        np.testing.assert_array_equal(doubled(2, dtype=dtype).run({"x": x})["y"], [2, 4])


@pytest.mark.parametrize("x", [[1.5, 2], [np.nan, 0], [2**31, 0], [-(2.0**40), 0]])
def test_numbers_that_do_not_fit_integers_are_refused(x: list[float]) -> None:
    refusal(lambda: doubled(2, dtype="int32").run({"x": x}), RunError, "it holds numbers that int32 does not")


def test_numbers_beyond_fp16_become_infinite() -> None:
    np.testing.assert_array_equal(doubled(2, dtype="fp16").run({"x": np.float32([1e6, -1e6])})["y"], [np.inf, -np.inf])


def test_what_is_no_array_is_refused() -> None:
    refusal(lambda: doubled(2).run({"x": [[1], [1, 2]]}), RunError, "input 'x': it is no array")


@pytest.mark.parametrize("x", [np.zeros((3, 2)), np.zeros(2), np.zeros((2, 3, 1)), np.float32(1), np.zeros((2, 0))])
def test_other_shapes_are_refused(x: np.ndarray) -> None:
    message = rf"input 'x': it has the shape {re.escape(str(list(x.shape)))} \(the model takes float32\[2, 3\]\)"
    refusal(lambda: doubled(2, 3).run({"x": x}), RunError, message)


def test_missing_and_unknown_inputs_are_refused() -> None:
    program = build_program(lambda left, right: mb.add(x=left, y=right), IOS15, left=fp32(2), right=fp32(2))
    session = Session(program)
    refusal(
        lambda: session.run({"left": [1, 2]}), RunError, r"input 'right': it is missing \(the model takes float32\[2\]"
    )
    refusal(lambda: session.run({"left": [1], "rigth": [1]}), RunError, r"no input 'rigth' \(did you mean 'right'\?\)")
    refusal(lambda: session.run({"zzz": [1]}), RunError, r"\(the inputs are left, right\)")


def test_inputs_are_given_by_name() -> None:
    inputs: Any = [X]
    refusal(lambda: doubled(10, 40).run(inputs), RunError, r"the inputs are a list \(give a value by name")


def test_non_contiguous_and_swapped_arrays_are_read_right() -> None:
    x = np.arange(12, dtype=">f4").reshape(3, 4)[::-1, ::2].T
    np.testing.assert_array_equal(doubled(2, 3).run({"x": x})["y"], 2 * x)


def test_scalars_are_arrays_of_one_element_at_a_models_surface(shelf: Shelf) -> None:
    described, bare = Session(shelf["scalar_output"]), Session(milopt.load(shelf["scalar_output"]).program)
    x = np.arange(6, dtype=np.float32)

    assert (described.run({"x": x})["total"].shape, bare.run({"x": x})["total"].shape) == ((1,), ())
    assert described.run({"x": x})["total"].item() == 15


def test_a_scalar_that_goes_in_is_an_array_of_one_element(shelf: Shelf) -> None:
    session = Session(shelf["scalar_input"])

    assert (session.inputs[0].shape, session.lowered.inputs[0].shape) == ((1,), ())
    for x in (3, [3], np.float64([3])):
        np.testing.assert_array_equal(session.run({"x": x})["twice"], [6])


def test_an_input_of_one_element_takes_a_number() -> None:
    np.testing.assert_array_equal(doubled(1).run({"x": 3})["y"], [6])


# --- default values


def test_an_optional_input_has_its_default_when_it_is_left_out(shelf: Shelf) -> None:
    session = Session(shelf["default_value"])
    (given,) = session.inputs

    assert (given.optional, given.default) == (True, 1.0)
    np.testing.assert_array_equal(session.run({})["linear"], session.run({"x": np.ones((10, 40))})["linear"])


def test_an_optional_input_without_default_has_to_be_given(shelf: Shelf) -> None:
    model = milopt.load(shelf["default_value"])
    model.specification.description.input[0].type.multiArrayType.ClearField("floatDefaultValue")

    session = Session(model)

    refusal(lambda: session.run({}), RunError, "input 'x': it is missing")


# --- one result


NAMES = [
    "attention",
    "blockwise_int4",
    "conv",
    "conv_depthwise",
    "conv_transpose",
    "embedding",
    "linear_chain",
    "matmul_inputs",
    "shared_weight",
    "sparse",
    "variadic",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_results_do_not_depend_on_threads(name: str, precision: Any) -> None:
    rng = np.random.default_rng(1)
    program = PROGRAMS[name]()
    sessions = [Session(program, precision=precision, threads=threads) for threads in (1, 2, 3)]
    inputs = {
        each.name: (rng.integers(0, 5, each.shape) if each.dtype == "int32" else rng.normal(size=each.shape)).astype(
            each.dtype
        )
        for each in sessions[0].inputs
    }

    first, *others = [session.run(inputs) for session in sessions]

    for other in others:
        for output, value in first.items():
            np.testing.assert_array_equal(other[output], value)


def test_a_description_that_does_not_fit_the_program_is_refused(shelf: Shelf) -> None:
    model = milopt.load(shelf["linear"])
    model.specification.description.input[0].name = "other"
    refusal(lambda: Session(model), RunError, "linear.mlpackage: input 'other' is only in the model's description")
    model = milopt.load(shelf["linear"])
    model.specification.description.output[0].name = "other"
    refusal(lambda: Session(model), RunError, "output 'other' is only in the model's description")


def test_the_graph_of_the_function_that_runs(shelf: Shelf) -> None:
    lowered = Session(shelf["linear"]).lowered
    assert [port.name for port in (*lowered.inputs, *lowered.outputs)] == ["x", "linear"]
    refusal(lambda: Session(shelf["pipeline"]).lowered, RunError, "a pipeline has several programs")

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import coremltools as ct
import milopt
import numpy as np
import pytest
from coremltools.models import _compiled_model, model, utils
from coremltools.optimize import coreml as cto
from milopt.ir.errors import RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS17
from milopt.runtime import Session, patch_coremltools
from support.packages import Shelf, copy_package, package_of
from support.program_registry import build_program, fp16
from support.refusals import refusal

X = np.random.default_rng(0).normal(size=(10, 40)).astype(np.float32)


@pytest.fixture
def patched() -> Iterator[None]:
    with patch_coremltools():
        yield


def opened(shelf: Shelf, name: str, folder: Path, **options: Any) -> Any:
    """A coremltools model of a copy; coremltools writes to what it opens."""
    return ct.models.MLModel(str(copy_package(shelf[name], folder)), **options)


# --- what it replaces, and that it gives it back


def places() -> list[object]:
    owners = [(each, "_macos_version") for each in (model, utils, _compiled_model)]
    owners += [(each, "_MLModelProxy") for each in (model, _compiled_model)]
    owners += [(each, "_is_macos") for each in (model, utils)]
    return [*(getattr(*each) for each in owners), sys.modules.get("coremltools.libcoremlpython")]


def test_undoing_gives_back_what_was_there() -> None:
    before = places()

    patch = patch_coremltools()
    during = places()
    patch.undo()
    patch.undo()

    assert places() == before
    assert all(one is not other for one, other in zip(before, during, strict=True))


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_patches_may_overlap_and_end_in_any_order(first_to_end: int) -> None:
    before = places()
    patches = [patch_coremltools(), patch_coremltools()]

    patches.pop(first_to_end).undo()
    still = places()
    patches.pop().undo()

    assert still != before
    assert places() == before


def test_an_error_inside_of_the_block_undoes_it_too() -> None:
    before = places()
    with pytest.raises(ZeroDivisionError), patch_coremltools():
        _ = 1 / 0
    assert places() == before


def test_core_ml_itself_is_replaced_only_by_force(monkeypatch: pytest.MonkeyPatch) -> None:
    real = object()
    monkeypatch.setattr(model, "_MLModelProxy", real)

    refusal(patch_coremltools, RunError, r"this machine has Core ML \(patch_coremltools\(force=True\)")
    with patch_coremltools(force=True), patch_coremltools():
        assert model._MLModelProxy is not real
    assert model._MLModelProxy is real


def test_models_opened_without_it_can_not_predict(shelf: Shelf, tmp_path: Path) -> None:
    with patch_coremltools():
        pass
    with pytest.raises(Exception, match="prediction is only supported on macOS"):
        opened(shelf, "linear", tmp_path).predict({"x": X})


# --- prediction


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(
    "x", [X, X.astype(np.float16), X.astype(np.float64), X.tolist()], ids=lambda x: type(x).__name__
)
def test_predict_gives_what_a_session_gives(shelf: Shelf, tmp_path: Path, x: Any) -> None:
    (y,) = opened(shelf, "linear", tmp_path).predict({"x": x}).values()

    assert y.dtype == np.float32  # Core ML's binding has no fp16
    np.testing.assert_array_equal(y, Session(shelf["linear"]).run({"x": X})["linear"])


@pytest.mark.usefixtures("patched")
def test_batches(shelf: Shelf, tmp_path: Path) -> None:
    net = opened(shelf, "linear", tmp_path)
    first, second = net.predict([{"x": X}, {"x": 2 * X}])
    np.testing.assert_array_equal(first["linear"], net.predict({"x": X})["linear"])
    np.testing.assert_array_equal(second["linear"], net.predict({"x": 2 * X})["linear"])


@pytest.mark.usefixtures("patched")
def test_a_converted_model_predicts_at_once() -> None:
    program = build_program(lambda x: mb.relu(x=x, name="y"), IOS17, x=fp16(2, 3))
    net = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS17)
    np.testing.assert_array_equal(
        net.predict({"x": np.float32([[-1, 2, -3], [4, -5, 6]])})["y"], [[0, 2, 0], [4, 0, 6]]
    )


@pytest.mark.usefixtures("patched")
def test_functions(shelf: Shelf, tmp_path: Path) -> None:
    assert list(opened(shelf, "multifunction", tmp_path, function_name="long").predict({"x": X})) == ["second"]


@pytest.mark.usefixtures("patched")
def test_images_and_labels(shelf: Shelf, tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    outputs = opened(shelf, "image_classifier", tmp_path).predict({"image": images.new("RGB", (30, 20), (9, 8, 7))})
    brighter = opened(shelf, "image_output", tmp_path).predict({"image": images.new("RGB", (30, 20), (8, 100, 240))})

    assert outputs["kind"] in outputs["kind_probs"]
    assert brighter["brighter"].getpixel((3, 3)) == (10, 125, 255, 255)


@pytest.mark.usefixtures("patched")
def test_states(shelf: Shelf, tmp_path: Path) -> None:
    net = opened(shelf, "states", tmp_path)
    state, x = net.make_state(), X[:1]

    first = net.predict({"x": x}, state)["twice"]
    second = net.predict({"x": x}, state=state)["twice"]

    np.testing.assert_allclose(second, 2 * first, rtol=1e-3)
    assert state.read_state("cache").dtype == np.float32
    np.testing.assert_allclose(state.read_state("cache"), second / 2, rtol=1e-3)
    state.write_state("cache", np.zeros((1, 64)))
    np.testing.assert_array_equal(net.predict({"x": x}, state)["twice"], first)
    with pytest.raises(RuntimeError, match="there is no state 'cash'"):
        state.read_state("cash")
    with pytest.raises(RuntimeError, match=r"state 'cache': it has the shape \[3\]"):
        state.write_state("cache", np.zeros(3))
    with pytest.raises(RuntimeError, match="needs its states"):
        net.predict({"x": x})


@pytest.mark.usefixtures("patched")
def test_errors_are_runtime_errors_with_our_message(shelf: Shelf, tmp_path: Path) -> None:
    net = opened(shelf, "linear", tmp_path)
    ours = r"using ML Program: input 'x': it has the shape \[10, 3\] \(the model takes float16\[10, 40\]\)$"
    with pytest.raises(RuntimeError, match=ours):
        net.predict({"x": X[:, :3]})
    with pytest.raises(milopt.MiloptError, match="int64"):
        net.predict({"x": X.astype(np.int64)})


@pytest.mark.usefixtures("patched")
def test_a_model_that_can_not_be_run_says_so_when_it_is_asked_to(tmp_path: Path) -> None:
    builder = ct.models.neural_network.NeuralNetworkBuilder(
        [("x", ct.models.datatypes.Array(3))], [("y", ct.models.datatypes.Array(3))]
    )
    builder.add_activation("a", "RELU", "x", "y")
    path = tmp_path / "net.mlmodel"
    ct.models.utils.save_spec(builder.spec, str(path))

    with pytest.warns(RuntimeWarning, match=r"not an \.mlpackage"):
        net = ct.models.MLModel(str(path))
    with pytest.raises(RuntimeError, match=r"not an \.mlpackage"):
        net.predict({"x": np.zeros(3)})


# --- compiled models


@pytest.mark.usefixtures("patched")
def test_compiled_models(shelf: Shelf, tmp_path: Path) -> None:
    net = opened(shelf, "linear", tmp_path)
    expected = net.predict({"x": X})["linear"]
    places = [net.get_compiled_model_path(), utils.compile_model(net.package_path, str(tmp_path / "own.mlmodelc"))]

    for place in places:
        found = ct.models.CompiledMLModel(place).predict({"x": X})["linear"]
        np.testing.assert_array_equal(found, expected)

    assert net.get_compiled_model_path() == places[0]
    folder = Path(places[0]).parent
    del net
    assert not folder.exists()


@pytest.mark.usefixtures("patched")
def test_what_apple_compiled_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "net.mlmodelc"
    folder.mkdir()
    with pytest.raises(RuntimeError, match=r"net.mlmodelc: it was not compiled by milopt \(open the .mlpackage\)"):
        ct.models.CompiledMLModel(str(folder))
    with pytest.raises(RuntimeError, match="it is no package"):
        utils.compile_model(str(tmp_path / "absent.mlmodel"))


@pytest.mark.usefixtures("patched")
def test_model_assets_are_refused() -> None:
    for make in (lambda: model.MLModelAsset.from_path("x.mlmodelc"), lambda: model.MLModelAsset.from_memory(b"")):
        with pytest.raises(RuntimeError, match="model assets are Core ML's own"):
            make()


@pytest.mark.usefixtures("patched")
def test_durations(shelf: Shelf, tmp_path: Path) -> None:
    net = opened(shelf, "linear", tmp_path)
    assert net.load_duration_in_nano_seconds > 0
    assert net.last_predict_duration_in_nano_seconds is None
    net.predict({"x": X})
    assert net.last_predict_duration_in_nano_seconds > 0


# --- what coremltools builds on prediction


@pytest.mark.usefixtures("patched")
@pytest.mark.parametrize(
    ("quantize", "group_size"),
    [
        (cto.linear_quantize_activations, -1),
        (cto.linear_quantize_activations, 1),
        (cto.experimental.linear_quantize_activations, -1),
    ],
    ids=["all at once", "one by one", "experimental"],
)
def test_activation_quantization_of_coremltools(tmp_path: Path, quantize: Callable[..., Any], group_size: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(8, 3, 3, 3)).astype(np.float16) / 5

    def body(x: Any) -> Any:
        y = mb.relu(x=mb.conv(x=x, weight=weight, pad_type="same", name="conv"), name="relu")
        return mb.add(x=y, y=np.float16(1), name="y")

    path = package_of(build_program(body, IOS17, x=fp16(1, 3, 12, 10)), tmp_path)
    net = ct.models.MLModel(str(path))
    samples = [{"x": rng.normal(size=(1, 3, 12, 10)).astype(np.float32)} for _ in range(3)]
    config = cto.OptimizationConfig(cto.OpLinearQuantizerConfig(mode="linear_symmetric"))

    quantized = quantize(net, config, [dict(each) for each in samples], group_size)

    kinds = [operation.type for operation in
             quantized.get_spec().mlProgram.functions["main"].block_specializations["CoreML7"].operations]  # fmt: skip
    assert kinds.count("quantize") == kinds.count("dequantize") > 0
    # coremltools keeps the ranges that the last sample has.
    before, after = (each.predict(dict(samples[-1]))["y"] for each in (net, quantized))
    assert 0 < np.abs(before - after).max() < 0.05

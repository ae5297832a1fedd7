"""`milopt export`: the ONNX model that runs, for any other runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import onnx
import onnxruntime
import pytest
from milopt.cli.entry import DONE
from milopt.runtime import export
from milopt.runtime.session import Session
from support.packages import Shelf

Command = Callable[..., Any]
MODELS = ["conv", "flexible", "lists", "cond_in_loop", "blockwise_int4", "classifier_strings", "states", "attention"]


def model_at(path: Path) -> onnx.ModelProto:
    """The model, checked with its types and shapes."""
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(str(path))


@pytest.mark.parametrize("name", MODELS)
def test_model_passes_the_checker(milopt: Command, tmp_path: Path, name: str) -> None:
    ran = milopt("export", f"@{name}", "-o", "@/model.onnx")

    assert (ran.code, ran.out, ran.err) == (DONE, "", "")
    assert model_at(tmp_path / "model.onnx").producer_name == "milopt"


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["inside", "beside"])
def test_another_runtime_gives_the_same(
    milopt: Command, tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(export, "EMBEDDED_BYTES", limit)
    x = np.random.default_rng(0).standard_normal((2, 40)).astype(np.float32)

    assert milopt("export", "@flexible", "-o", "@/model.onnx").code == DONE

    model_at(tmp_path / "model.onnx")
    assert (
        sorted(file.name for file in tmp_path.iterdir()) == ["model.onnx", "model.onnx.data"][: 2 if limit == 0 else 1]
    )
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    (expected,) = Session(package.load(shelf["flexible"])).run({"x": x}).values()
    np.testing.assert_allclose(found, np.asarray(expected, np.float32), rtol=2e-3, atol=1e-5)


def test_states_are_inputs_and_outputs(milopt: Command, tmp_path: Path) -> None:
    milopt("export", "@states", "-o", "@/model.onnx")

    model = model_at(tmp_path / "model.onnx")
    names = [[each.name for each in part] for part in (model.graph.input, model.graph.output)]
    assert names[0] == ["x", "cache"]
    assert names[1][-1] == "cache_out"
    assert json.loads({each.key: each.value for each in model.metadata_props}["milopt.states"]) == {
        "cache": "cache_out"
    }


def test_each_function_and_stage_can_be_exported(milopt: Command, tmp_path: Path) -> None:
    for index, flags in enumerate((["@two_functions", "--function", "decode"], ["@pipeline", "--stage", "1"])):
        assert milopt("export", *flags, "-o", f"@/{index}.onnx").code == DONE
        model_at(tmp_path / f"{index}.onnx")


def test_half_precision_rounds_in_the_graph(milopt: Command, tmp_path: Path) -> None:
    for precision in ("float32", "float16"):
        milopt("export", "@flexible", "-o", f"@/{precision}.onnx", "--precision", precision)
    casts = {
        precision: sum(node.op_type == "Cast" for node in model_at(tmp_path / f"{precision}.onnx").graph.node)
        for precision in ("float32", "float16")
    }

    assert casts["float32"] == 2  # the input is fp16
    assert casts["float16"] > 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["@flexible", "-o", "@/model.txt"], "the output must end in .onnx"),
        (["@flexible", "-o", "@/taken.onnx"], "the output exists already"),
        (["@flexible", "-o", "@/model.onnx", "--function", "nothing"], "there is no function 'nothing'"),
        (["@pipeline", "-o", "@/model.onnx"], "pipeline.mlpackage has several programs; try --stage 0, --stage 1"),
        (
            ["@pipeline", "-o", "@/model.onnx", "--stage", "7"],
            "there is no stage '7' with a program (try --stage 0",
        ),
        (["@/nowhere.mlpackage", "-o", "@/model.onnx"], "nowhere.mlpackage"),
    ],
)
def test_mistakes_are_one_line(milopt: Command, tmp_path: Path, words: list[str], message: str) -> None:
    (tmp_path / "taken.onnx").write_bytes(b"mine")

    milopt("export", *words).require_mistake(message)

    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("taken.onnx", b"mine")]

"""`milopt compare`: two models on the same samples, as a table, as JSON, and as a check."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE
from support.editing import find_op, replace_constant
from support.packages import SHARED_MODELS, Shelf
from support.source_tree import ROOT

Command = Callable[..., Any]
DIGITS = ROOT / "examples" / "digits" / "digits.mlpackage"
TEST = ROOT / "examples" / "digits" / "test.npz"


@pytest.fixture(scope="session")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits model with int8 weights."""
    path = tmp_path_factory.mktemp("smaller") / "w8.mlpackage"
    package.optimize(DIGITS, target="iOS16").model.save(path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Three samples for `linear`."""
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(0).standard_normal((3, 10, 40)).astype(np.float32))
    return tmp_path / "in.npz"


def test_table_has_outputs_and_layers_and_marks_the_worst(milopt: Command, smaller: Path) -> None:
    ran = milopt("compare", DIGITS, smaller, "--data", TEST, "--layers")

    assert (ran.code, ran.err) == (DONE, "note: 'label' is no input of the models, and not used\n")
    assert "w8.mlpackage against digits.mlpackage, 450 samples" in ran.out
    rows = [line for line in ran.out.splitlines() if "dB" in line]
    assert [line for line in rows if "worst" in line] == [line for line in rows if "input_19_cast_fp16" in line]
    (last,) = (line for line in rows if "argmax" in line)
    assert "logits" in last
    assert rows.index(last) == len(rows) - 1
    # The order of the program.
    names = [line.split()[1] for line in rows]
    assert names[:3] == ["image_to_fp16", "input_5_cast_fp16", "input_7_cast_fp16"]


def test_json_says_the_same(milopt: Command, smaller: Path) -> None:
    ran = milopt("compare", DIGITS, smaller, "--data", TEST, "--layers", "--json")

    said = json.loads(ran.out)
    assert "Infinity" not in ran.out
    assert (ran.code, said["a"], said["b"], said["samples"]) == (DONE, "digits.mlpackage", "w8.mlpackage", 450)
    ((logits,), layers) = (said["outputs"], said["layers"])
    assert 40 < logits["sqnr_db"] < 60
    assert logits["agreement"]["total"] == 450
    assert (said["worst"], said["worst_layer"]) == ("logits", "input_19_cast_fp16")
    assert (layers[0]["sqnr_db"], layers[0]["equal"], logits["equal"]) == (None, True, False)


def test_limits_decide_the_exit_code(milopt: Command, smaller: Path) -> None:
    words = ("compare", DIGITS, smaller, "--data", TEST)

    assert milopt(*words, "--min-sqnr", 40, "--min-agreement", 99).code == DONE
    ran = milopt(*words, "--min-sqnr", 60, "--json")

    assert ran.code == CHECK_FAILED
    assert json.loads(ran.out)["samples"] == 450  # is printed all the same
    (error,) = (line for line in ran.err.splitlines() if line.startswith("error: "))
    assert "'logits' is at 50.3 dB" in error
    assert "at least 60.0 dB" in error


def test_agreement_can_be_missed(milopt: Command, tmp_path: Path) -> None:
    model = package.load(DIGITS)
    bias = find_op(model.program, "linear_1_cast_fp16").bias.op
    replace_constant(bias, bias.outputs[0].val + np.eye(10, dtype=np.float16)[3] * np.float16(5))
    model.save(tmp_path / "threes.mlpackage")

    ran = milopt("compare", DIGITS, "@/threes.mlpackage", "--data", TEST, "--min-agreement", 99.5)

    assert ran.code == CHECK_FAILED
    assert "'logits' agrees in " in ran.err
    assert "(at least 99.5% are asked for)" in ran.err


def test_texts_are_compared_with_packages(milopt: Command, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "whole.mil").write_text(milopt("print", "@linear", "--weights", "inline").out, "utf-8")
    (tmp_path / "elided.mil").write_text(milopt("print", "@linear", "--elide").out, "utf-8")
    words = ("--data", samples, "--min-sqnr", "inf")

    assert milopt("compare", "@linear", "@/whole.mil", *words).code == DONE
    assert milopt("compare", "@linear", "@/elided.mil", *words).code == BAD_INPUT
    ran = milopt("compare", "@linear", "@/elided.mil", *words, "--allow-missing-weights")

    assert ran.code == CHECK_FAILED
    assert "zeros" in ran.err


def test_labels_of_images_agree(milopt: Command, tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    for index, size in enumerate([(30, 20), (90, 60)]):
        images.new("RGB", size, (200, 100, index)).save(tmp_path / f"{index}.png")

    ran = milopt("compare", "@image_classifier", "@image_classifier", "--data", tmp_path, "--min-agreement", 100)

    assert ran.code == DONE
    assert "2/2 = 100.00% (label)" in ran.out


def test_folders_of_folders_are_sequences(milopt: Command, tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal((2, 3, 1, 40)).astype(np.float32)
    for index, sequence in enumerate(values):
        (tmp_path / "in" / str(index)).mkdir(parents=True)
        for call, x in enumerate(sequence):
            np.savez(tmp_path / "in" / str(index) / f"{call}.npz", x=x)

    ran = milopt("compare", "@states", "@states", "--data", "@/in", "--json", "--min-sqnr", "inf")

    found = json.loads(ran.out)
    assert (ran.code, found["samples"]) == (DONE, 2)
    assert [(each["name"], each["elements"]) for each in found["outputs"]] == [
        ("twice", 2 * 3 * 64),
        ("state 'cache'", 2 * 64),
    ]


@pytest.mark.skipif(not SHARED_MODELS.exists(), reason="the shared models are absent")
def test_loops_of_a_real_model_are_compared_inside(milopt: Command, tmp_path: Path) -> None:
    model = SHARED_MODELS / "dtln128-part1-fp32.mlpackage"
    inputs = {each.name: each.shape for each in package.Session(model).inputs}
    generator = np.random.default_rng(0)
    np.savez(
        tmp_path / "in.npz",
        **{name: generator.random((2, *shape), np.float32) for name, shape in inputs.items() if shape},
    )

    ran = milopt("compare", model, model, "--data", "@/in.npz", "--layers", "--min-sqnr", "inf", "--json")

    assert ran.code == DONE
    layers = json.loads(ran.out)["layers"]
    assert all(each["equal"] for each in layers)
    assert any("_while_body_" in each["name"] and each["elements"] for each in layers)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "@linear", "@linear"], "Missing option '--data'"),
        (["compare", "-", "-", "--data", "@/in.npz"], "stdin can be only one of the two"),
        (["compare", "@linear", "@/nothing.mlpackage", "--data", "@/in.npz"], "nothing.mlpackage"),
        (["compare", "@linear", "@linear", "--data", "@/nothing.npz"], "no such file"),
        (["compare", "@linear", "@linear_after", "--data", "@/in.npz"], "B (linear_after.mlpackage), sample 0, input"),
        (["compare", "@matmul", "@linear", "--data", "@/in.npz"], "A (matmul.mlpackage), sample 0, input 'x'"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--function", "mian"], "there is no function 'mian'"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--scores", "liner"], "did you mean 'linear'?"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--axis", "1"], "--axis needs --scores"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--threads", "0"], "threads"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--min-sqnr", "nan"], "it is a number"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--min-agreement", "nan"], "it is a number"),
        (["compare", "@linear", "@linear", "--data", "@/in.npz", "--min-agreement", "101"], "min-agreement"),
        (["compare", "@pipeline", "@pipeline", "--data", "@/in.npz", "--layers"], "inside of a pipeline"),
    ],
)
def test_mistakes_are_one_line(milopt: Command, samples: Path, words: list[str], message: str) -> None:
    assert samples.exists()
    milopt(*words).require_mistake(message)


def test_limits_without_anything_to_check_are_bad_input(milopt: Command, samples: Path) -> None:
    ran = milopt("compare", "@linear", "@linear", "--data", samples, "--min-agreement", 50)

    assert ran.code == BAD_INPUT
    assert "no output looks like class scores" in ran.err


def test_chosen_scores_agree_row_by_row(milopt: Command, samples: Path, shelf: Shelf) -> None:
    (output,) = package.Session(shelf["linear"]).outputs

    ran = milopt("compare", "@linear", "@linear", "--data", samples, "--scores", output.name, "--min-agreement", 100)

    assert ran.code == DONE
    assert "30/30 = 100.00% (argmax)" in ran.out

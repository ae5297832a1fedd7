"""`milopt evaluate`: the accuracy of models on labelled samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli.entry import BAD_INPUT, CHECK_FAILED, DONE
from milopt.ir.errors import OptionError, RunError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS15
from milopt.passes.proving.comparing.evaluate import evaluate
from milopt.runtime.session import Session
from support.editing import find_op, replace_constant
from support.packages import Shelf
from support.program_registry import Input, build_program, fp32
from support.programs import PROGRAMS
from support.refusals import refusal
from support.source_tree import ROOT

Command = Callable[..., Any]
DIGITS = ROOT / "examples" / "digits" / "digits.mlpackage"
TEST = ROOT / "examples" / "digits" / "test.npz"


def handed_on(shape: Input, dtype: str = "fp32") -> Any:
    """A program that gives what it takes."""
    return build_program(lambda x: mb.cast(x=mb.mul(x=x, y=np.float32(1)), dtype=dtype, name="y"), IOS15, x=shape)


@pytest.fixture
def threes(tmp_path: Path) -> Path:
    """The digits model that sees threes everywhere."""
    model = package.load(DIGITS)
    bias = find_op(model.program, "linear_1_cast_fp16").bias.op
    replace_constant(bias, np.eye(10, dtype=np.float16)[3] * np.float16(1000))
    model.save(tmp_path / "threes.mlpackage")
    return tmp_path / "threes.mlpackage"


# --- the command


def test_models_are_compared_with_the_first(milopt: Command, threes: Path) -> None:
    ran = milopt("evaluate", DIGITS, threes, "--data", TEST, "--json")

    with np.load(TEST) as held_out:
        session = Session(DIGITS)
        answers = [int(session.run({"image": image})["logits"].argmax()) for image in held_out["image"]]
        right, of_threes = int((answers == held_out["label"]).sum()), int((held_out["label"] == 3).sum())
    first, second = json.loads(ran.out)["models"]
    assert (ran.code, ran.err) == (DONE, "")
    assert (first["right"], first["total"], first["output"], first["points"]) == (right, 450, "logits", 0)
    assert second["right"] == of_threes < right
    assert second["points"] == pytest.approx(100 * (of_threes - right) / 450)


def test_table_has_a_row_for_each_model(milopt: Command, threes: Path) -> None:
    ran = milopt("evaluate", DIGITS, threes, DIGITS, "--data", TEST)

    assert ran.code == DONE
    first, second, third = (line for line in ran.out.splitlines() if "%" in line)
    assert "digits.mlpackage (1)" in first
    assert "digits.mlpackage (3)" in third
    assert "threes.mlpackage" in second
    assert third.rstrip(" │").endswith("+0.00")


def test_limits_decide_the_exit_code(milopt: Command, threes: Path) -> None:
    words = ("evaluate", DIGITS, threes, "--data", TEST)

    assert milopt(*words, "--min-accuracy", 5, "--max-loss", 95).code == DONE
    poor = milopt(*words, "--min-accuracy", 98)
    worse = milopt(*words, "--max-loss", 0.3)

    assert (poor.code, worse.code) == (CHECK_FAILED, CHECK_FAILED)
    assert poor.err.startswith("error: threes.mlpackage: ")
    assert "are right (at least 98% are asked for)" in poor.err
    assert "points against the first (at most 0.3 are allowed)" in worse.err


def test_more_classes_hold_more_answers(milopt: Command) -> None:
    found = [
        json.loads(milopt("evaluate", DIGITS, "--data", TEST, "--top", top, "--json").out)["models"][0]["right"]
        for top in (1, 3)
    ]
    assert found[0] < found[1] <= 450


def test_arrays_that_are_not_used_are_noted(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **dict(np.load(TEST)), names=np.arange(450))

    ran = milopt("evaluate", DIGITS, "--data", "@/in.npz")

    assert (ran.code, ran.err) == (DONE, "note: 'names' is no input of the models, and not used\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", TEST, "--labels", "lable"], "did you mean 'label'?"),
        (["--data", TEST, "--labels", "zz"], "sample 0: it has no label 'zz' (it holds image, label)"),
        (
            ["--data", TEST, "--output", "logit"],
            "digits.mlpackage: there is no output 'logit' (did you mean 'logits'?)",
        ),
        (["--data", TEST, "--top", "0"], "top"),
        (["--data", TEST, "--top", "10"], "top: of 10 classes the top 10 are always right"),
        (["--data", TEST, "--axis", "5"], "there is no axis 5"),
        (["--data", TEST, "--axis", "0"], "holds the scores of no more than one class"),
        (["--data", TEST, "--max-loss", "1"], "--max-loss needs a second model"),
        (["--data", TEST, "--min-accuracy", "nan"], "it is a number"),
        (["--data", "@/nothing.npz"], "no such file"),
        (["--data", TEST, "--function", "mian"], "there is no function 'mian'"),
        ([], "Missing option '--data'"),
    ],
)
def test_mistakes_are_one_line(milopt: Command, words: list[str], message: str) -> None:
    milopt("evaluate", DIGITS, *words).require_mistake(message)


def test_mistakes_about_models_are_one_line(milopt: Command) -> None:
    milopt("evaluate", "-", "-", "--data", TEST).require_mistake("stdin can be only one of the models")
    milopt("evaluate", "--data", TEST).require_mistake("Missing argument")
    milopt("evaluate", "@two_heads", "--data", TEST).require_mistake("it has several outputs (choose one: --output")


def test_folders_of_images_have_no_labels(milopt: Command, tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image").new("RGB", (30, 20)).save(tmp_path / "0.png")

    ran = milopt("evaluate", "@image_classifier", "--data", tmp_path)

    assert ran.code == BAD_INPUT
    assert "sample 0: it has no label 'label'" in ran.err


# --- what counts as right


def test_labels_of_a_classifier_are_right_or_wrong() -> None:
    program = PROGRAMS["classifier_strings"]()
    inputs = np.random.default_rng(2).standard_normal((8, 1, 200)).astype(np.float32)
    session = Session(program)
    (label, probabilities) = (feature.name for feature in session.outputs)
    given = [session.run({"x": x}) for x in inputs]
    wrong = [{"x": x, "label": "kind 0"} for x in inputs]
    second = [{"x": x, "label": sorted(each[probabilities], key=each[probabilities].get)[-2]}
              for x, each in zip(inputs, given, strict=True)]  # fmt: skip

    right = [{"x": x, "label": np.array(each[label])} for x, each in zip(inputs, given, strict=True)]
    assert evaluate(program, right).accuracies[0].right == 8
    expected = sum(each[label] == "kind 0" for each in given)
    assert evaluate(program, wrong).accuracies[0].right == expected
    assert evaluate(program, second).accuracies[0].right == 0
    assert evaluate(program, second, top=2).accuracies[0].right == 8


def test_numbers_as_labels_of_a_classifier() -> None:
    program = PROGRAMS["classifier_integers"]()
    x = np.random.default_rng(2).standard_normal((1, 200)).astype(np.float32)
    label = next(value for value in Session(program).run({"x": x}).values() if isinstance(value, int))

    found = evaluate(program, [{"x": x, "label": label}, {"x": x, "label": np.int64(label - 1)}])

    assert (found.accuracies[0].right, found.accuracies[0].total) == (1, 2)


@pytest.mark.parametrize(
    ("label", "message"), [("kin 3", "did you mean 'kind 3'"), (3, "such as 'kind"), (["a", "b"], "there are 2 labels")]
)
def test_labels_that_a_classifier_does_not_have(label: Any, message: str) -> None:
    sample = {"x": np.zeros((1, 200)), "label": label}
    refusal(lambda: evaluate(PROGRAMS["classifier_strings"](), [sample], top=2), RunError, message)


@pytest.mark.parametrize(
    ("shape", "axis", "labels", "right"),
    [
        ((1, 3, 1, 1), None, 1, 1),
        ((2, 3), None, [1, 0], 2),
        ((3, 2), 0, [2, 1], 1),
        ((1, 3, 2, 1), 1, [[2], [0]], 2),
    ],
)
def test_scores_may_lie_along_any_axis(shape: tuple[int, ...], axis: int | None, labels: Any, right: int) -> None:
    values = np.array([0, 9, 1, 5, 4, 2], np.float32)[: int(np.prod(shape))].reshape(shape)

    found = evaluate(handed_on(fp32(*shape)), [{"x": values, "label": labels}], axis=axis).accuracies[0]

    assert (found.right, found.total) == (right, np.size(labels))


def test_scores_without_a_winner_are_wrong() -> None:
    program = build_program(lambda x: mb.sqrt(x=x, name="y"), IOS15, x=fp32(1, 3))

    found = evaluate(program, [{"x": [[9, 1, -1]], "label": 0}, {"x": [[9, 1, 1]], "label": 0.0}])

    assert (found.accuracies[0].right, found.accuracies[0].total) == (1, 2)


def test_whole_numbers_are_classes() -> None:
    program = handed_on(fp32(3), "int32")
    sample = {"x": [1, 2, 3], "label": [1, 0, 3]}

    assert evaluate(program, [sample]).accuracies[0].right == 2
    refusal(lambda: evaluate(program, [sample], top=2), OptionError, "'y' gives a class, and no scores")
    refusal(lambda: evaluate(program, [sample | {"label": 1}]), RunError, "there are 3 answers for 1 labels")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (3, "the label 3 is none of 3 classes"),
        (-1, "the label -1 is none of 3 classes"),
        (0.5, "the label 0.5 is no number of a class"),
        ("cat", "the label 'cat' is no number of a class"),
        ([0, 1], "are 1 answers for 2 labels"),
    ],
)
def test_labels_that_are_no_classes(label: Any, message: str) -> None:
    program = handed_on(fp32(1, 3))
    refusal(lambda: evaluate(program, [{"x": [[1, 2, 3]], "label": label}]), RunError, message)


def test_of_sequences_the_calls_with_a_label_count() -> None:
    program = PROGRAMS["states"]()
    steps = [{"x": x} for x in np.random.default_rng(1).standard_normal((3, 1, 40)).astype(np.float32)]
    session = Session(program)
    state = session.make_state()
    last = [session.run(step, state)["twice"].argmax() for step in steps][-1]

    found = evaluate(program, [[*steps[:2], steps[2] | {"label": last}]]).accuracies[0]

    assert (found.right, found.total) == (1, 1)
    assert last != session.run(steps[2], session.make_state())["twice"].argmax()
    refusal(lambda: evaluate(program, [steps]), RunError, "sample 0: it has no label 'label'")


def test_no_samples_and_no_models_are_refused(shelf: Shelf) -> None:
    refusal(lambda: evaluate(shelf["linear"], []), RunError, "there are no samples")
    refusal(lambda: evaluate([], []), OptionError, "there are no models")
    refusal(lambda: evaluate(handed_on(fp32(1, 3)), []).require(max_loss=1), RunError, "there are no samples")


def test_a_loss_needs_a_second_model() -> None:
    found = evaluate(handed_on(fp32(1, 3)), [{"x": [[1, 2, 3]], "label": 2}])
    refusal(lambda: found.require(max_loss=1), OptionError, "a loss is that of a second model")

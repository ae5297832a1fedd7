"""`milopt run`: samples in, outputs and a summary out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import milopt as package
import numpy as np
import pytest
from milopt.cli.entry import DONE
from milopt.runtime.session import Session
from support.packages import Shelf

Command = Callable[..., Any]
X = np.random.default_rng(0).standard_normal((3, 2, 40)).astype(np.float32)
STEPS = np.random.default_rng(1).standard_normal((3, 1, 40)).astype(np.float32)


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Three samples for `flexible`."""
    np.savez(tmp_path / "in.npz", x=X)
    return tmp_path / "in.npz"


def test_outputs_are_stacked_and_summed_up(milopt: Command, samples: Path, tmp_path: Path, shelf: Shelf) -> None:
    ran = milopt("run", "@flexible", "--data", samples, "-o", "@/out.npz", "--json")

    assert (ran.code, ran.err) == (DONE, "")
    session = Session(package.load(shelf["flexible"]))
    (name,) = (each.name for each in session.outputs)
    expected = np.stack([session.run({"x": x})[name] for x in X])
    with np.load(tmp_path / "out.npz", allow_pickle=False) as written:
        assert written.files == [name]
        np.testing.assert_array_equal(written[name], expected)
    (row,) = json.loads(ran.out)["outputs"]
    assert (row["name"], row["shapes"], row["not_finite"]) == (name, [[2, 64]], 0)
    assert row["max"] == pytest.approx(float(expected.max()))


def test_summary_is_a_table_without_an_output(milopt: Command, samples: Path) -> None:
    ran = milopt("run", "@flexible", "--data", samples)

    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.startswith("3 samples")
    assert "2x64" in ran.out


def test_arrays_that_are_no_inputs_are_noted_once(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=X, label=np.arange(3))

    ran = milopt("run", "@flexible", "--data", "@/in.npz")

    assert (ran.code, ran.err) == (DONE, "note: 'label' is no input of the model, and not used\n")


def test_outputs_of_different_shapes_go_into_a_folder(milopt: Command, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for rows in (1, 2):
        np.savez(tmp_path / "in" / f"{rows}.npz", x=X[0, :rows])

    milopt("run", "@flexible", "--data", "@/in", "-o", "@/out.npz").require_mistake("differs between samples")
    assert not (tmp_path / "out.npz").exists()
    ran = milopt("run", "@flexible", "--data", "@/in", "-o", "@/out")

    assert ran.code == DONE
    assert [next(iter(np.load(tmp_path / "out" / f"0000{i}.npz").values())).shape for i in (0, 1)] == [(1, 64), (2, 64)]


def test_states_start_with_zeros_or_are_carried_on(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=STEPS)
    found = {}
    for flags in ((), ("--carry-state",)):
        name = f"out{len(flags)}.npz"
        assert milopt("run", "@states", "--data", "@/in.npz", "-o", f"@/{name}", *flags).code == DONE
        with np.load(tmp_path / name) as written:
            (found[len(flags)],) = (written[key] for key in written.files)

    # The program adds to its state and gives twice the sum.
    np.testing.assert_allclose(found[1], np.cumsum(found[0], axis=0), rtol=0.01, atol=0.02)
    assert not np.allclose(found[0][1], found[1][1], atol=0.05)


def test_folders_in_a_folder_are_sequences_of_calls(milopt: Command, tmp_path: Path) -> None:
    one = np.full((1, 40), 0.5, np.float16)
    for sequence in ("a", "b"):
        (tmp_path / "in" / sequence).mkdir(parents=True)
        for call in range(2):
            np.savez(tmp_path / "in" / sequence / f"{call}.npz", x=one)
    assert milopt("run", "@states", "--data", "@/in", "-o", "@/out.npz").code == DONE
    (outputs,) = np.load(tmp_path / "out.npz").values()
    first, second, third, fourth = (float(each.flat[0]) for each in outputs)
    assert (third, fourth) == (first, second) != (first, first)  # the state goes on inside of each sequence


def test_labels_and_probabilities_are_arrays(milopt: Command, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.random.default_rng(2).standard_normal((4, 1, 200)).astype(np.float32))

    assert milopt("run", "@classifier_strings", "--data", "@/in.npz", "-o", "@/out.npz").code == DONE

    with np.load(tmp_path / "out.npz", allow_pickle=False) as written:
        arrays = dict(written)
    (labels,) = (name for name in arrays if name.endswith(".labels"))
    probabilities = arrays[labels.removesuffix(".labels")]
    (label,) = (value for name, value in arrays.items() if value.ndim == 1 and name != labels)
    assert probabilities.shape == (4, 12)
    assert list(label) == [arrays[labels][index] for index in probabilities.argmax(axis=1)]


def test_images_of_a_folder_are_run(milopt: Command, tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    for index, size in enumerate([(30, 20), (90, 60)]):
        images.new("RGB", size, (200, 100, index)).save(tmp_path / f"{index}.png")

    ran = milopt("run", "@image_output", "--data", tmp_path, "--json")

    assert ran.code == DONE
    assert json.loads(ran.out)["samples"] == 2


def test_ops_are_listed(milopt: Command) -> None:
    ran = milopt("run", "--list-ops")

    assert (ran.code, ran.err) == (DONE, "")
    assert {"conv", "while_loop", "constexpr_lut_to_dense"} <= set(ran.out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "give a MODEL and --data"),
        (["run", "@flexible"], "give --data: the model takes x: float16[1..2, 40]"),
        (["run", "@flexible", "--data", "@/nothing.npz"], "no such file"),
        (["run", "@flexible", "--data", "@/in.npz", "-o", "@/in.npz"], "the output exists already"),
        (["run", "@flexible", "--data", "@/in.npz", "-o", "@/out.txt"], "the output must end in .npz"),
        (["run", "@flexible", "--data", "@/in.npz", "--function", "mian"], "there is no function 'mian'"),
        (["run", "@flexible", "--data", "@/in.npz", "--threads", "0"], "threads"),
        (["run", "@conv", "--data", "@/in.npz"], "in.npz, sample 0, input 'x'"),
    ],
)
def test_mistakes_are_one_line(milopt: Command, samples: Path, words: list[str], message: str) -> None:
    before = samples.read_bytes()

    milopt(*words).require_mistake(message)

    assert samples.read_bytes() == before


def test_nothing_is_written_when_a_sample_fails(milopt: Command, tmp_path: Path, samples: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(samples, tmp_path / "in" / "b.npz")  # has one axis too many for a sample
    np.savez(tmp_path / "in" / "a.npz", x=X[0])

    milopt("run", "@flexible", "--data", "@/in", "-o", "@/out").require_mistake("sample 1")

    assert not (tmp_path / "out").exists()

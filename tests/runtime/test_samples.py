from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from milopt.ir.errors import RunError
from milopt.runtime.samples import holds_sequences, read_samples, read_sequences

X, Y = np.arange(24, dtype=np.float32).reshape(4, 2, 3), np.arange(4, dtype=np.int32)


def test_first_axis_of_an_archive_counts_the_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=X, y=Y)

    samples = read_samples(tmp_path / "in.npz")

    assert len(samples) == 4
    for _ in range(2):  # they can be walked again
        found = list(samples)
        np.testing.assert_array_equal([each["x"] for each in found], X)
        assert [each["y"] for each in found] == [0, 1, 2, 3]


def test_each_archive_of_a_folder_is_a_sample_in_order_of_names(tmp_path: Path) -> None:
    for index in (1, 0, 2):
        np.savez(tmp_path / f"sample-{index}.npz", x=X[index, :, : index + 1])

    samples = read_samples(tmp_path)

    assert len(samples) == 3
    assert [each["x"].shape for each in samples] == [(2, 1), (2, 2), (2, 3)]


def test_images_of_a_folder_are_scaled_to_the_input(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    for index, size in enumerate([(20, 10), (8, 6)]):
        images.new("RGB", size, (index, 2, 3)).save(tmp_path / f"{index}.png")

    samples = read_samples(tmp_path, image=("picture", (8, 6)))

    assert len(samples) == 2
    assert [each["picture"].size for each in samples] == [(8, 6), (8, 6)]
    assert [each["picture"].getpixel((0, 0)) for each in samples] == [(0, 2, 3), (1, 2, 3)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "it holds no arrays"),
        ({"x": X, "y": Y[:3]}, "'y' has 3 samples, 'x' has 4 (the first axis of every array counts the samples)"),
        ({"x": X, "y": np.float32(1)}, "'y' is a single number, and has no axis (the first axis of every array counts"),
        ({"x": np.float32(1)}, "'x' is a single number, and has no axis"),
        ({"x": np.array([{}])}, "it is not an .npz that can be read: Object arrays cannot be loaded"),
    ],
)
def test_archives_that_are_no_samples_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "in.npz", **arrays)

    with pytest.raises(RunError, match=re.escape(message)):
        read_samples(tmp_path / "in.npz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing of the kind", "in.npz: it is not an .npz archive (numpy.savez writes one)"),
        (b"", "in.npz: it is not an .npz archive (numpy.savez writes one)"),
        (b"PK\x03\x04 and no more", "in.npz: it is not an .npz that can be read: File is not a zip file"),
        (b"PK\x05\x06", "in.npz: it is not an .npz that can be read: File is not a zip file"),
    ],
)
def test_damaged_archives_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "in.npz").write_bytes(content)

    with pytest.raises(RunError) as raised:
        read_samples(tmp_path / "in.npz")
    assert str(raised.value).endswith(message)
    assert "pickle" not in str(raised.value)


def test_a_plain_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", X)

    with pytest.raises(RunError, match=r"it is not an \.npz archive"):
        read_samples(tmp_path / "in.npy")


def test_missing_and_empty_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file or folder"):
        read_samples(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no such file"):
        read_samples(tmp_path / "nowhere.npz")
    with pytest.raises(RunError, match=r"neither \.npz files nor images"):
        read_samples(tmp_path)


def test_images_need_exactly_one_image_input(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")

    with pytest.raises(RunError, match="the model has not exactly one image input"):
        read_samples(tmp_path)


def test_damaged_images_are_named(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image")
    (tmp_path / "a.png").write_bytes(b"no image")

    with pytest.raises(RunError, match=r"a\.png: not an image that can be read"):
        list(read_samples(tmp_path, image=("picture", None)))


def test_each_folder_of_a_folder_is_a_sequence_of_calls(tmp_path: Path) -> None:
    for folder, length in (("b", 1), ("a", 3)):
        (tmp_path / folder).mkdir()
        for call in range(length):
            np.savez(tmp_path / folder / f"{call}.npz", x=X[call])

    sequences = read_sequences(tmp_path)

    assert holds_sequences(tmp_path)
    assert len(sequences) == 2
    for _ in range(2):
        first, second = sequences
        np.testing.assert_array_equal([each["x"] for each in first], X[:3])
        np.testing.assert_array_equal([each["x"] for each in second], X[:1])


def test_folders_that_are_no_sequences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"it is no folder of folders of \.npz files"):
        read_sequences(tmp_path)

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    np.savez(tmp_path / "a" / "0.npz", x=X[0])

    with pytest.raises(RunError, match=r"b: the folder has no \.npz files \(each folder is a sequence of calls\)"):
        read_sequences(tmp_path)
    with pytest.raises(RunError, match=r"folders of \.npz files are sequences of calls, for models with states"):
        read_samples(tmp_path)
    np.savez(tmp_path / "0.npz", x=X[0])
    assert not holds_sequences(tmp_path)

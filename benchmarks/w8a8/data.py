"""The samples of each case: what ranges are measured on, and what outputs are compared on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import milopt
import numpy as np

from .signals import loudness, pictures, sounds

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
_PICTURE = (1, 3, 224, 224)
_MUSIC_RATE, _MUSIC_LENGTH = 22_050, 43_844  # of basic-pitch
_VOICE_RATE, _FRAME, _CONTEXT, _FRAMES_A_CLIP = 16_000, 512, 64, 8  # of silero

Sample = dict[str, np.ndarray]


@attrs.frozen(eq=False)
class Data:
    """The samples of a case.

    Attributes:
        calibration: what ranges are measured on, in the order in which they were drawn.
        held_out: what outputs are compared on.
        labels: of the held-out samples, for the accuracy of classifiers; None without.
    """

    calibration: Sequence[Sample]
    held_out: Sequence[Sample]
    labels: np.ndarray | None = None


# The data of a model, given its package: some take along what the model itself gave before.
Source = Callable[[Path], Data]

# coremltools' ranges depend on which sample comes last; milopt's on no order.
ORDERS: dict[str, Callable[[Sequence[Sample]], list[Sample]]] = {
    "as drawn": list,
    "quietest last": lambda samples: sorted(samples, key=_power, reverse=True),
    "loudest last": lambda samples: sorted(samples, key=_power),
}


def _power(sample: Sample) -> float:
    return loudness(next(iter(sample.values())))


def digits(_: Path) -> Data:
    """The files of the example: 256 samples to calibrate with, and 450 with their labels."""
    with np.load(DIGITS / "calibration.npz") as calibration, np.load(DIGITS / "test.npz") as test:
        return Data(_rows(calibration["image"]), _rows(test["image"]), test["label"])


def _rows(images: np.ndarray) -> list[Sample]:
    return [{"image": image} for image in images]


def of_pictures(calibration: int, held_out: int) -> Source:
    """Made pictures for image classifiers; see `signals.pictures`."""

    def data(_: Path) -> Data:
        drawn = _rows(np.stack(pictures(np.random.default_rng(0), calibration + held_out, _PICTURE)))
        return Data(drawn[:calibration], drawn[calibration:])

    return data


def of_music(calibration: int, held_out: int) -> Source:
    """Made clips of two seconds, for basic-pitch."""

    def data(_: Path) -> Data:
        clips = sounds(np.random.default_rng(0), calibration + held_out, _MUSIC_LENGTH, _MUSIC_RATE)
        drawn = [{"input_2": clip.reshape(1, -1, 1)} for clip in clips]
        return Data(drawn[:calibration], drawn[calibration:])

    return data


def of_voice(calibration: int, held_out: int) -> Source:
    """Made clips cut into frames, for silero, with the states that the float model had at each."""

    def data(package: Path) -> Data:
        session, random = milopt.Session(package), np.random.default_rng(0)
        return Data(_frames(session, random, calibration), _frames(session, random, held_out))

    return data


def _frames(session: milopt.Session, random: np.random.Generator, count: int) -> list[Sample]:
    length = _FRAME * _FRAMES_A_CLIP + _CONTEXT
    clips = sounds(random, count // _FRAMES_A_CLIP, length, _VOICE_RATE)
    return [sample for clip in clips for sample in _frames_of(session, clip)]


def _frames_of(session: milopt.Session, clip: np.ndarray) -> list[Sample]:
    """The frames of a clip, each with the samples before it that the model takes along."""
    states = {name: np.zeros((1, 128), np.float32) for name in ("hidden_state", "cell_state")}
    found: list[Sample] = []
    for start in range(0, _FRAME * _FRAMES_A_CLIP, _FRAME):
        found.append({"audio_input": clip[None, start : start + _FRAME + _CONTEXT], **states})
        outputs = session.run(found[-1])
        states = {name: outputs[f"new_{name}"] for name in states}
    return found

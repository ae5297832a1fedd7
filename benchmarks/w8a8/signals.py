"""Inputs that models like these get, made from fixed seeds: sounds of any loudness, and pictures of any brightness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# Peak levels in dB below full scale: from a voice across the room to a shout into the microphone.
QUIETEST_DB, LOUDEST_DB = -30.0, -1.0
# Exposures of pictures, as factors of their pixels.
DARKEST, BRIGHTEST = 0.05, 1.0
_LOWEST_HZ, _HIGHEST_HZ = 80.0, 3000.0
# The noise of a quiet room and a microphone, as a share of full scale: 54 dB below it.
_BACKGROUND = 0.002


def sounds(random: np.random.Generator, count: int, length: int, rate: int) -> list[np.ndarray]:
    """Harmonic tones, chirps and bursts of noise in turns, each at a loudness of its own, in [-1, 1].

    Args:
        random: where everything is drawn from.
        count: how many.
        length: samples of each.
        rate: samples a second.
    """
    seconds = np.arange(length) / rate
    kinds = (_tone, _chirp, _burst)
    return [_at_level(random, kinds[index % len(kinds)](random, seconds)) for index in range(count)]


def _tone(random: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """A fundamental and its harmonics, as strings and voices have them, dying away."""
    pitch = random.uniform(_LOWEST_HZ, _HIGHEST_HZ / 4)
    waves = (np.sin(2 * np.pi * pitch * order * seconds) / order for order in range(1, 6))
    return np.asarray(sum(waves) * np.exp(-seconds * random.uniform(0, 2)))


def _chirp(random: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """A tone that glides from one pitch to another."""
    start, end = random.uniform(_LOWEST_HZ, _HIGHEST_HZ, 2)
    slope = (end - start) / (seconds[-1] or 1.0)
    return np.asarray(np.sin(2 * np.pi * (start + slope * seconds / 2) * seconds))


def _burst(random: np.random.Generator, seconds: np.ndarray) -> np.ndarray:
    """Noise that swells and fades somewhere."""
    middle, width = random.uniform(0, seconds[-1]), seconds[-1] * random.uniform(0.05, 0.3)
    return np.asarray(random.standard_normal(len(seconds)) * np.exp(-(((seconds - middle) / width) ** 2)))


def _at_level(random: np.random.Generator, wave: np.ndarray) -> np.ndarray:
    level = 10 ** (random.uniform(QUIETEST_DB, LOUDEST_DB) / 20)
    background = random.standard_normal(len(wave)) * _BACKGROUND
    heard = wave * (level / np.abs(wave).max()) + background
    return np.asarray(heard.clip(-1, 1), np.float32)


def pictures(random: np.random.Generator, count: int, shape: tuple[int, int, int, int]) -> list[np.ndarray]:
    """Smooth shapes with some grain, normalized as image classifiers take them, each at an exposure of its own.

    Args:
        random: where everything is drawn from.
        count: how many.
        shape: 1, channels, height and width.
    """
    exposures = np.exp(random.uniform(np.log(DARKEST), np.log(BRIGHTEST), count))
    return [_picture(random, shape, exposure) for exposure in exposures]


def _picture(random: np.random.Generator, shape: tuple[int, int, int, int], exposure: float) -> np.ndarray:
    """Pixels in [0, 1] times the exposure, with the mean taken off and the deviation made one, as ImageNet's are."""
    _, channels, height, width = shape
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
    pixels = np.zeros((channels, height, width))
    for _ in range(8):
        across, down, phase = random.uniform(-6, 6, 3)
        colour = random.uniform(-1, 1, (channels, 1, 1))
        pixels += colour * np.sin(2 * np.pi * (across * columns + down * rows) + phase)
    pixels = pixels / 3 + random.standard_normal(pixels.shape) * 0.05 + 0.5
    return ((np.clip(pixels, 0, 1) * exposure - 0.45) / 0.225).astype(np.float32)[None]


Loudness = Callable[[np.ndarray], float]


def loudness(values: np.ndarray) -> float:
    """The mean power, by which samples are told loud or quiet."""
    return float(np.mean(np.square(values, dtype=np.float64)))

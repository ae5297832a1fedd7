"""The parser and texts that are damaged, or hostile: nothing but programs and one-line errors, in linear time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.reading import parse_program
from support.hostile_texts import EVERYTHING, FAULTY, HOSTILE, NESTED, damaged, seeds, truncations
from support.text_oracle import BYTES_PER_CHARACTER, check_parsing, check_reading

TARGET = Path(__file__).parent.parent / "fuzz" / "fuzz_mil_text.py"
SECONDS = 2.0
BYTES_AT_LEAST = 2_000_000
LARGE = ("many floats", "many halves", "many bytes", "many bits", "many truth values")


@contextmanager
def in_time(text: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < SECONDS, text[:2000]


def peak_of_parsing(text: str) -> int:
    """Bytes that Python and numpy take at most, beside the text."""
    tracemalloc.start()
    with suppress(TextError):
        parse_proto(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def check_refused_or_done(work: Callable[[str], Any], text: str) -> None:
    with in_time(text), suppress(TextError):
        work(text)


def test_everything_parses() -> None:
    assert check_parsing(EVERYTHING) is not None


def test_a_text_that_is_cut_off_is_refused() -> None:
    for text in truncations(EVERYTHING.rstrip()):
        assert check_parsing(text) is None, text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_need_time_and_memory_in_proportion(name: str) -> None:
    """Memory is what Python and numpy take; `check_parsing` looks at the size of the protobuf."""
    check_parsing(HOSTILE[name](2_000))
    text = HOSTILE[name](50_000)
    check_refused_or_done(parse_proto, text)
    assert peak_of_parsing(text) < BYTES_PER_CHARACTER * len(text) + BYTES_AT_LEAST


@pytest.mark.parametrize("name", LARGE)
def test_large_tensors_need_little_memory_beside_their_text(name: str) -> None:
    text = HOSTILE[name](1_000_000)
    assert peak_of_parsing(text) < 4 * len(text) + BYTES_AT_LEAST


@pytest.mark.parametrize("name", NESTED)
def test_whatever_nests_is_refused_or_can_be_stored(name: str) -> None:
    for depth in (*range(1, 70), 2_000):
        check_parsing(NESTED[name](depth))


@pytest.mark.parametrize("name", FAULTY)
def test_programs_of_many_faults_are_refused_in_time(name: str) -> None:
    check_refused_or_done(parse_program, FAULTY[name](8_000))


@pytest.mark.parametrize("seed", range(10))
def test_damaged_texts_are_refused_or_read(seed: int) -> None:
    rng, texts = Random(seed), seeds()  # noqa: S311 - not for secrets
    for _ in range(100):
        text = damaged(rng, texts)
        with in_time(text):
            check_reading(text)


def test_atheris_finds_nothing_in_ten_seconds(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    command = [sys.executable, str(TARGET), "-max_total_time=10", "-rss_limit_mb=4096", "-timeout=10"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603
    assert found.returncode == 0, found.stderr[-3000:]

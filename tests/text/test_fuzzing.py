"""The parser and texts that are damaged, or hostile: nothing but programs and one-line errors, in linear time."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from random import Random

import pytest
from milopt.ir.diagnostics import TextError
from milopt.ir.text.parser import parse_proto
from support.hostile_texts import EVERYTHING, HOSTILE, attribute, body, damaged, seeds, truncations
from support.text_oracle import check_parsing, check_reading

TARGET = Path(__file__).parent.parent / "fuzz" / "fuzz_mil_text.py"
HOSTILE_SIZE = 100_000
SECONDS = 2.0
BYTES_PER_CHARACTER, BYTES_AT_LEAST = 60, 2_000_000
DEPTHS = (*range(1, 70), 5_000)


def peak_of_parsing(text: str) -> int:
    """Bytes that Python and numpy take at most while a text is parsed."""
    tracemalloc.start()
    try:
        check_refused_or_parsed(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_refused_or_parsed(text: str) -> None:
    try:
        parse_proto(text)
    except TextError as error:
        assert str(error)


def test_everything_parses() -> None:
    assert check_parsing(EVERYTHING) is not None


@pytest.mark.parametrize("text", truncations(EVERYTHING.rstrip()))
def test_a_text_that_is_cut_off_is_refused(text: str) -> None:
    assert check_parsing(text) is None


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_or_parsed_in_linear_time(name: str) -> None:
    text = HOSTILE[name](HOSTILE_SIZE)
    start = time.perf_counter()
    check_refused_or_parsed(text)
    assert time.perf_counter() - start < SECONDS
    check_parsing(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_need_memory_in_proportion(name: str) -> None:
    text = HOSTILE[name](HOSTILE_SIZE)
    assert peak_of_parsing(text) < BYTES_PER_CHARACTER * len(text) + BYTES_AT_LEAST


def nested(depth: int, opening: str, innermost: str, closing: str) -> str:
    return opening * depth + innermost + closing * depth


@pytest.mark.parametrize("depth", DEPTHS)
def test_whatever_nests_is_refused_or_can_be_stored(depth: int) -> None:
    types_and_values = [
        (nested(depth, "list<", "int32", ", 1>"), nested(depth, "[", "1", "]")),
        (nested(depth, "tuple<", "int32", ">"), nested(depth, "(", "1", ")")),
        (nested(depth, "dict<string, ", "int32", ">"), nested(depth, '{{"a", ', "1", "}}")),
        (f"tensor<int32, [{', '.join(['1'] * depth)}]>", nested(depth, "[", "1", "]")),
    ]
    for kind, value in types_and_values:
        check_parsing(attribute(f"{kind}({value})"))
    check_parsing(body(nested(depth, "c() { ", "", "} -> ();")))
    check_parsing(body(f"{nested(depth, 'state<', 'int32', '>')} x = c();"))


@pytest.mark.parametrize("seed", range(12))
def test_damaged_texts_are_refused_or_parsed(seed: int) -> None:
    rng, texts = Random(seed), seeds()
    for _ in range(100):
        text = damaged(rng, texts)
        start = time.perf_counter()
        check_reading(text)
        assert time.perf_counter() - start < SECONDS, text


def test_atheris_finds_nothing_in_ten_seconds() -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed")
    command = [sys.executable, str(TARGET), "-max_total_time=10", "-rss_limit_mb=4096", "-timeout=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert found.returncode == 0, found.stderr[-3000:]

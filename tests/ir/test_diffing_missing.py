"""Differences of weights that are missing on a side: their digests are compared, and zeros never."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.diffing.comparing import diff_models, diff_programs
from milopt.ir.diffing.fingerprints import _samples
from milopt.ir.diffing.options import DiffOptions
from milopt.ir.text.reading import parse_program
from milopt.runtime.decoding import constant_of
from support.diffing import told
from support.editing import find_op, replace_constant
from support.packages import Shelf
from support.programs import PROGRAMS

OPTIONS = DiffOptions(decode=constant_of)
NAMES = ["linear_chain", "conv", "lstm", "lut_of_int8", "sparse_int4", "two_functions"]


def elided(program: Any, *, changed: bool = False) -> Any:
    """A program whose weights are digests; if `changed`, the first of them is another one."""
    text = milopt.print_program(program, weights="elided")
    if changed:
        text = re.sub(r"(sha256:\w{15})(\w)", lambda m: m[1] + ("0" if m[2] != "0" else "1"), text, count=1)
    return parse_program(text, missing_weights="zeros")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [OPTIONS, DiffOptions(names=False)], ids=["names", "structure"])
def test_equal_digests_are_equal_weights(name: str, options: DiffOptions) -> None:
    program = PROGRAMS[name]()
    short = elided(program)
    for pair in ((program, short), (short, program), (short, elided(program))):
        diff = diff_programs(*pair, options)
        assert (bool(diff), diff.not_compared) == (False, 0)


@pytest.mark.parametrize("name", NAMES)
def test_other_digests_differ_and_no_distance_is_told(name: str) -> None:
    program = PROGRAMS[name]()
    for old, new, words in (
        (program, elided(program, changed=True), "one side has only its digest"),
        (elided(program, changed=True), program, "one side has only its digest"),
        (elided(program), elided(program, changed=True), "both sides have only digests"),
    ):
        diff = diff_programs(old, new, OPTIONS)
        (found,) = diff.functions[0].weights
        assert (found.kind, found.remark, found.distance) == ("value", f"differs ({words})", None)
        assert found.as_json()["remark"] == found.remark
        assert diff.counts().total() == 1
        (line,) = told(diff)
        assert line.endswith(f"; differs ({words})")
        assert "elements" not in line


def test_changed_weight_differs_from_its_old_digest() -> None:
    program = PROGRAMS["linear"]()
    value = find_op(program, "linear").weight.val.copy()
    value[0, 0] += np.float16(1)
    replace_constant(find_op(program, "linear_weight_0"), value)
    assert told(diff_programs(elided(PROGRAMS["linear"]()), program, OPTIONS)) == [
        "~ weight 'linear_weight_0' of linear.weight: tensor<fp16, [64, 40]>; differs (one side has only its digest)"
    ]


def referring(shelf: Shelf, name: str, folder: Path) -> Any:
    """A model as a text that refers to a file which is not there."""
    text = milopt.print_program(milopt.load(shelf[name]).program, weights="inline")
    assert "BLOBFILE" not in text
    path = folder / f"{name}.mil"
    place = '(BLOBFILE(path = string("@model_path/none.bin"), offset = uint64({})))'
    counted = iter(range(64, 1 << 20, 64))
    tensors = re.compile(r"(tensor<fp16, \[\d+, \d+\]>)\(\[\[[^;]*?\]\]\)")
    path.write_text(tensors.sub(lambda match: match[1] + place.format(next(counted)), text), "utf-8")
    return milopt.load(path, missing_weights="zeros")


def test_weights_of_missing_files_are_counted_and_not_compared(shelf: Shelf, tmp_path: Path) -> None:
    package, text = milopt.load(shelf["linear_chain"]), referring(shelf, "linear_chain", tmp_path)
    for pair in ((package, text), (text, package), (text, text)):
        diff = diff_models(*pair, OPTIONS)
        assert not diff
        assert diff.notes[-1] == "2 weights are missing and were not compared"
    assert diff_models(package, text, DiffOptions(weights=False)).notes[1:] == ()
    one = referring(shelf, "linear", tmp_path)
    assert diff_models(one, one, OPTIONS).notes == ("1 weight is missing and was not compared",)


SMALL = """program(1.3)
{
    func main<ios17>(tensor<fp16, [2]> x) {
            tensor<fp16, [2]> c = const()[name = string("c"), val = tensor<fp16, [2]>(%s)];
            tensor<fp16, [2]> y = add(x = x, y = c)[name = string("y")];
        } -> (y);
}
"""


def test_small_constant_is_told_as_its_digest() -> None:
    short = 'ELIDED(digest = string("sha256:0123456789abcdef"))'
    old, new = (parse_program(SMALL % value, missing_weights="zeros") for value in (short, "[0, 0]"))
    assert told(diff_programs(old, new)) == ["~ add 'y': y: sha256:0123456789abcdef -> [0.0, 0.0]"]
    assert not diff_programs(old, old)


def test_stand_in_takes_no_memory_in_a_fingerprint() -> None:
    (sample,) = _samples(np.broadcast_to(np.zeros((), np.float16), (1 << 20, 1 << 20)))
    assert sample == b"\0\0"

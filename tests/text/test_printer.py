from __future__ import annotations

import re
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.dtypes import dtype_named
from milopt.ir.errors import OptionError
from milopt.ir.text.formatting import format_float, format_string
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.weight_placing import digest
from support.packages import SHARED_MODELS, Shelf
from support.programs import PROGRAMS

SHARED_TEXT = SHARED_MODELS.parent / "mil"
# Packages of which Apple's compiler wrote the text as well.
TWINS = [
    ("silero6-unified-int8.mlpackage", "mobius__unified_int8.mlmodelc/model.mil"),
    ("silero6-unified-palette-4bit.mlpackage", "mobius__unified_palette_4bit.mil"),
    ("silero6-unified-pruned-int8.mlpackage", "mobius__unified_pruned_int8.mil"),
]


@pytest.mark.parametrize(("package", "text"), TWINS)
def test_prints_what_apple_prints(package: str, text: str) -> None:
    if not (SHARED_MODELS / package).exists():
        pytest.skip("the shared models are absent")
    ours = print_proto(milopt.load(SHARED_MODELS / package).specification.mlProgram, dialect="1.0").splitlines()
    apples = (SHARED_TEXT / text).read_text("utf-8").splitlines()
    assert len(ours) == len(apples)
    different = [(our, apple) for our, apple in zip(ours, apples, strict=True) if our != apple]
    # Apple adds its own versions to buildInfo and sorts the function's inputs; every other line is the same.
    assert [re.split(r"[ (=]", apple.strip())[0] for _, apple in different] in (["[buildInfo", "func"], ["[buildInfo"])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "0x1p+0"),
        (-0.5, "-0x1p-1"),
        (0.0, "0x0p+0"),
        (-0.0, "-0x0p+0"),
        (float(np.float16(0.1)), "0x1.998p-4"),
        (2.0**-24, "0x1p-24"),
        (2.0**-149, "0x1p-149"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
    ],
)
def test_floats(value: float, text: str) -> None:
    assert format_float(value) == text
    assert text in ("inf", "-inf", "nan") or float.fromhex(text) == value


def test_strings_are_escaped() -> None:
    assert format_string('a "b"\\\n') == r'"a \"b\"\\\n"'


def test_dialects_differ_in_scalars_only(shelf: Shelf) -> None:
    program = milopt.load(shelf["linear"]).program
    new, old = print_program(program), print_program(program, dialect="1.0")
    assert "program(1.3)" in new
    assert 'name = string("linear")' in new
    assert "program(1.0)" in old
    assert 'name = tensor<string, []>("linear")' in old


@pytest.mark.parametrize("name", sorted(PROGRAMS))
@pytest.mark.parametrize("dialect", ["1.0", "1.3"])
def test_every_program_prints_the_same_twice(name: str, dialect: Any) -> None:
    text = print_program(PROGRAMS[name](), dialect=dialect)
    assert text == print_program(PROGRAMS[name](), dialect=dialect)
    assert text.count("{") == text.count("}")
    assert text.count("(") == text.count(")")


def test_a_digest_tells_weights_apart() -> None:
    fp16, int4 = dtype_named("fp16"), dtype_named("int4")
    one = np.arange(20, dtype=np.float16)
    assert digest(one, fp16) == digest(one.copy(), fp16)
    assert digest(one, fp16) != digest(one[::-1].copy(), fp16)
    assert re.fullmatch(r"sha256:[0-9a-f]{16}", digest(np.array([1, -8, 7], np.int8), int4))


def test_inline_weights_stand_in_the_text(shelf: Shelf) -> None:
    text = print_program(milopt.load(shelf["linear"]).program, weights="inline")
    assert "ELIDED" not in text
    assert "BLOBFILE" not in text


def test_references_are_printed_as_such(shelf: Shelf) -> None:
    text = print_proto(milopt.load(shelf["linear"]).specification.mlProgram)
    assert 'BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))' in text


@pytest.mark.parametrize("option", [{"dialect": "2.0"}, {"weights": "references"}, {"weights": ""}])
def test_unknown_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="is no choice"):
        print_program(PROGRAMS["linear"](), **option)

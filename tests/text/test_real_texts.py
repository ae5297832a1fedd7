"""Texts that Apple's compiler and other tools wrote: read, printed back, and, whole models, saved and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.equality import first_difference
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_program, print_proto
from milopt.ir.text.reading import parse_program
from milopt.ir.verifier import verify
from milopt.runtime.session import Session
from support.packages import SHARED_MODELS
from support.running import plausible_inputs
from support.saving import assert_same_programs, saved

FOLDER = SHARED_MODELS.parent / "mil"
# Packages whose compiled models are here as well.
TWINS = {"mobius__unified_int8": "silero6-unified-int8", "mobius__silero-vad-unified-v6.0.0": "silero6-unified"}


def parameters(found: list[Path]) -> list[Any]:
    """Parameters for `pytest.mark.parametrize`: each path, or one that is skipped."""
    skipped = pytest.param(None, id="shared-texts", marks=pytest.mark.skip(reason="the shared texts are absent"))
    return [pytest.param(path, id=str(path.relative_to(FOLDER))) for path in found] or [skipped]


every_text = pytest.mark.parametrize("path", parameters(sorted(FOLDER.rglob("*.mil"))))
every_model = pytest.mark.parametrize("path", parameters(sorted(FOLDER.glob("*.mlmodelc"))))


@every_text
def test_text_is_a_fixed_point(path: Path) -> None:
    parsed = parse_proto(path.read_text("utf-8"), str(path))
    printed = print_proto(parsed.program, dialect=parsed.dialect)
    again = parse_proto(printed)
    assert again.program == parsed.program
    assert print_proto(again.program, dialect=again.dialect) == printed


@every_text
def test_text_of_apples_compiler_is_printed_line_for_line(path: Path) -> None:
    text = path.read_text("utf-8")
    if text.endswith("\n"):
        pytest.skip("Apple's compiler ends its texts without a line break: another tool wrote this one")
    parsed = parse_proto(text)
    assert print_proto(parsed.program, dialect=parsed.dialect) == text + "\n"


@every_text
def test_dialects_say_the_same(path: Path) -> None:
    program = parse_proto(path.read_text("utf-8")).program
    old, new = (print_proto(program, dialect=dialect) for dialect in ("1.0", "1.3"))
    assert old != new
    assert parse_proto(old).program == parse_proto(new).program == program


@every_text
def test_text_without_its_weights_becomes_a_valid_program(path: Path) -> None:
    text = path.read_text("utf-8")
    program = parse_program(text, name=str(path), missing_weights="zeros")
    assert verify(program) == []
    assert first_difference(program, parse_program(text, missing_weights="zeros")) is None


def test_some_texts_are_apples() -> None:
    found = sorted(FOLDER.rglob("*.mil"))
    if not found:
        pytest.skip("the shared texts are absent")
    assert sum(not path.read_text("utf-8").endswith("\n") for path in found) >= len(list(FOLDER.glob("*.mlmodelc")))


# --- how other tools write, in texts of our own

LAYOUTS = {
    "functions of any name, no buildInfo, no names of ops": """program(1.3)
{
    func part_0<ios18>(tensor<fp16, [1, 4, 1, 8]> x) {
        fp16 floor = const()[val = fp16(1.000000e-05)];
        tensor<fp16, [1, 4, 1, 8]> y = maximum(x = x, y = floor);
    } -> (y);
    func part_1<ios18>(
        tensor<int8, [1, 1, 4, 4]> w
    ) {
        tensor<fp16, [1, 1, 4, 4]> y = dequantize(input = w, scale = fp16(0x1.0p-7));
    } -> (y);
}
""",
    "states that are written where nothing is given": """program(1.3)
[buildInfo = dict<string, string>({{"coremlc-component-MIL", "3600.16.1"},
                                   {"tag", ""}})]
{
  func main<ios18>(state<tensor<fp16, [1, 4]>> kept, tensor<fp16, [1,4]> x) {
    tensor<fp16, [1, 4]> before = read_state(input=kept)[name=string("before")];
    tensor<fp16, [1, 4]> sum = add(x=before, y=x)[name=string("sum")];
    write_state(data = sum, input = kept)[name = string("kept_write")];
    tensor<fp16, [1, 4]> after = read_state(input = kept)[name = string("after")];
    tensor<fp16, [1, 4]> y = mul(x = after, y = fp16(2))[name = string("y")];
  } -> (y);
}
""",
    "weights of four bits, in inputs and as constants": """program(1.3)
[buildInfo = dict<string, string>({})]
{
    func main<ios26>(tensor<fp16, [1, 8]> x) {
        tensor<fp16, [4, 8]> a = constexpr_blockwise_shift_scale(data = tensor<int4, [4, 8]>(
            BLOBFILE(path = string("@model_path/weights/a.bin"), offset = uint64(64))),
          scale = tensor<fp16, [4, 2]>(BLOBFILE(path=string("@model_path/weights/a.bin"), offset=uint64(192))));
        tensor<uint4, [4, 8]> indices = const()[val = tensor<uint4, [4, 8]>(
            BLOBFILE(path = string("@model_path/weights/b.bin"), offset = uint64(64)))];
        tensor<fp16, [4, 8]> b = constexpr_lut_to_dense(indices = indices, lut = tensor<fp16, [1, 1, 16, 1]>(
            BLOBFILE(path = string("@model_path/weights/b.bin"), offset = uint64(192))))[name = string("table")];
        tensor<fp16, [1, 4]> left = linear(weight = a, x = x);
        tensor<fp16, [1, 4]> right = linear(weight = b, x = x);
        tensor<fp16, [2, 4]> y = concat(values = (left, right), interleave = bool(false), axis = int32(0));
    } -> (y);
}
""",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_other_tools_are_read(layout: str) -> None:
    program = parse_program(LAYOUTS[layout], missing_weights="zeros")
    assert verify(program) == []
    printed = print_program(program)
    assert print_program(parse_program(printed, missing_weights="zeros")) == printed


# --- whole models


@every_model
def test_compiled_model_becomes_a_package(path: Path, tmp_path: Path) -> None:
    model = milopt.load(path)
    assert (model.name, model.origin.notes, model.package) == (path.name, (), None)
    assert verify(model.program) == []
    package = milopt.load(saved(model, tmp_path))
    assert_same_programs(model, package)
    assert package.specification.description == model.specification.description
    assert package.specification.specificationVersion == model.specification.specificationVersion


@every_model
def test_compiled_model_and_its_package_give_the_same(path: Path, tmp_path: Path) -> None:
    model = milopt.load(path)
    package = milopt.load(saved(model, tmp_path))
    inputs = plausible_inputs(model.program.functions["main"])
    assert_same_outputs(Session(model).run(inputs), Session(package).run(inputs))


@pytest.mark.parametrize("name", TWINS)
def test_compiled_model_gives_what_its_twin_gives(name: str, tmp_path: Path) -> None:
    compiled, twin = FOLDER / f"{name}.mlmodelc", SHARED_MODELS / f"{TWINS[name]}.mlpackage"
    if not (compiled.exists() and twin.exists()):
        pytest.skip("the shared models are absent")
    model = milopt.load(compiled)
    expected = Session(milopt.load(twin)).run(inputs := plausible_inputs(model.program.functions["main"]))
    assert_same_outputs(Session(model).run(inputs), expected)
    assert_same_outputs(Session(milopt.load(saved(model, tmp_path))).run(inputs), expected)


def assert_same_outputs(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Bit by bit; and they say something."""
    assert list(found) == list(expected)
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])
        assert np.any(array)

from __future__ import annotations

from pathlib import Path
from typing import Any

import milopt
import pytest
from milopt.ir.errors import PackageError
from milopt.ir.opening import load_text
from milopt.ir.targets import IOS15, IOS17, IOS18
from milopt.ir.text.source import Source
from milopt.ir.verification import open_to_verify, verify_model
from support.packages import SHARED_MODELS, Shelf, copy_package, edit_specification, shared_model_params

COMPILED = sorted((SHARED_MODELS.parent / "mil").glob("*.mlmodelc"))
PROGRAM = """program(1.3)
{
    func main<ios17>(tensor<%s, [4]> x) {
            tensor<fp16, [4]> y = cast(dtype = string("fp16"), x = x);
        } -> (y);
}
"""


def words(model: Any, target: Any = None) -> list[tuple[str, str, str]]:
    return [(each.severity, each.where, each.message) for each in verify_model(model, target)]


def bare(dtype: str) -> Any:
    return load_text(Source(PROGRAM % dtype, "x.mil"), None)


def operations(specification: Any) -> Any:
    return specification.mlProgram.functions["main"].block_specializations["CoreML7"].operations


@pytest.mark.parametrize("path", shared_model_params())
def test_real_packages_have_no_faults(path: Path) -> None:
    assert words(open_to_verify(path)) == []


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_compiled_models_have_no_faults(path: Path) -> None:
    assert words(open_to_verify(path)) == []


@pytest.mark.parametrize("name", ["linear", "cond_in_loop", "states", "two_functions", "pipeline", "blockwise_int8"])
def test_packages_of_programs_have_no_faults(name: str, shelf: Shelf) -> None:
    assert words(open_to_verify(shelf[name])) == []


def test_all_faults_of_a_package_are_told(shelf: Shelf, tmp_path: Path) -> None:
    def edit(specification: Any) -> None:
        linear = next(each for each in operations(specification) if each.type == "linear")
        linear.inputs["x"].arguments[0].name = "nowhere"
        linear.inputs["extra"].CopyFrom(linear.inputs["bias"])
        specification.description.input[0].name = "X"

    package = copy_package(shelf["linear"], tmp_path)
    edit_specification(package, edit)
    assert words(open_to_verify(package)) == [
        ("error", "function 'main', op 'linear'", "linear has no input 'extra' in the opset iOS17"),
        ("error", "function 'main', op 'linear'", "'nowhere' is not defined"),
        ("error", "function 'main', input 'X'", "it is described, but not in the program"),
    ]


def test_a_weight_file_that_is_missing_is_one_fault(shelf: Shelf, tmp_path: Path) -> None:
    package = copy_package(shelf["conv"], tmp_path)
    (weights,) = package.rglob("weight.bin")
    weights.unlink()
    (found,) = words(open_to_verify(package))
    assert found[0] == "error"
    assert found[2] == f"{weights}: the weight file is missing"
    assert words(open_to_verify(package, missing_weights="zeros")) == []


def test_a_target_before_the_models_opset_is_told_for_each_function(shelf: Shelf) -> None:
    found = [each for each in words(open_to_verify(shelf["two_functions"]), IOS17) if "opset" in each[2]]
    assert {where for _, where, _ in found} == {"function 'encode'", "function 'decode'"}
    assert words(open_to_verify(shelf["two_functions"]), IOS18) == []


def test_faults_of_a_pipeline_name_its_stage(shelf: Shelf) -> None:
    found = words(open_to_verify(shelf["pipeline"]), IOS15)
    assert found
    assert all(where.startswith("stage ") for _, where, _ in found)


@pytest.mark.parametrize(("dtype", "fault"), [("int8", "iOS17 has no int8 inputs"), ("bool", "it is of type bool")])
def test_a_program_alone_need_not_be_a_model(dtype: str, fault: str) -> None:
    """Its inputs are a warning, unless it is to be a model of a target."""
    (warning,) = verify_model(bare(dtype))
    (error,) = verify_model(bare(dtype), IOS17)
    assert (warning.severity, error.severity) == ("warning", "error")
    for each in (warning, error):
        assert each.message.startswith(fault)
        assert each.hint
        assert str(each.location) == "x.mil:3:22"


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="no such file"):
        open_to_verify(tmp_path / "nothing.mlpackage")


def test_text_with_faults_tells_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "x.mil").write_text((PROGRAM % "fp16").replace("x = x", "x = a, y = b"), "utf-8")
    with pytest.raises(milopt.TextError) as caught:
        open_to_verify(tmp_path / "x.mil")
    assert len(caught.value.diagnostics) == 2

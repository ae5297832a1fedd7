"""Deployment targets and opsets: one table, the same as coremltools' own."""

from __future__ import annotations

import coremltools as ct
import pytest
from milopt.ir.errors import TargetError
from milopt.ir.pymil import available_target
from milopt.ir.targets import (
    IOS15,
    IOS16,
    IOS17,
    IOS18,
    IOS26,
    OPSETS,
    Opset,
    deployment_targets,
    opset_of_mil_name,
    opset_of_specification,
    parse_target,
)


def test_opsets_are_ordered_by_their_age() -> None:
    assert sorted([IOS26, IOS17, IOS15, IOS18, IOS16]) == list(OPSETS)
    assert IOS15 < IOS16 < IOS17 < IOS18 < IOS26
    assert max(IOS18, IOS15) == IOS18


def test_specification_versions_and_names_are_those_of_coremltools() -> None:
    known = {version: name for version, name in ct._OPSET.items() if version >= IOS15.specification_version}
    assert known == {opset.specification_version: opset.mil_name for opset in OPSETS}


@pytest.mark.parametrize(("name", "opset"), deployment_targets().items())
def test_every_target_has_the_opset_that_coremltools_gives_it(name: str, opset: Opset) -> None:
    theirs = getattr(ct.target, name, None)
    if theirs is None:
        pytest.skip(f"coremltools {ct.__version__} has no target {name}")
    assert theirs == available_target(opset)
    assert theirs.value == opset.specification_version


def test_every_target_of_coremltools_for_ml_programs_is_known() -> None:
    theirs = {name for name, target in ct.target.__members__.items() if target >= ct.target.iOS15}
    assert theirs <= set(deployment_targets())


def test_iphone_targets_come_first() -> None:
    assert list(deployment_targets())[: len(OPSETS)] == ["iOS15", "iOS16", "iOS17", "iOS18", "iOS26"]


@pytest.mark.parametrize("name", deployment_targets())
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_target_is_found_in_any_case(name: str, spelled: type[str]) -> None:
    assert parse_target(spelled(name)) == deployment_targets()[name]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("iOS81", r"did you mean 'iOS18'\?"),
        ("iOS19", r"one of iOS15"),
        ("macOS 14", r"did you mean 'macOS14'\?"),
        ("iOS14", r"one of iOS15"),
        ("android", r"one of iOS15, iOS16, iOS17, iOS18, iOS26, or a macOS"),
        ("", r"one of iOS15, iOS16"),
    ],
)
def test_unknown_target_is_refused_with_what_to_try(name: str, hint: str) -> None:
    with pytest.raises(TargetError, match=rf"^unknown deployment target '{name}' \({hint}"):
        parse_target(name)


@pytest.mark.parametrize("opset", OPSETS, ids=str)
def test_opset_is_found_by_its_version_and_by_its_name(opset: Opset) -> None:
    assert opset_of_specification(opset.specification_version) is opset
    assert opset_of_mil_name(opset.mil_name) is opset


@pytest.mark.parametrize("version", [0, 1, 5, 11, 99, -1])
def test_unknown_version_is_refused_at_its_place(version: int) -> None:
    with pytest.raises(TargetError, match=rf"^a.mlpackage: specification version {version} .*\(6 to 10\)"):
        opset_of_specification(version, "a.mlpackage")


def test_only_a_future_version_asks_for_a_newer_milopt() -> None:
    with pytest.raises(TargetError, match="newer milopt"):
        opset_of_specification(11)
    with pytest.raises(TargetError) as caught:
        opset_of_specification(5)
    assert caught.value.hint is None


@pytest.mark.parametrize("name", ["CoreML4", "CoreML10", "coreml7", "iOS17", ""])
def test_unknown_opset_is_refused_at_its_place(name: str) -> None:
    with pytest.raises(TargetError, match=rf"^function 'main': unknown opset '{name}' \(milopt knows CoreML5, "):
        opset_of_mil_name(name, "function 'main'")


def test_opset_has_a_name_for_readers_and_one_for_text() -> None:
    assert str(IOS17) == "iOS17"
    assert IOS17.text_name == "ios17"

"""Passes of other packages inside coremltools, and the example package in both managers."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import coremltools as ct
import milopt.passes.coremltools_registration as registration
import numpy as np
import pytest
from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
from milopt.ir.equality import first_difference
from milopt.ir.errors import MiloptError
from milopt.ir.pymil import mb
from milopt.ir.targets import IOS16
from milopt.ir.walking import walk
from milopt.passes.manager import PassManager
from milopt.passes.pipeline_text import parse_pipeline
from support.distributions import install
from support.in_coremltools import applied, ops_of
from support.program_registry import build_program, fp32
from support.programs import PROGRAMS
from support.source_tree import ROOT

EXAMPLE = ROOT / "examples" / "third-party-pass"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path of imports; what was registered from it is forgotten."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(PASS_REGISTRY.passes)
    yield tmp_path
    for pass_id in set(PASS_REGISTRY.passes) - known:
        del PASS_REGISTRY.passes[pass_id]


@pytest.fixture
def example(site: Path) -> Iterator[Path]:
    """The example package, as an installer would leave it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]
    ((name, target),) = project["entry-points"]["milopt.passes"].items()
    install(site, project["name"], {}, passes=f"{name} = {target}")
    package = target.partition(":")[0].partition(".")[0]
    (site / package).symlink_to(EXAMPLE / "src" / package)
    yield site
    for module in [each for each in sys.modules if each.startswith(package)]:
        del sys.modules[module]


SQUARES = "milopt::square_products"


@pytest.mark.parametrize("powers", [True, False])
def test_example_package_is_a_pass_of_both(example: Path, powers: bool) -> None:  # noqa: FBT001
    assert example
    registration.register_all()
    theirs = applied(squares(), SQUARES, square_products={"powers": str(powers).lower()})
    mine = PassManager(parse_pipeline(f"program(function(square-products{{powers={powers}}}))")).run(squares()).program
    assert first_difference(theirs, mine) is None
    assert [each.op_type for each in walk(mine) if each.op_type != "const"] == ["square", "square" if powers else "pow"]


def squares() -> Any:
    def body(x: Any) -> Any:
        return mb.pow(x=mb.mul(x=x, y=x), y=np.float32(2))

    return build_program(body, IOS16, x=fp32(10, 20))


def test_example_package_is_used_in_a_conversion(example: Path) -> None:
    assert example
    registration.register_all()
    pipeline = ct.PassPipeline.DEFAULT
    pipeline.append_pass(SQUARES)
    model = ct.convert(squares(), pass_pipeline=pipeline, convert_to="mlprogram", skip_model_load=True,
                       minimum_deployment_target=ct.target.iOS16)  # fmt: skip
    assert ops_of(model.get_spec()).count("square") == 2


def test_tests_of_the_example_package_pass(example: Path) -> None:
    spec = spec_from_file_location("example_tests", EXAMPLE / "tests" / "test_square_products.py")
    assert example
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.test_products_become_squares("square-products", ["square", "square", "mul"])
    module.test_products_become_squares("square-products{powers=false}", ["square", "pow", "mul"])
    module.test_wrong_option_is_refused()
    module.test_outputs_are_those_of_the_program()


def test_broken_pass_of_another_distribution_says_so_when_it_is_used(site: Path) -> None:
    install(site, "old-passes", {"old_passes": "import absent_module"}, passes="old-pass = old_passes:OldPass")
    registration.register_all()
    pipeline = ct.PassPipeline.EMPTY
    pipeline.append_pass("milopt::old_pass")
    with pytest.raises(MiloptError, match=r"^'old-pass' of the distribution 'old-passes': can not be imported: "):
        PassPipelineManager.apply_pipeline(PROGRAMS["linear"](), pipeline)
    assert "can not be imported" in (PASS_REGISTRY.passes["milopt::old_pass"].__doc__ or "")

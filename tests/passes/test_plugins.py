"""Passes and pipelines of other distributions: found, used, listed; what is broken breaks nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from milopt.ir.errors import PipelineError
from milopt.passes.base import Pass
from milopt.passes.catalogue.lookup import Listed
from milopt.passes.pipeline import program_pipeline
from milopt.passes.pipeline_text import parse_pipeline
from milopt.passes.registry import (
    list_passes,
    list_pipelines,
    pass_class,
    pass_names,
    pipeline_class,
    pipeline_names,
)
from milopt.passes.transforms.raise_opset import RaiseOpset
from support.distributions import install

Registered = Callable[[type[Pass]], type[Pass]]
GOOD = '''
import attrs
from milopt.passes.base import UNCHANGED, Pass
from milopt.passes.options import option
from milopt.passes.pipeline import NamedPipeline
from milopt.passes.transforms.raise_opset import RaiseOpset


@attrs.frozen(kw_only=True)
class FoldHouses(Pass):
    """Folds houses."""

    floors: int = option(1, help="how many")

    def run(self, root, context):
        return UNCHANGED


@attrs.frozen(kw_only=True)
class BuildStreet(NamedPipeline):
    """Builds a street."""

    floors: int = option(2, help="how many")

    def build(self):
        return (RaiseOpset(target="iOS18"), FoldHouses(floors=self.floors))


class RaiseOpset2(RaiseOpset):
    """Another one."""


class Nameless(Pass):
    """Has no name, nor a name for its name."""

    @classmethod
    def pass_name(cls):
        raise ValueError("no name")


not_a_class = 7
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path; what was imported from it is forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(sys.modules[name].__file__).startswith(str(tmp_path)):
            del sys.modules[name]


def listed(name: str) -> Listed[Pass]:
    return next(row for row in list_passes() if row.name == name)


@pytest.fixture
def houses(site: Path) -> Path:
    install(
        site,
        "House-Folder",
        {"houses": GOOD},
        passes="fold-houses = houses:FoldHouses",
        pipelines="build-street = houses:BuildStreet",
    )
    return site


@pytest.mark.usefixtures("houses")
def test_pass_of_a_distribution_stands_in_a_pipeline() -> None:
    pipeline = parse_pipeline("program(fold-houses{floors=3}, raise-opset{target=iOS18}, fold_houses)")
    cls = pass_class("fold-houses")
    assert pipeline == program_pipeline(cls(floors=3), RaiseOpset(target="iOS18"), cls())  # type: ignore[call-arg]
    assert str(pipeline) == "program(fold-houses{floors=3}, raise-opset{target=iOS18}, fold-houses)"


@pytest.mark.usefixtures("houses")
def test_pipeline_of_a_distribution_stands_in_a_pipeline() -> None:
    text = "program(build-street{floors=4}, build_street)"
    assert str(parse_pipeline(text)) == (
        "program(raise-opset{target=iOS18}, fold-houses{floors=4}, raise-opset{target=iOS18}, fold-houses{floors=2})"
    )


@pytest.mark.usefixtures("houses")
def test_what_a_distribution_has_is_listed() -> None:
    assert listed("fold-houses") == Listed("fold-houses", pass_class("fold-houses"), "House-Folder")
    assert Listed("build-street", pipeline_class("build-street"), "House-Folder") in list_pipelines()
    assert "fold-houses" in pass_names()
    assert "build-street" in pipeline_names()


@pytest.mark.usefixtures("houses")
def test_nothing_is_imported_until_it_is_asked_for() -> None:
    pass_class("raise-opset")
    parse_pipeline("program(raise-opset{target=iOS18})")
    with pytest.raises(PipelineError, match=r"there is no pass 'fold-house' \(did you mean 'fold-houses'\?\)"):
        pass_class("fold-house")
    assert "houses" not in sys.modules


def test_distribution_that_is_gone_has_no_passes(houses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fold-houses" in pass_names()
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each != str(houses)])
    assert "fold-houses" not in pass_names()


def test_name_may_have_underscores(site: Path) -> None:
    install(site, "under", {"houses": GOOD}, passes="fold_houses = houses:FoldHouses")
    assert pass_class("fold-houses").pass_name() == "fold-houses"


# --- what is broken

BROKEN = {
    "no module": ("fold-houses = nowhere:FoldHouses", "can not be imported: ModuleNotFoundError: No module named "),
    "no class": ("fold-houses = houses:Folder", "can not be imported: AttributeError: "),
    "no pass": ("fold-houses = houses:not_a_class", "is no subclass of Pass: houses:not_a_class"),
    "a pipeline": ("fold-houses = houses:BuildStreet", "is no subclass of Pass: houses:BuildStreet"),
    "the base": ("fold-houses = milopt.passes.base:Pass", "is no subclass of Pass: milopt.passes.base:Pass"),
    "another name": ("fold-houses = houses:RaiseOpset2", "is called 'raise-opset2' by its class"),
    "no name": ("fold-houses = houses:Nameless", "can not be imported: ValueError: no name"),
    "an error": ("fold-houses = fails:FoldHouses", "can not be imported: ZeroDivisionError: division by zero"),
    "an exit": ("fold-houses = exits:FoldHouses", "can not be imported: SystemExit: 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_pass_names_its_distribution_and_breaks_nothing_else(case: str, site: Path) -> None:
    line, message = BROKEN[case]
    install(site, "broken", {"houses": GOOD, "fails": "1 / 0", "exits": "raise SystemExit(3)"}, passes=line)
    with pytest.raises(PipelineError) as caught:
        pass_class("fold-houses")
    assert str(caught.value).startswith(f"'fold-houses' of the distribution 'broken': {message}")
    assert "\n" not in str(caught.value)
    assert message in str(listed("fold-houses").problem)
    assert listed("fold-houses").cls is None
    assert "fold-houses" not in pass_names()
    assert str(parse_pipeline("program(quantize-weights)")) == "program(quantize-weights)"


def test_broken_pass_in_a_text_is_shown_its_place(site: Path) -> None:
    install(site, "broken", {}, passes="fold-houses = nowhere:FoldHouses")
    with pytest.raises(PipelineError, match=r"^<pipeline>:1:9: 'fold-houses' of the distribution 'broken': "):
        parse_pipeline("program(fold-houses)")


def test_name_of_our_own_is_ours(site: Path) -> None:
    code = GOOD.replace("RaiseOpset2", "QuantizeWeights")
    install(site, "thief", {"houses": code}, passes="quantize-weights = houses:QuantizeWeights")
    assert pass_class("quantize-weights").__module__ == "milopt.passes.transforms.quantize_weights"
    rows = [row for row in list_passes() if row.name == "quantize-weights"]
    assert [(row.distribution, row.problem) for row in rows] == [
        (None, None),
        ("thief", "milopt has this name, or it was registered"),
    ]
    assert pass_names().count("quantize-weights") == 1


@pytest.mark.usefixtures("houses")
def test_registered_name_is_the_registered_pass(registered: Registered) -> None:
    mine = type("FoldHouses", (Pass,), {})
    registered(mine)
    assert pass_class("fold-houses") is mine


def test_name_of_two_distributions_is_refused(houses: Path) -> None:
    install(houses, "another", {}, passes="fold-houses = houses:FoldHouses")
    message = "the distributions 'another', 'House-Folder' all have a pass 'fold-houses'"
    with pytest.raises(PipelineError, match=message):
        pass_class("fold-houses")
    assert [row.problem for row in list_passes() if row.name == "fold-houses"] == [message] * 2


def test_distribution_that_is_twice_on_the_path_counts_once(
    houses: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path_factory.mktemp("copy")
    install(copy, "house-folder", {}, passes="fold-houses = elsewhere:FoldHouses")
    monkeypatch.setattr(sys, "path", [*sys.path, str(copy)])
    assert str(houses) in str(sys.modules[pass_class("fold-houses").__module__].__file__)


def test_damaged_distribution_hides_nothing(houses: Path) -> None:
    install(houses, "damaged", {}, raw="[milopt.passes]\nno equals sign\n\\x00")
    (houses / "nothing-1.0.dist-info").mkdir()
    assert "fold-houses" in pass_names()

"""`milopt passes` and `milopt pipelines`: what there is, for people and for machines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from milopt.cli.commands.listings import pass_documentation, pass_listing, pipeline_documentation, pipeline_listing
from milopt.cli.entry import DONE
from milopt.ir.targets import OPSETS
from milopt.passes.base import Pass
from milopt.passes.foreign.passes import coremltools_pass_ids
from milopt.passes.registry import pass_names, pipeline_names
from milopt.pipelines.named import register_named
from milopt.pipelines.text import parse_pipeline
from support.distributions import install

Command = Callable[..., Any]
register_named()


def rows_of(text: str) -> dict[str, str]:
    """Two columns; the second begins at one place in all lines."""
    lines = text.splitlines()
    rows = dict(line.split("  ", 1) for line in lines)
    assert len({line.index(rest.strip()) for line, rest in zip(lines, rows.values(), strict=True)}) == 1
    return {name.strip(): rest.strip() for name, rest in rows.items()}


# --- passes


def test_passes_are_listed_with_their_summaries(milopt: Command) -> None:
    ran = milopt("passes")
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out == pass_listing() + "\n"
    assert rows_of(ran.out) == {name: pass_documentation(name).summary for name in pass_names()}


def test_passes_are_listed_for_machines(milopt: Command) -> None:
    found = json.loads(milopt("passes", "--json").out)
    assert [row["name"] for row in found] == pass_names()
    assert found[0].keys() == {"name", "summary", "distribution", "problem"}


@pytest.mark.parametrize("name", ["quantize-weights", "quantize_weights", "raise-opset", "milopt::raise_opset"])
def test_pass_is_documented(name: str, milopt: Command) -> None:
    ran = milopt("passes", name)
    assert (ran.code, ran.out, ran.err) == (DONE, f"{pass_documentation(name)}\n", "")
    assert "Rules:" in ran.out


def test_pass_is_documented_for_machines(milopt: Command) -> None:
    found = json.loads(milopt("passes", "quantize-weights", "--json").out)
    assert found["coremltools_id"] == "milopt::quantize_weights"
    assert [each["name"] for each in found["options"]] == ["dtype", "mode", "granularity", "min-elements"]
    assert found["options"][0]["choices"] == ["int8", "uint8"]
    assert found["targets"] == "iOS16 and later"
    assert len(found["examples"]) == 2


def test_passes_of_coremltools_are_listed(milopt: Command) -> None:
    ran = milopt("passes", "--coremltools")
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.splitlines() == coremltools_pass_ids()
    assert json.loads(milopt("passes", "--coremltools", "--json").out) == coremltools_pass_ids()
    assert "common::fuse_conv_batchnorm" in ran.out.splitlines()


@pytest.mark.parametrize("name", coremltools_pass_ids())
def test_pass_of_coremltools_is_documented(name: str, milopt: Command) -> None:
    ran = milopt("passes", name)
    assert (ran.code, ran.err) == (DONE, "")
    assert ran.out.startswith(f"{name} (runs on a program)\n")
    assert json.loads(milopt("passes", name, "--json").out)["name"] == name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["passes", "quantise-weights"], "there is no pass 'quantise-weights' (did you mean 'quantize-weights'?)"),
        (["passes", "w8"], "there is no pass 'w8'"),
        (["passes", "const_elimination"], "did you mean 'common::const_elimination'?"),
        (["passes", "common::const_eliminaton"], "did you mean 'common::const_elimination'?"),
        (["pipelines", "coremltools-defualt"], "did you mean 'coremltools-default'?"),
        (["pipelines", "raise-opset"], "there is no pipeline 'raise-opset' (it is a pass)"),
        (["pipelines", "--target", "iOS81"], "did you mean 'iOS18'?"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest(words: list[str], message: str, milopt: Command) -> None:
    milopt(*words).require_mistake(message)


def test_pass_of_a_distribution_is_listed(milopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "some-houses", {}, passes="fold-houses = nowhere:FoldHouses")
    monkeypatch.syspath_prepend(tmp_path)
    problem = "can not be imported: ModuleNotFoundError: No module named 'nowhere'"
    assert rows_of(milopt("passes").out)["fold-houses"] == f"broken: {problem} [some-houses]"
    (row,) = (row for row in json.loads(milopt("passes", "--json").out) if row["name"] == "fold-houses")
    assert row == {"name": "fold-houses", "summary": None, "distribution": "some-houses", "problem": problem}
    milopt("passes", "fold-houses").require_mistake(f"'fold-houses' of the distribution 'some-houses': {problem}")


def test_pass_without_a_docstring_is_listed(milopt: Command, registered: Callable[[type[Pass]], type[Pass]]) -> None:
    registered(type("Mute", (Pass,), {}))
    assert "mute" in [line.rstrip() for line in milopt("passes").out.splitlines()]
    assert milopt("passes", "mute").out == "mute (runs on a program; in coremltools: milopt::mute)\n\n\n"


# --- pipelines


def test_pipelines_are_listed_by_name_and_by_target(milopt: Command) -> None:
    ran = milopt("pipelines")
    assert (ran.code, ran.err) == (DONE, "")
    named, _, by_target = ran.out.partition("\n\n")
    assert named == pipeline_listing()
    assert rows_of(named) == {name: pipeline_documentation(name).summary for name in pipeline_names()}
    heads = [line for line in by_target.splitlines() if not line.startswith(" ")]
    assert heads == [", ".join([opset.ios, *opset.aliases]) for opset in OPSETS]
    rows = [line.split(maxsplit=1) for line in by_target.splitlines() if line.startswith(" ")]
    assert [row[0] for row in rows] == ["none", "w8", "w8a8"] * len(OPSETS)
    assert [row[1].startswith("not possible: ") for row in rows] == [
        False, True, True, False, False, True, *[False] * 9
    ]  # fmt: skip
    for _, text in rows:
        if not text.startswith("not possible"):
            assert str(parse_pipeline(text)) == text


@pytest.mark.parametrize("name", ["iOS18", "macos15", "visionOS2"])
def test_pipelines_of_one_target_are_listed(name: str, milopt: Command) -> None:
    names = "iOS18, macOS15, watchOS11, tvOS18, visionOS2"
    passes = {
        "none": "",
        "w8": ", quantize-weights",
        "w8a8": ", insert-quantize-dequantize, function(canonicalize), quantize-weights",
    }
    texts = {scheme: f"program(raise-opset{{target=iOS18}}{rest})" for scheme, rest in passes.items()}
    lines = [f"    {scheme:5} {text}" for scheme, text in texts.items()]
    assert milopt("pipelines", "--target", name).out.splitlines() == [names, *lines]
    assert json.loads(milopt("pipelines", "--target", name, "--json").out) == {names: texts}


def test_pipelines_are_listed_for_machines(milopt: Command) -> None:
    assert [row["name"] for row in json.loads(milopt("pipelines", "--json").out)] == pipeline_names()


@pytest.mark.parametrize("name", ["w8", "coremltools-default"])
def test_pipeline_is_documented(name: str, milopt: Command) -> None:
    ran = milopt("pipelines", name)
    assert (ran.code, ran.out, ran.err) == (DONE, f"{pipeline_documentation(name)}\n", "")
    assert json.loads(milopt("pipelines", name, "--json").out)["noun"] == "pipeline"


def test_options_of_a_pipeline_are_told(milopt: Command) -> None:
    assert "    dtype=int8 (int8, uint8): the type of the codes" in milopt("pipelines", "w8").out.splitlines()


@pytest.mark.parametrize("words", [["passes"], ["passes", "quantize-weights"], ["pipelines"], ["pipelines", "w8"]])
def test_listings_need_no_coremltools(words: list[str], tmp_path: Path) -> None:
    code = (
        "import io, sys; from milopt.cli.entry import run; from milopt.cli.main import milopt;"
        f"run(milopt, {words}, io.StringIO(), io.StringIO(), sys.stderr);"
        "print('coremltools' in sys.modules, 'onnxruntime' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
    assert (ran.stdout, ran.stderr) == ("False False\n", "")

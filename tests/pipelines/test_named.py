"""Named pipelines: schemes and coremltools' own, as they stand in pipeline text."""

from __future__ import annotations

import subprocess
import sys

import coremltools as ct
import pytest
from milopt.ir.errors import OptionError, PipelineError
from milopt.ir.targets import OPSETS, parse_target
from milopt.passes.foreign.passes import CoremltoolsPass
from milopt.passes.manager import PassManager
from milopt.passes.options import options_of
from milopt.passes.pipeline import NamedPipeline
from milopt.passes.registry import pipeline_class, pipeline_names
from milopt.passes.transforms.quantize_weights import QuantizeWeights
from milopt.pipelines.by_target import pipeline_for
from milopt.pipelines.named import register_named
from milopt.pipelines.schemes import SCHEMES
from milopt.pipelines.text import parse_pipeline
from support.programs import PROGRAMS

register_named()
COREMLTOOLS = [name for name in pipeline_names() if name.startswith("coremltools-")]


def made(name: str) -> NamedPipeline:
    return pipeline_class(name).from_options({})


def test_every_scheme_is_a_pipeline() -> None:
    assert {scheme.name for scheme in SCHEMES} <= set(pipeline_names())


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("target", OPSETS, ids=str)
def test_pipeline_of_a_scheme_is_that_of_its_target(scheme: object, target: object) -> None:
    name, opset = scheme.name, parse_target(str(target))  # type: ignore[attr-defined]
    text = f"program({name}{{target={opset}}})"
    if opset < scheme.since:  # type: ignore[attr-defined]
        with pytest.raises(PipelineError, match=f"pipeline '{name}.*can not encode the scheme"):
            parse_pipeline(text)
    else:
        assert parse_pipeline(text) == pipeline_for(opset, name)


def test_options_of_the_scheme_are_those_of_the_pass() -> None:
    own = options_of(pipeline_class("w8"))
    assert set(own) == {"target", *options_of(QuantizeWeights)}
    assert all(own[name] == each for name, each in options_of(QuantizeWeights).items())
    text = "program(w8{target=iOS17 dtype=uint8 mode=affine granularity=per-tensor min-elements=7})"
    assert str(parse_pipeline(text)) == (
        "program(raise-opset{target=iOS17}, "
        "quantize-weights{dtype=uint8 mode=affine granularity=per-tensor min-elements=7})"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w8", r"^<pipeline>:1:9: pipeline 'w8': needs the option 'target'$"),
        ("w8{target=iOS81}", r"^<pipeline>:1:19: pipeline 'w8', option 'target': unknown deployment target 'iOS81' "),
        ("w8{target=iOS18 dtype=int4}", r"^<pipeline>:1:31: pipeline 'w8', option 'dtype': takes one of int8, uint8"),
        ("none{target=iOS18 dtype=int8}", r"^<pipeline>:1:27: pipeline 'none': has no option 'dtype' "),
    ],
)
def test_wrong_options_are_shown(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parse_pipeline(f"program({text})")


def test_pipelines_of_coremltools_are_known() -> None:
    assert {"coremltools-default", "coremltools-cleanup"} <= set(COREMLTOOLS)


@pytest.mark.parametrize("name", COREMLTOOLS)
def test_pipeline_of_coremltools_holds_its_passes(name: str) -> None:
    theirs = ct.PassPipeline.get_pipeline(name.removeprefix("coremltools-").replace("-", "_"))
    pipeline = parse_pipeline(f"program({name})")
    assert [each.id for each in pipeline.passes() if isinstance(each, CoremltoolsPass)] == theirs.passes
    assert parse_pipeline(str(pipeline)) == pipeline


def test_pipeline_of_coremltools_runs_in_a_pipeline() -> None:
    pipeline = parse_pipeline("program(coremltools-cleanup, w8{target=iOS18 min-elements=0})")
    result = PassManager(pipeline).run(PROGRAMS["linear"]()).program
    assert "constexpr_blockwise_shift_scale" in str(result)


@pytest.mark.parametrize("name", pipeline_names())
def test_pipeline_says_what_it_does(name: str) -> None:
    assert (pipeline_class(name).__doc__ or "").endswith(".")


def test_registering_again_is_harmless() -> None:
    before = pipeline_class("w8")
    register_named()
    assert pipeline_class("w8") is before


def test_pipeline_that_a_user_registered_first_hides_ours() -> None:
    code = """
import attrs
from milopt.passes.pipeline import NamedPipeline
from milopt.passes.registry import register

@register
@attrs.frozen(kw_only=True)
class Mine(NamedPipeline):
    @classmethod
    def pass_name(cls):
        return "w8"

    def build(self):
        return ()

import milopt
print(milopt.parse_pipeline("program(w8, canonical-form)"))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert found.stdout.startswith("program(")
    assert "canonicalize" in found.stdout
    assert "quantize-weights" not in found.stdout


def test_public_face_knows_named_pipelines() -> None:
    code = "import milopt; print(milopt.parse_pipeline('program(w8{target=iOS18})'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert found.stdout == "program(raise-opset{target=iOS18}, quantize-weights)\n"

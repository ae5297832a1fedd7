"""The scheme `w8a8`: weights and activations of a whole model, from samples or statistics, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import milopt
import numpy as np
import pytest
from milopt.ir.errors import CheckFailure, MiloptError, OptionError, TargetError
from milopt.ir.walking import walk
from milopt.pipelines.open_options import open_options
from milopt.pipelines.text import parse_pipeline
from milopt.runtime.samples import read_samples
from support.source_tree import ROOT

DIGITS = ROOT / "examples" / "digits"


@pytest.fixture(scope="module")
def model() -> milopt.Model:
    return milopt.load(DIGITS / "digits.mlpackage")


@pytest.fixture(scope="module")
def statistics(model: milopt.Model) -> Any:
    return milopt.calibrate(model, list(read_samples(DIGITS / "calibration.npz"))[:64])


def ops(model: milopt.Model) -> Counter[str]:
    return Counter(each.op_type for each in walk(model.program))


def test_activations_and_weights_are_quantized(model: milopt.Model, statistics: Any) -> None:
    result = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=statistics)
    found = ops(result.model)
    assert found["quantize"] == len(result.report.activations) > 0
    assert found["constexpr_affine_dequantize"] == len(result.report.done) == 3
    assert not ops(model)["quantize"]
    assert "mostly on the Neural Engine" in result.report.notes[0]


def test_outputs_are_close_to_those_of_the_float_model(model: milopt.Model, statistics: Any) -> None:
    result = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=statistics)
    comparison = milopt.compare(model, result.model, DIGITS / "test.npz")
    (logits,) = comparison.outputs
    assert logits.sqnr_db > 35
    evaluation = milopt.evaluate([model, result.model], DIGITS / "test.npz", "label")
    assert evaluation.points(evaluation.accuracies[1]) >= -0.3


def test_samples_do_what_their_statistics_do(model: milopt.Model, statistics: Any) -> None:
    samples = list(read_samples(DIGITS / "calibration.npz"))[:64]
    by_samples = milopt.optimize(model, target="iOS17", scheme="w8a8", samples=iter(samples))
    by_statistics = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=statistics)
    assert milopt.print_program(by_samples.model.program) == milopt.print_program(by_statistics.model.program)


def test_statistics_may_be_a_file(model: milopt.Model, statistics: Any, tmp_path: Path) -> None:
    path = tmp_path / "stats.safetensors"
    statistics.save(path)
    by_file = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=path)
    by_object = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=statistics)
    assert milopt.print_program(by_file.model.program) == milopt.print_program(by_object.model.program)


def test_observer_and_mode_reach_the_pass(model: milopt.Model, statistics: Any) -> None:
    result = milopt.optimize(
        model, target="iOS17", scheme="w8a8", statistics=statistics, observer="min-max", activation_mode="affine"
    )
    assert "activation-mode=affine" in result.report.pipeline
    assert "observer=min-max" in result.report.pipeline
    assert {remark.data["dtype"] for remark in result.report.activations} == {"int8"}
    assert any(remark.data["zero_point"] for remark in result.report.activations)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "iOS17", "scheme": "w8a8"}, "the scheme 'w8a8' needs samples or statistics, one of them"),
        ({"target": "iOS17", "scheme": "w8", "samples": []}, "the scheme 'w8' uses no samples"),
        ({"target": "iOS17", "scheme": "w8a8", "samples": [], "activation_mode": "odd"}, "takes one of symmetric"),
        ({"target": "iOS17", "scheme": "w8a8", "samples": [], "mode": "odd"}, "takes one of symmetric, affine"),
    ],
)
def test_wrong_use_is_refused(options: dict[str, Any], message: str, model: milopt.Model) -> None:
    with pytest.raises(OptionError, match=message):
        milopt.optimize(model, **options)


def test_no_quantized_activation_is_told(model: milopt.Model) -> None:
    broken = milopt.calibrate(model, [{"image": np.full((1, 1, 8, 8), np.nan, np.float32)}])
    report = milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=broken).report
    assert report.lacking == ("no activation was quantized",)
    with pytest.raises(CheckFailure, match="no activation was quantized"):
        milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=broken, strict=True)


def test_quantized_activations_alone_are_something(model: milopt.Model, statistics: Any) -> None:
    result = milopt.optimize(
        model, target="iOS17", scheme="w8a8", statistics=statistics, min_elements=10**9, strict=True
    )
    assert (result.report.done, result.report.lacking) == ((), ())
    assert result.report.activations


def test_target_without_quantized_activations_is_refused_before_anything_runs(model: milopt.Model) -> None:
    def samples() -> Any:
        raise AssertionError("nothing is to be run")
        yield

    with pytest.raises(TargetError, match="iOS16 can not encode the scheme 'w8a8'"):
        milopt.optimize(model, target="iOS16", scheme="w8a8", samples=samples())


def test_statistics_of_another_model_are_refused(statistics: Any) -> None:
    other = milopt.optimize(DIGITS / "digits.mlpackage", target="iOS18", scheme="w8").model
    with pytest.raises(MiloptError, match="the statistics are of another model: its function 'main' has 52 ops"):
        milopt.optimize(other, target="iOS18", scheme="w8a8", statistics=statistics)


def test_options_of_the_scheme_have_one_name_each() -> None:
    names = set(open_options("w8a8"))
    assert {"dtype", "activation-dtype", "mode", "activation-mode", "observer", "calibration", "min-elements"} <= names
    text = "program(w8a8{target=iOS17 dtype=uint8 activation-mode=affine})"
    assert "insert-quantize-dequantize{activation-mode=affine}" in str(parse_pipeline(text))
    assert "quantize-weights{dtype=uint8}" in str(parse_pipeline(text))

"""`milopt optimize --scheme w8a8`, from samples and from statistics."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from support.source_tree import ROOT

DIGITS = ROOT / "examples" / "digits"
MODEL, DATA, TEST = DIGITS / "digits.mlpackage", DIGITS / "calibration.npz", DIGITS / "test.npz"
W8A8 = ("optimize", MODEL, "--target", "iOS17", "--scheme", "w8a8", "-o", "@/small.mlpackage")


def test_samples_make_a_model_that_is_as_good(milopt: Callable[..., Any]) -> None:
    ran = milopt(*W8A8, "--data", DATA, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["quantized_activations"] > 0
    assert "mostly on the Neural Engine" in ran.err
    again = milopt("evaluate", MODEL, "@/small.mlpackage", "--data", TEST, "--labels", "label", "--max-loss", "0.3")
    assert again.code == 0, again.err


def test_statistics_stand_in_for_samples(milopt: Callable[..., Any]) -> None:
    assert milopt("calibrate", MODEL, "--data", DATA, "-o", "@/stats.json").code == 0
    ran = milopt(*W8A8, "--statistics", "@/stats.json", "--observer", "min-max", "--activation-mode", "affine")
    assert ran.code == 0, ran.err
    assert "quantized activations" in ran.out


def test_samples_that_are_odd_are_told(milopt: Callable[..., Any], tmp_path: Any) -> None:
    np.savez(tmp_path / "few.npz", image=np.zeros((2, 1, 1, 8, 8), np.float32))
    ran = milopt(*W8A8, "--data", "@/few.npz")
    assert ran.code == 0, ran.err
    assert "warning: " in ran.err


def test_missing_samples_are_refused(milopt: Callable[..., Any]) -> None:
    milopt(*W8A8).require_mistake("the scheme 'w8a8' needs samples or statistics, one of them")


def test_samples_that_are_not_used_are_refused(milopt: Callable[..., Any]) -> None:
    ran = milopt("optimize", MODEL, "--target", "iOS17", "--data", DATA, "-o", "@/small.mlpackage")
    ran.require_mistake("the scheme 'w8' uses no samples")

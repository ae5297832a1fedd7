"""The tools that make W8A8 models: coremltools 9.0 on milopt's runtime, and milopt."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import milopt
from milopt.passes.analysis.activations.tables import QUANTIZED_OPS
from milopt.runtime.coremltools_bridge import patch_coremltools

from .data import Sample

# What coremltools puts pairs around. Source: its _quantization_passes.py:1645, of version 9.0.
_COREMLTOOLS_OPS = frozenset({"add", "avg_pool", "conv", "linear", "max_pool"})
_ONLY_ITS_OPS = tuple({"op_type": name, "skip": True} for name in QUANTIZED_OPS if name not in _COREMLTOOLS_OPS)

Options = Mapping[str, Any]
DEFAULT = "milopt"
# The pass takes all its options from here; the first is what users get who choose none.
VARIANTS: dict[str, Options] = {
    DEFAULT: {},
    "only coremltools' types of op": {"overrides": _ONLY_ITS_OPS},
    "whatever becomes 0": {"max_vanishing": 1.0},
    "min-max": {"observer": "min-max"},
    "percentile": {"observer": "percentile"},
    "kl": {"observer": "kl"},
    "absolute-error": {"observer": "absolute-error"},
    "affine": {"activation_mode": "affine"},
    "unsigned-after-relu": {"activation_mode": "unsigned-after-relu"},
}


def coremltools_w8a8(package: Path, samples: Sequence[Sample], result: Path) -> Path:
    """Int8 symmetric activations and weights, both by coremltools, on milopt's runtime; saved at `result`.

    Args:
        package: of a float model; coremltools renews its manifest.
        samples: to calibrate with.
        result: where to save.
    """
    import coremltools as ct
    from coremltools.optimize import coreml as cto

    config = cto.OptimizationConfig(global_config=cto.OpLinearQuantizerConfig(mode="linear_symmetric"))
    with patch_coremltools(force=True), hushed(), tempfile.TemporaryDirectory() as folder, temporary_files(folder):
        model = ct.models.MLModel(str(package), skip_model_load=True)
        activations = cto.linear_quantize_activations(model, config, [dict(sample) for sample in samples])
        cto.linear_quantize_weights(activations, config).save(str(result))
    return result


def milopt_w8a8(model: milopt.Model, statistics: milopt.CalibrationStatistics, options: Options) -> milopt.Model:
    """Int8 activations and weights by milopt; without options symmetric ones, as coremltools is asked for."""
    return milopt.optimize(model, target="iOS17", scheme="w8a8", statistics=statistics, **options).model


def milopt_w8(model: milopt.Model) -> milopt.Model:
    """Int8 weights alone: what is lost before any activation is quantized."""
    return milopt.optimize(model, target="iOS17", scheme="w8").model


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Without progress bars and warnings: coremltools shows some for every sample."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def temporary_files(folder: str) -> Iterator[None]:
    """Temporary files of this process go to a folder: coremltools deletes its own when the process ends, if at all."""
    before, tempfile.tempdir = tempfile.tempdir, folder
    try:
        yield
    finally:
        tempfile.tempdir = before

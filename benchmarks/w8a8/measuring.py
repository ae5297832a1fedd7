"""One case measured: what coremltools makes of it in every order, what milopt does, and how good each is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import milopt
import numpy as np
from milopt.ir.walking import walk

from .. import reporting
from .cases import Case
from .data import ORDERS, Data, Sample
from .tools import DEFAULT, VARIANTS, coremltools_w8a8, milopt_w8, milopt_w8a8

PRECISIONS = ("float32", "float16")
WEIGHTS_ALONE = "weights alone"
_WORDS = 200


@attrs.frozen
class Yardstick:
    """The float model and what all results are compared on.

    Attributes:
        model: in float.
        samples: held out.
        labels: of the samples; None without.
    """

    model: milopt.Model
    samples: list[Sample]
    labels: np.ndarray | None

    def measure(self, model: milopt.Model, precisions: Sequence[str] = PRECISIONS) -> dict[str, Any]:
        """A result's quantize ops, the SQNR of its outputs in dB, and of classifiers what it answers."""
        programs = model.programs.values()
        return {
            "quantize_ops": sum(op.op_type == "quantize" for program in programs for op in walk(program)),
            "sqnr_db": {precision: self._sqnr(model, precision) for precision in precisions},
            **({} if self.labels is None else self._answers(model, self.labels)),
        }

    def _sqnr(self, model: milopt.Model, precision: Any) -> dict[str, float | None]:
        found = milopt.compare(self.model, model, self.samples, precision="float32", other_precision=precision)
        return {output.name: output.sqnr_db for output in found.outputs}

    def _answers(self, model: milopt.Model, labels: np.ndarray) -> dict[str, Any]:
        (output,) = (feature.name for feature in milopt.Session(model).outputs)
        agreement = milopt.compare(self.model, model, self.samples, scores=[output]).outputs[0].agreement
        labelled = [{**sample, "label": label} for sample, label in zip(self.samples, labels, strict=True)]
        before, after = milopt.evaluate([self.model, model], labelled).accuracies
        return {
            "agreement_percent": None if agreement is None else agreement.percent,
            "accuracy_before_percent": before.percent,
            "accuracy_percent": after.percent,
        }


def measure(case: Case, *, variants: bool) -> dict[str, Any]:
    """All results of a case as plain values.

    Args:
        case: what to measure.
        variants: whether to try milopt's observers and modes, too.

    Raises:
        MissingModelError: the model is not here.
    """
    with TemporaryDirectory(prefix="milopt-benchmark-") as place:
        folder = Path(place)
        package = case.package(folder)
        found = case.data(package)
        yardstick = Yardstick(milopt.load(package), list(found.held_out), found.labels)
        return {
            "samples": len(found.calibration),
            "held_out": len(found.held_out),
            "coremltools": {order: _coremltools(package, found, order, yardstick) for order in ORDERS},
            "milopt": _milopt(package, found, yardstick, variants=variants),
        }


def _coremltools(package: Path, data: Data, order: str, yardstick: Yardstick) -> dict[str, Any]:
    """A result of coremltools, or the error that it ended with."""
    reporting.progress(f"  coremltools, {order}")
    result = package.with_name(f"{package.stem}-{order.replace(' ', '-')}.mlpackage")
    try:
        coremltools_w8a8(package, ORDERS[order](data.calibration), result)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is coremltools' result
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:_WORDS]}"}
    return yardstick.measure(milopt.load(result))


def _milopt(package: Path, data: Data, yardstick: Yardstick, *, variants: bool) -> dict[str, Any]:
    reporting.progress("  milopt")
    model = milopt.load(package)
    statistics = milopt.calibrate(model, data.calibration)
    chosen = VARIANTS if variants else {DEFAULT: VARIANTS[DEFAULT]}
    results = {name: milopt_w8a8(model, statistics, options) for name, options in chosen.items()}
    results[WEIGHTS_ALONE] = milopt_w8(model)
    return {
        name: yardstick.measure(result, PRECISIONS if name == DEFAULT else PRECISIONS[:1])
        for name, result in results.items()
    }

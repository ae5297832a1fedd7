"""milopt: a compiler pass pipeline and quantization system for Core ML MIL programs that needs no Mac."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ir.diagnostics import TextError as TextError
    from .ir.errors import CheckFailure as CheckFailure
    from .ir.errors import MiloptError as MiloptError
    from .ir.model import Model as Model
    from .ir.opening import load as load
    from .ir.text.printer import print_program as print_program
    from .ir.text.reading import parse_program as parse_program
    from .passes.analysis.calibration.statistics import CalibrationStatistics as CalibrationStatistics
    from .passes.analysis.collecting.calibrate import calibrate as calibrate
    from .passes.analysis.collecting.interruption import CalibrationInterrupted as CalibrationInterrupted
    from .passes.manager import PassManager as PassManager
    from .passes.proving.comparing.compare import compare as compare
    from .passes.proving.comparing.evaluate import evaluate as evaluate
    from .passes.proving.comparing.records import Comparison as Comparison
    from .pipelines.optimize import Optimization as Optimization
    from .pipelines.optimize import optimize as optimize
    from .pipelines.text import parse_pipeline as parse_pipeline
    from .runtime.session import Session as Session

# Importing coremltools takes a second, so that nothing of it is imported before it is used (PEP 562).
_HOMES = {
    "CalibrationInterrupted": ".passes.analysis.collecting.interruption",
    "CalibrationStatistics": ".passes.analysis.calibration.statistics",
    "CheckFailure": ".ir.errors",
    "Comparison": ".passes.proving.comparing.records",
    "MiloptError": ".ir.errors",
    "Model": ".ir.model",
    "Optimization": ".pipelines.optimize",
    "PassManager": ".passes.manager",
    "Session": ".runtime.session",
    "TextError": ".ir.diagnostics",
    "calibrate": ".passes.analysis.collecting.calibrate",
    "compare": ".passes.proving.comparing.compare",
    "evaluate": ".passes.proving.comparing.evaluate",
    "load": ".ir.opening",
    "optimize": ".pipelines.optimize",
    "parse_pipeline": ".pipelines.text",
    "parse_program": ".ir.text.reading",
    "print_program": ".ir.text.printer",
}

__all__ = [*sorted(_HOMES), "__version__"]  # noqa: PLE0604 - a list of strings, made from the table above


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("milopt")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)

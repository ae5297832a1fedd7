"""Mistakes in pipeline text: they know their place, and are still errors of pipelines and options."""

from __future__ import annotations

from ...ir.diagnostics import TextError
from ...ir.errors import OptionError, PipelineError


class PipelineTextError(TextError, PipelineError):
    """Text that does not follow the grammar, or whose pass, pipeline or anchor does not exist or does not fit."""


class OptionTextError(TextError, OptionError):
    """An option in a text that does not exist, or a value that it does not take."""

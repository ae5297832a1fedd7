"""coremltools' pipelines as elements of ours, options included."""

from __future__ import annotations

from typing import Any

from ..base import Pass
from ..pipeline import Pipeline
from ..registry import pass_class
from .passes import coremltools_pass, preset_pipeline

_OURS = "milopt::"  # how coremltools calls our own passes


def passes_of(pass_pipeline: Any) -> tuple[Pass | Pipeline, ...]:
    """The passes of a coremltools pipeline, for a pipeline on the whole program.

    Args:
        pass_pipeline: a `coremltools.PassPipeline`, or the name of one of coremltools' own, such as `default`.

    Raises:
        PipelineError: it names a pass, or is a name, that does not exist.
        OptionError: a pass has no such option, or not with its value.
    """
    given = preset_pipeline(pass_pipeline) if isinstance(pass_pipeline, str) else pass_pipeline
    return tuple(_element(pass_id, _options(given, pass_id)) for pass_id in given.passes)


def _options(pass_pipeline: Any, pass_id: str) -> dict[str, Any]:
    return {each.option_name: each.option_val for each in pass_pipeline.get_options(pass_id) or ()}


def _element(pass_id: str, options: dict[str, Any]) -> Pass | Pipeline:
    if not pass_id.startswith(_OURS):
        return coremltools_pass(pass_id, options)
    ours = pass_class(pass_id.removeprefix(_OURS)).from_options(options)
    return ours if ours.anchor == "program" else Pipeline("function", (ours,))

"""milopt's passes as coremltools' own manager runs them."""

from __future__ import annotations

from typing import Any

import coremltools as ct
from coremltools.converters.mil.mil.passes.graph_pass import PassOption
from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY


def set_up(pass_id: str, **options: Any) -> Any:
    """A new graph pass with these options, as coremltools' own manager makes it."""
    graph_pass = PASS_REGISTRY[pass_id]
    graph_pass.set_options([PassOption(name, value) for name, value in options.items()] or None)
    return graph_pass


def applied(program: Any, *passes: str, **options: dict[str, Any]) -> Any:
    """The program after these passes, run by coremltools' own manager."""
    pipeline = ct.PassPipeline.EMPTY
    for pass_id in passes:
        pipeline.append_pass(pass_id)
        if pass_id.partition("::")[2] in options:
            pipeline.set_options(pass_id, options[pass_id.partition("::")[2]])
    PassPipelineManager.apply_pipeline(program, pipeline)
    return program


def ops_of(specification: Any) -> list[str]:
    """The types of the ops of a model's main function, constants left out."""
    function = specification.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    return [each.type for each in block.operations if each.type != "const"]

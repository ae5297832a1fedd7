"""The pipeline `canonical-form`: our patterns, and the passes of coremltools that do another part of the work."""

from __future__ import annotations

import attrs

from ..passes.foreign.passes import coremltools_pass
from ..passes.options import option
from ..passes.pipeline import Member, NamedPipeline, Pipeline, program_pipeline
from ..passes.transforms.canonicalize import Canonicalize
from ..passes.transforms.fixed_point import FixedPoint

# What coremltools does right, and our patterns leave to it: equal ops of one value, and reshapes of reshapes. Left out,
# because they change results, are `cast_optimization` (int32 to fp32 to int32 rounds), `noop_elimination` (`floor_div`
# by 1, `resize_bilinear` to the same size) and `int_op_canonicalization` (scales that differ).
_REPEATED = ("common::merge_consecutive_reshapes", "common::remove_redundant_ops")
# Once, because nothing follows from it: what is left of constants becomes weights that stay compressed.
_LAST = ("common::dequantize_to_constexpr", "common::dead_code_elimination")


@attrs.frozen(kw_only=True)
class CanonicalForm(NamedPipeline):
    """Brings quantized programs into one form: `canonicalize` and passes of coremltools, until nothing changes."""

    exact: bool = option(default=True, help="only what changes no bit of any result")

    def build(self) -> tuple[Member, ...]:
        """The passes."""
        ours = Pipeline("function", (Canonicalize(exact=self.exact),))
        repeated = program_pipeline(ours, *(coremltools_pass(each, {}) for each in _REPEATED))
        return (FixedPoint(pipeline=repeated), *(coremltools_pass(each, {}) for each in _LAST))

"""Ops that the Neural Engine does not run, or only some generations of it; every other op is native."""

from __future__ import annotations

import functools

import attrs


@attrs.frozen
class Placement:
    """A group of ops.

    Attributes:
        op_types: of the group.
        since: the first generation that runs them, 14 for H14; None when none is known to.
        why: in words.
        source: who says so.
        reliability: of the source.
    """

    op_types: tuple[str, ...]
    since: int | None
    why: str
    source: str
    reliability: str


_GUIDE = "sbryngelson/ane-guide appendix A"
_MATRIX = "jafreck/ironmill docs/design/ane/ane-op-support-matrix.md"
PLACEMENTS = (
    Placement(("lstm", "gru", "rnn"), None, "it has no recurrent cells",
              f"{_GUIDE}; FluidInference/FluidAudio Documentation/ANE_Profiler.md", "B"),
    Placement(("cond", "while_loop"), None, "control flow is the CPU's work", _GUIDE, "B"),
    Placement(("gather", "gather_along_axis", "gather_nd"), None, "lookups are placed on the CPU",
              "apple/ml-ane-transformers README (its embedding ops, 4 of 606, ran on the CPU); coremltools "
              "converters/mil/frontend/torch/ops.py says otherwise in a comment", "B-"),
    Placement(("scatter", "scatter_along_axis", "scatter_nd"), None, "it has no scatter",
              "coremltools converters/mil/frontend/torch/ops.py (comments)", "A-"),
    Placement(("make_list", "list_gather", "list_length", "list_read", "list_scatter", "list_write"), None,
              "it has no tensor lists", _GUIDE, "B-"),
    Placement(("band_part", "non_zero", "one_hot", "range_1d", "shape", "sliding_windows"), None,
              "its result depends on data, or it makes indices", _GUIDE, "B-"),
    Placement(("acos", "asin", "atanh", "cosh", "mod", "random_bernoulli", "random_categorical", "random_normal",
               "reduce_prod", "reverse_sequence", "sinh", "tan"), None, "it has no such function",
              f"{_GUIDE}; {_MATRIX}", "B-"),
    Placement(("logical_and", "logical_or", "logical_xor"), None, "it has no such function",
              f"{_GUIDE}; {_MATRIX}", "B-"),
    Placement(("classify", "non_maximum_suppression"), None, "it is work for the CPU", _GUIDE, "B-"),
    Placement(("resize", "resize_bilinear", "resize_nearest_neighbor", "upsample_bilinear",
               "upsample_nearest_neighbor"), 14, "it has a unit for this from H14 on", _GUIDE, "B-"),
    Placement(("affine", "crop_resize", "resample"), 14, "it has a unit for this from H14 on", _GUIDE, "B-"),
    Placement(("argsort", "topk"), 14, "it sorts from H14 on", _GUIDE, "C"),
    Placement(("cos", "sin"), 15, "it has these functions from H15 on", _GUIDE, "B-"),
    Placement(("random_uniform",), 15, "it has a generator from H15 on", _GUIDE, "C"),
)  # fmt: skip


@functools.cache
def _by_type() -> dict[str, Placement]:
    return {op_type: placement for placement in PLACEMENTS for op_type in placement.op_types}


def missing_from_engine(op_type: str, generation: int) -> Placement | None:
    """Why the Neural Engine does not run ops of a type; None when it does, or may.

    Args:
        op_type: PyMIL's name.
        generation: of the Neural Engine.
    """
    placement = _by_type().get(op_type)
    if placement is None or placement.since is None:
        return placement
    return placement if generation < placement.since else None

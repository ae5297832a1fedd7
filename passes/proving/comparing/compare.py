"""`compare`: how far one model is from another, on samples."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from .comparer import Comparer
from .records import Comparison
from .running import AnyModel, RunSettings, Sample, samples_of

if TYPE_CHECKING:
    from ....runtime.types import Precision


def compare(  # noqa: PLR0913 - each is a choice of its own
    a: AnyModel,
    b: AnyModel,
    samples: Iterable[Sample] | str | os.PathLike[str],
    *,
    function: str | None = None,
    precision: Precision = "float32",
    other_precision: Precision | None = None,
    layers: bool = False,
    scores: Collection[str] = (),
    axis: int | None = None,
    carry_state: bool = False,
    threads: int | None = None,
    allow_missing_weights: bool = False,
) -> Comparison:
    """Runs two models on the same samples, and tells how far the second is from the first.

    One pass over the samples; only sums are kept, so that memory does not depend on their number.

    Args:
        a: the reference: a `milopt.Model`, the path of one (see `milopt.load`), or a PyMIL program.
        b: what is measured.
        samples: mappings of A's inputs to values; a list of such mappings is a sequence of calls that share their
            states. Or the path of an `.npz` or of a folder; see `milopt.runtime.samples`.
        function: the one to run; the default ones without it.
        precision: of float math; see `Session`.
        other_precision: of float math in B, if it is another one.
        layers: whether to compare the values inside that are in both, too; see `Comparer` for this and what follows.
        scores: the outputs that hold class scores.
        axis: the one that counts the classes in `scores`.
        carry_state: whether each sample goes on with the state that the one before left.
        threads: how many to compute with; as many as the machine has without it.
        allow_missing_weights: whether zeros may stand for weights that were missing.

    Raises:
        MiloptError: a model can not be read or run, or does not take the samples.
    """
    settings = RunSettings(
        function=function,
        precision=precision,
        threads=threads,
        carry_state=carry_state,
        allow_missing_weights=allow_missing_weights,
    )
    comparer = Comparer(a, b, settings, other_precision=other_precision, layers=layers, scores=tuple(scores), axis=axis)
    for sample in samples_of(samples, comparer.inputs):
        comparer.add(sample)
    return comparer.finish()

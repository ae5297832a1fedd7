"""`DataChecker`: is this data that a model can be calibrated with?

Wrong names, shapes and types are errors, at the sample that has them. Everything else is a remark with advice: values
that are not finite, constant or random-looking inputs, pixels scaled twice, indices past their tables, too few samples
or the same again and again. Samples stream: memory does not grow with their number, and a check costs little beside a
run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ....ir.errors import RunError
from ....runtime.surface.features import Feature
from ....runtime.surface.values import accepted
from ...remarks import Remark
from .inputs import InputFacts
from .program import expectation
from .rules import Finding, of_input, of_samples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....ir.model import Model
    from ....ir.pymil import Program

_SPEAKER = "calibrate"
_NUMBERS = frozenset({"array", "image", "double", "int64"})
_MOST_DIGESTS = 4_096  # what repeats only after so many samples does no harm

Sample = TypeVar("Sample", bound="Mapping[str, Any] | Sequence[Mapping[str, Any]]")


def is_of_data(remark: Remark) -> bool:
    """Whether a remark is about samples and not about the model."""
    return remark.pass_name == _SPEAKER


class DataChecker:
    """Looks at samples one by one.

    Args:
        inputs: what the model takes; see `Session.inputs`.
        name: of the function, for remarks.
        function: the PyMIL function, which says more about its inputs; None where there is no single one.
    """

    def __init__(self, inputs: Sequence[Feature], name: str = "main", function: Any = None) -> None:
        self._inputs, self._name = tuple(inputs), name
        self._facts = {
            feature.name: InputFacts(feature, expectation(function, feature.name))
            for feature in inputs
            if feature.kind in _NUMBERS
        }
        self._samples = self._calls = self._repeated = 0
        self._digests: set[bytes] = set()

    @classmethod
    def of(cls, model: Model | Program, function: str | None = None) -> DataChecker:
        """The checker for a function of a model or PyMIL program; the default one without a name.

        Raises:
            RunError: there is no such function.
        """
        from .surface import surface_of

        return cls(*surface_of(model, function))

    def observe(self, sample: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
        """Looks at one sample: a mapping of inputs, or a sequence of them that share a state.

        Raises:
            RunError: an input is missing, unknown, or not what the model takes; says in which sample.
        """
        place = f"sample {self._samples}"
        if isinstance(sample, Sequence):
            digests = [self._observe(inputs, f"{place}, call {call}") for call, inputs in enumerate(sample)]
        else:
            digests = [self._observe(sample, place)]
        self._remember(b"".join(digests))
        self._samples += 1
        self._calls += len(digests)

    def watch(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The samples, each looked at before it is handed on."""
        for sample in samples:
            self.observe(sample)
            yield sample

    def finish(self, *, is_whole: bool = True) -> tuple[Remark, ...]:
        """What there is to say about all samples so far, those on the samples as a whole first.

        Args:
            is_whole: whether these were all samples; nothing is said of a part of them as a whole.
        """
        findings = of_samples(self._samples, self._calls, self._repeated) if is_whole else ()
        whole = [self._remark("samples", finding) for finding in findings]
        parts = [
            self._remark(name, finding)
            for name, facts in self._facts.items()
            for finding in of_input(facts)
            if finding.code != "same-in-all-samples" or self._repeated < self._samples - 1
        ]
        return (*whole, *parts)

    def _observe(self, sample: Any, where: str) -> bytes:
        """Looks at one call; gives its digest."""
        try:
            values = accepted(self._inputs, sample)
        except RunError as error:
            place = f"{where}, {error.where}" if error.where else where
            raise RunError(error.message, where=place, hint=error.hint) from None
        whole = blake2b(digest_size=12)
        for name in sorted(values.keys() & sample.keys()):
            facts, value = self._facts.get(name), values[name]
            if facts is not None and facts.feature.dtype == "float16":
                value = sample[name]  # as it was before it became fp16, which may have made it infinite
            whole.update(repr(value).encode() if facts is None else facts.observe(np.asarray(value), self._samples))
        return whole.digest()

    def _remember(self, found: bytes) -> None:
        self._repeated += found in self._digests
        if len(self._digests) < _MOST_DIGESTS:
            self._digests.add(found)

    def _remark(self, name: str, finding: Finding) -> Remark:
        return Remark(
            kind=finding.kind,
            pass_name=_SPEAKER,
            function=self._name,
            op=name,
            op_type="input",
            code=finding.code,
            message=finding.message,
            suggestion=finding.suggestion,
            source=finding.source,
            data=dict(finding.data),
        )

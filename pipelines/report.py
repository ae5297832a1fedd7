"""What an optimization did, as a record: for tables and for JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from ..passes.base import Pass
from ..passes.remarks import Remark
from ..passes.transforms.insert_quantize_dequantize import InsertQuantizeDequantize
from ..passes.transforms.quantize_weights import QuantizeWeights
from .schemes import scheme_named


@attrs.frozen
class Report:
    """What was done to a model.

    Attributes:
        model: its name.
        opset_before: the opset that it came with.
        target: the opset that it has now.
        scheme: the scheme's name.
        pipeline: the text of the pipeline that ran.
        remarks: everything the passes said, in order.
        samples: what there is to say about the samples that it was calibrated on.
        notes: what is known to go wrong with such models.
        weight_bytes_before: bytes of constants in weight files, before.
        weight_bytes_after: the same, after.
        package_bytes_before: bytes of the whole package on disk; None for a model without one.
        package_bytes_after: the same of the result; None until it was saved.
    """

    model: str
    opset_before: str
    target: str
    scheme: str
    pipeline: str
    remarks: tuple[Remark, ...]
    notes: tuple[str, ...]
    weight_bytes_before: int
    weight_bytes_after: int
    samples: tuple[Remark, ...] = ()
    package_bytes_before: int | None = None
    package_bytes_after: int | None = None

    @property
    def done(self) -> tuple[Remark, ...]:
        """The remarks on weights that were compressed."""
        return self._passed(QuantizeWeights)

    @property
    def activations(self) -> tuple[Remark, ...]:
        """The remarks on activations that were quantized."""
        return self._passed(InsertQuantizeDequantize)

    def _passed(self, cls: type[Pass]) -> tuple[Remark, ...]:
        return tuple(each for each in self.remarks if each.kind == "passed" and each.pass_name == cls.pass_name())

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the scheme is for and did not do anywhere, in words."""
        found = []
        if self.scheme != "none" and not self.done and not self.activations:
            found.append("nothing was compressed")
        if scheme_named(self.scheme).needs_samples and not self.activations:
            found.append("no activation was quantized")
        return tuple(found)

    @property
    def left_alone(self) -> tuple[Remark, ...]:
        """The remarks on what was not."""
        return tuple(remark for remark in self.remarks if remark.kind != "passed")

    @property
    def missed(self) -> tuple[Remark, ...]:
        """The remarks on what could have been compressed, were something different."""
        return tuple(remark for remark in self.remarks if remark.kind in ("missed", "failed"))

    @property
    def reasons(self) -> dict[str, int]:
        """How many ops were left alone for which reason, the most frequent first."""
        return dict(Counter(remark.code for remark in self.left_alone).most_common())

    @property
    def weight_ratio(self) -> float:
        """Weight bytes before over after; 1 for a model without weights."""
        return self.weight_bytes_before / self.weight_bytes_after if self.weight_bytes_after else 1.0

    @property
    def package_ratio(self) -> float | None:
        """Package bytes before over after, when both are known."""
        if self.package_bytes_before is None or self.package_bytes_after is None:
            return None
        return self.package_bytes_before / self.package_bytes_after

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        plain = attrs.asdict(self)
        return plain | {
            "weight_ratio": self.weight_ratio,
            "package_ratio": self.package_ratio,
            "reasons": self.reasons,
            "lacking": self.lacking,
            "compressed": len(self.done),
            "quantized_activations": len(self.activations),
            "missed": len(self.missed),
        }

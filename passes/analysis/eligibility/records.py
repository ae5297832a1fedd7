"""What is asked, and what is answered: conditions, verdicts, and one record for each op."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from ....ir.errors import OptionError, did_you_mean, quoted
from ....ir.targets import Opset
from .chips import OLDEST_GENERATION, Chip

if TYPE_CHECKING:
    from ..calibration.statistics import CalibrationStatistics

ComputeUnit = Literal["all", "ne", "gpu", "cpu"]
"""Where the model may run: `ne`, `gpu` and `cpu` are the unit that it is meant for, `all` leaves it to Core ML."""

COMPUTE_UNITS: tuple[ComputeUnit, ...] = get_args(ComputeUnit)

Level = Literal["eligible", "advised-against", "not-encodable", "not-applicable"]
"""`eligible`: it can be done and nothing speaks against it, though there may be something to know. `advised-against`:
it can be done, and does not pay or is known to go wrong. `not-encodable`: it can not be done. `not-applicable`: there
is nothing to quantize."""

LEVELS: tuple[Level, ...] = get_args(Level)


@attrs.frozen(kw_only=True)
class Conditions:
    """What a program shall run on.

    Attributes:
        target: the deployment target's opset.
        compute_unit: see `ComputeUnit`.
        chip: None for every chip from `OLDEST_GENERATION` on; what is known of single chips is then left out.
        statistics: of a calibration of the program; None leaves ranges out of the question.
    """

    target: Opset
    compute_unit: ComputeUnit = "all"
    chip: Chip | None = None
    statistics: CalibrationStatistics | None = None

    @property
    def generation(self) -> int:
        """Of the Neural Engine, whose limits count; those of later ones are wider."""
        return OLDEST_GENERATION if self.chip is None else self.chip.generation

    @property
    def may_use_engine(self) -> bool:
        """Whether the Neural Engine may run it."""
        return self.compute_unit in ("all", "ne")


def parse_compute_unit(name: str) -> ComputeUnit:
    """The compute unit of a name, whatever its case.

    Raises:
        OptionError: there is none of this name.
    """
    for unit in COMPUTE_UNITS:
        if unit == name.lower():
            return unit
    hint = did_you_mean(name, COMPUTE_UNITS) or f"one of {', '.join(COMPUTE_UNITS)}"
    raise OptionError(f"unknown compute unit {quoted(name)}", hint=hint)


@attrs.frozen
class Verdict:
    """What a scheme means for an op.

    Attributes:
        level: see `Level`.
        code: of the rule that decided, for machines.
        reason: for people.
        suggestion: what would change it, if anything.
        source: where the rule comes from.
        reliability: of the source: A is the vendor's own word or code, B measured by others, C a single report.
    """

    level: Level
    code: str
    reason: str
    suggestion: str | None
    source: str
    reliability: str

    @property
    def eligible(self) -> bool:
        """Nothing speaks against it."""
        return self.level == "eligible"

    @property
    def encodable(self) -> bool:
        """It can be done, advisable or not."""
        return self.level in ("eligible", "advised-against")

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"eligible": self.eligible, **attrs.asdict(self)}


Verdicts = Mapping[str, Verdict]
"""By the scheme's name."""


@attrs.frozen
class WeightEligibility:
    """One weight of an op.

    Attributes:
        name: the constant's, or the value's that stands in its place.
        parameter: the op's input that it is.
        shape: of it; None for a size that is not known.
        bytes: that it takes now.
        verdicts: by the weight schemes.
        bytes_after: that it would take, by the weight schemes that can encode it.
    """

    name: str
    parameter: str
    shape: tuple[int | None, ...]
    bytes: int
    verdicts: Verdicts
    bytes_after: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        verdicts = {name: verdict.as_json() for name, verdict in self.verdicts.items()}
        plain = {"name": self.name, "parameter": self.parameter, "shape": list(self.shape), "bytes": self.bytes}
        return plain | {"verdicts": verdicts, "bytes_after": dict(self.bytes_after)}


@attrs.frozen
class OpEligibility:
    """One op.

    Attributes:
        function: that it stands in.
        op: its name.
        op_type: its type.
        blocks: the nested blocks around it, the outermost first: `choice[0]` is the first block of the op `choice`.
        verdicts: by scheme, one for each of `SCHEMES`. Of several weights the best one's verdict counts.
        weights: each of its weights.
    """

    function: str
    op: str
    op_type: str
    blocks: tuple[str, ...]
    verdicts: Verdicts
    weights: tuple[WeightEligibility, ...]

    @property
    def depth(self) -> int:
        """How many nested blocks it stands in."""
        return len(self.blocks)

    @property
    def is_concerned(self) -> bool:
        """Whether any scheme has something to do with it."""
        return any(verdict.level != "not-applicable" for verdict in self.verdicts.values())

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "function": self.function,
            "op": self.op,
            "op_type": self.op_type,
            "blocks": list(self.blocks),
            "verdicts": {name: verdict.as_json() for name, verdict in self.verdicts.items()},
            "weights": [weight.as_json() for weight in self.weights],
        }

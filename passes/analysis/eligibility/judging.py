"""`eligibility_of`: which ops of a program each scheme fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....ir.errors import Subject, TargetError
from ....ir.targets import Opset
from ....ir.walking import walk
from ...analyses import AnalysisManager
from .analysis import Eligibility
from .chips import Chip, parse_chip
from .records import Conditions, OpEligibility, parse_compute_unit

if TYPE_CHECKING:
    from ..calibration.statistics import CalibrationStatistics


def eligibility_of(
    program: Any,
    target: Opset | None = None,
    compute_unit: str = "all",
    chip: Chip | str | None = None,
    statistics: CalibrationStatistics | None = None,
) -> tuple[OpEligibility, ...]:
    """What each scheme of `SCHEMES` means for each op of a program, nested blocks included.

    Args:
        program: PyMIL; it is not changed.
        target: the deployment target's opset; the program's own without it.
        compute_unit: where it shall run: `ne`, `gpu` or `cpu`, or `all` to leave it to Core ML.
        chip: that it shall run on, such as `A17 Pro`; without it, any.
        statistics: of a calibration of this program; without them, ranges are no question.

    Raises:
        TargetError: the program can not have this target.
        OptionError: there is no such compute unit or chip.
    """
    from ....ir.pymil import opset_of

    conditions = Conditions(
        target=opset_of(program) if target is None else target,
        compute_unit=parse_compute_unit(compute_unit),
        chip=parse_chip(chip) if isinstance(chip, str) else chip,
        statistics=statistics,
    )
    _require_reachable(program, conditions.target)
    return AnalysisManager(program).get(Eligibility).under(conditions)


def _require_reachable(program: Any, target: Opset) -> None:
    """What `raise_opset` would refuse; it changes what it does not refuse, which this must not."""
    from ....ir.pymil import opset_of
    from ....ir.upgrading import NOT_RAISABLE

    now = opset_of(program)
    if now > target:
        hint = f"choose {now} or a later target, or convert the model anew for {target}"
        raise TargetError(f"the model needs {now}; it can not be lowered to {target}", hint=hint)
    changes = {change.op_type: change for change in NOT_RAISABLE if now < change.since <= target}
    for op in walk(program) if changes else ():
        if op.op_type in changes:
            change = changes[op.op_type]
            raise TargetError(
                f"{op.op_type} {op.name!r} can not be raised to {target}: {change.reason}",
                hint=f"choose a target before {change.since}",
                subject=Subject(None, op.name, op.op_type),
            )

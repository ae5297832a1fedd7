"""Which values get a pair of `quantize` and `dequantize`, decided before anything changes, with all reasons."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs

from ....ir.walking import walk
from ..calibration.statistics import CalibrationStatistics
from ..refusal import Refusal
from .choices import Choices
from .classes import carried_from, origin
from .decisions import ActivationPlan, Coding, Decision, OpDecision
from .evidence import Witness
from .existing import dequantized_twin, is_dequantized
from .groups import Groups
from .routes import Homes, ends_of, in_front_of_casts, leads_out, movers_in_front
from .sites import Site, find_sites
from .tables import FLOAT_READERS, STATE_WRITERS
from .values import is_activation, readers


def plan_activations(
    program: Any, statistics: CalibrationStatistics | None = None, choices: Choices | None = None
) -> ActivationPlan:
    """What to do with the activations of a program's functions.

    Args:
        program: a PyMIL program, of iOS 17 or later.
        statistics: what calibration found; without them only ranges that ops give by themselves are known.
        choices: see `Choices`.

    Raises:
        StatisticsError: an observer needs what was not collected.
    """
    plans = (
        plan_function(function, name, statistics, choices or Choices()) for name, function in program.functions.items()
    )
    return sum(plans, ActivationPlan())


def plan_function(
    function: Any, name: str, statistics: CalibrationStatistics | None, choices: Choices
) -> ActivationPlan:
    """What to do with the activations of one function, nested blocks included; see `plan_activations`."""
    planner = _Planner(function, name, Witness(name, statistics, choices))
    return planner.plan()


@attrs.define(eq=False)
class _Request:
    """A value that is to be quantized, in one block."""

    readers: dict[Any, None] = attrs.field(factory=dict)
    is_result: bool = False
    is_output: bool = False


class _Planner:
    def __init__(self, function: Any, name: str, witness: Witness) -> None:
        self._function, self._name = function, name
        self._choices, self._statistics = witness.choices, witness.statistics
        self._sites = find_sites(function)
        self._groups = Groups(function, self._sites, witness)
        self._homes = Homes(function)
        self._numbers = {operation: number for number, operation in enumerate(walk(function))}
        self._requests: dict[tuple[Any, Any], _Request] = {}

    def plan(self) -> ActivationPlan:
        """Decides in three steps: which ops, what leaves them, which values get a pair."""
        refusals = [(site, self._groups.refusal(site)) for site in self._sites]
        ops = [OpDecision(site.op, self._name, refusal, self._ask(site, refusal)) for site, refusal in refusals]
        if self._choices.outputs:
            self._ask_for_outputs()
        pairs = sorted(filter(None, map(self._decide, self._requests)), key=self._position)
        is_measured = self._statistics is not None and self._name in self._statistics.functions
        coverage = self._groups.coverage() if is_measured else (0, 0)
        return ActivationPlan(tuple(pairs), tuple(ops), *coverage, is_measured)

    def _ask(self, site: Site, refusal: Refusal | None) -> Refusal | None:
        """Asks for what a quantized op takes and gives; tells why what it gives stays float."""
        if refusal is not None:
            return None
        for value in site.inputs:
            if not _is_decoded(value) and not self._groups.is_foreign(value):
                self._request(value, site.op).readers[site.op] = None
        result = site.fused.result
        reason = self._unwanted(site) or self._groups.unknown(result)
        if reason is None:
            self._request(result, None).is_result = True
        return reason

    def _request(self, value: Any, reader: Any) -> _Request:
        return self._requests.setdefault((value, self._homes.of(value, reader)), _Request())

    def _unwanted(self, site: Site) -> Refusal | None:
        """Why what leaves an op stays float, whatever its range."""
        obstacle, ends = site.fused.obstacle, ends_of(site.fused.result, self._groups.idle)
        if obstacle is not None:
            message = f"{obstacle.op_type} {obstacle.name!r} with constants stands behind it: no pair in between"
            hint = "fuse it before: coremltools' common::fuse_conv_batchnorm, fuse_conv_scale, fuse_conv_bias and such"
            return Refusal("missed", "not-fused", message, hint)
        if "op" in ends or (self._choices.outputs and "output" in ends):
            return None
        if "float" in ends:
            found = next(iter(each.op_type for each in readers(site.fused.result) if each.op_type in FLOAT_READERS), "")
            source = FLOAT_READERS.get(found)
            return Refusal("analysis", "float-readers", "what reads its result is computed in floats", source=source)
        message = "its result is an output or goes to a state, and stays float"
        return Refusal(
            "analysis", "output", message, None if self._choices.outputs else "outputs=true quantizes outputs"
        )

    def _ask_for_outputs(self) -> None:
        for value in self._function.outputs:
            source, reader = in_front_of_casts(value)
            if source.op is None or not is_activation(source) or _is_decoded(source):
                continue
            if self._groups.unknown(source) is not None:
                continue
            request = self._request(source, None)
            if reader is None:
                request.is_output = True
            else:
                request.readers[reader] = None

    def _decide(self, key: tuple[Any, Any]) -> Decision | None:
        """The decision about a value; None if nothing is to be done."""
        (value, block), request = key, self._requests[key]
        takers = self._takers(value, request)
        if not takers and not request.is_output:
            return None
        if not request.is_result and not request.is_output and self._is_carried(value):
            return None
        coding = self._coding(value)
        return Decision(
            tensor=value,
            function=self._name,
            block=block,
            group=coding.group,
            scheme=coding.scheme,
            range=coding.range,
            words=coding.words,
            readers=takers,
            is_output=request.is_output,
            twin=dequantized_twin(value, coding.scheme, block, takers, self._numbers),
        )

    def _coding(self, value: Any) -> Coding:
        """How a value is quantized."""
        source = self._in_front_of_relu(origin(value))
        return self._groups.coding(value) if source is None else self._groups.coding_behind_relu(value, source)

    def _in_front_of_relu(self, value: Any) -> Any | None:
        """The value whose dequantized numbers, as they are or moved, a relu takes; None if no relu makes a value."""
        reader = value.op if value.op is not None and value.op.op_type == "relu" else None
        source = None if reader is None else reader.x
        while source is not None and source.op is not None:
            if is_dequantized(source):
                return None if self._groups.is_foreign(source) else source
            request = self._requests.get((source, source.op.enclosing_block))
            if request is not None and request.is_result and reader in self._takers(source, request):
                return source
            reader, source = source.op, carried_from(source)
        return None

    def _takers(self, value: Any, request: _Request) -> tuple[Any, ...]:
        """The ops that take the dequantized value: of what leaves an op, all that may."""
        return tuple(filter(partial(self._may_take, value), readers(value)) if request.is_result else request.readers)

    def _may_take(self, value: Any, reader: Any) -> bool:
        """Whether an op takes the result of another through its pair, though it might not ask for that."""
        if reader.op_type == "quantize" or reader.op_type in STATE_WRITERS or self._choices.skips(reader):
            return False
        return self._choices.outputs or not leads_out(value, reader, self._groups.idle)

    def _is_carried(self, value: Any) -> bool:
        """Whether a value stands on codes already, which only move on the way to it."""
        source = value
        for operation in movers_in_front(value):
            source = operation.x
        if source is value or source.op is None:
            return False
        if is_dequantized(source):
            return len(readers(source)) == 1
        request = self._requests.get((source, source.op.enclosing_block))
        return request is not None and request.is_result and len(self._takers(source, request)) == 1

    def _position(self, decision: Decision) -> int:
        return -1 if decision.tensor.op is None else self._numbers[decision.tensor.op]


def _is_decoded(value: Any) -> bool:
    """Whether a value stands on codes, those of constants included."""
    return value.op is not None and value.op.op_type == "dequantize"

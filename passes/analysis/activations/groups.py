"""Groups of values that share a scale, which ops may be quantized by what is known of them, and with which codes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import attrs
import numpy as np

from ....ir.pymil import dtype_of
from ...canonicalization.schemes import Scheme
from ..calibration.tensor_statistics import Range
from .classes import Classes, origin
from .evidence import Evidence, Refusal, Witness, first_known
from .existing import is_dequantized, schemes_in
from .routes import idle_joins, is_passed_on
from .scaling import Codes, scheme_for
from .sites import Site
from .vanishing import Shares, is_power

_FORCE = "an override with force=true quantizes it"
_FOUND = "the program has this scale already"
_UNKNOWN = frozenset({"no-statistics", "other-type"})


@attrs.frozen(eq=False)
class Coding:
    """How the values of a group are quantized.

    Attributes:
        scheme: scale, zero point and type of the codes.
        range: the range that it was made for; None where the program had the scheme already.
        words: where that is known from.
    """

    scheme: Scheme
    range: Range | None
    words: str


class Groups:
    """The groups of a function's values.

    Args:
        function: a PyMIL function.
        sites: its sites.
        witness: knows the ranges.
    """

    def __init__(self, function: Any, sites: list[Site], witness: Witness) -> None:
        self._witness = witness
        self._idle = idle_joins(sites)
        self._classes = Classes()
        self._evidence: dict[Any, Evidence | Refusal] = {}
        self._codings: dict[Any, Coding] = {}
        self._shares = Shares()
        self._found: dict[Any, Scheme] = {}
        for value, scheme in schemes_in(function):
            self._found.setdefault(origin(value), scheme)

    def refusal(self, site: Site) -> Refusal | None:
        """Why an op is left alone; the values that it joins are one group from then on, if it is not."""
        if site.op in self._idle:
            return Refusal("analysis", "idle", "no op that computes with quantized activations takes its output")
        unknown = (self._unknown(value) for value in site.inputs)
        refusal = _structural(site, self._witness) or next(filter(None, unknown), None)
        if refusal is None and not self._witness.choices.forces(site.op):
            refusal = self._loss(site)
        if refusal is None and site.row.constants == "join":
            refusal = self._join(site)
        return refusal

    def _loss(self, site: Site) -> Refusal | None:
        """Why an op is left alone though all is known: 8 bits would take too much away."""
        if is_power(site.op):
            message = "it makes a power whose root or logarithm is taken, which asks for small numbers too"
            return Refusal("analysis", "power", message, _FORCE)
        result = [site.fused.result] if is_passed_on(site.fused) else []
        return next(filter(None, map(self._vanishing, [*site.inputs, *result])), None)

    def _vanishing(self, value: Any) -> Refusal | None:
        """Why a value is not quantized though its range is known."""
        found = self._evidence.get(origin(value)) if self._unknown(value) is None else None
        return self._too_coarse([found]) if isinstance(found, Evidence) else None

    def _too_coarse(self, known: list[Evidence]) -> Refusal | None:
        """Why values do not share a scale, or one has none: it would make too many of their numbers 0."""
        limit = self._witness.choices.max_vanishing
        if limit >= 1 or all(each.statistics is None for each in known):
            return None
        scale = float(self._scheme(known)[0].scale)
        shares = {each: self._shares.vanishing(each, scale) for each in known}
        worst = max(known, key=shares.__getitem__)
        if shares[worst] <= limit:
            return None
        name, share = worst.value.name, shares[worst]
        message = f"{share:.0%} of the numbers in {name!r} would become 0, being so small beside the greatest"
        others = " of all that it would share a scale with" if len(known) > 1 else ""
        return Refusal("missed", "vanishing", message + others, f"{_FORCE}, or raise max-vanishing")

    def _join(self, site: Site) -> Refusal | None:
        for value in site.inputs:
            if self.is_foreign(value):
                message = f"{value.name!r} has a scale for each channel, which not all inputs can share"
                return Refusal("missed", "per-channel", message, "quantize it with one scale")
        members = dict.fromkeys(each for value in site.inputs for each in self._classes.members(value))
        known = [each for each in map(self._evidence.get, members) if isinstance(each, Evidence)]
        refusal = None if self._witness.choices.forces(site.op) or not known else self._too_coarse(known)
        if refusal is not None:
            return refusal
        for value in site.inputs:
            self._classes.unite(site.op.outputs[0], value)
        return None

    def is_foreign(self, value: Any) -> bool:
        """Whether a value stands on codes that no scheme of ours describes: it is quantized, and stays as it is."""
        return is_dequantized(origin(value)) and origin(value) not in self._found

    def unknown(self, value: Any) -> Refusal | None:
        """Why a value has no range."""
        if self.is_foreign(value):
            return Refusal("analysis", "per-channel", f"{value.name!r} comes from codes with a scale for each channel")
        if any(self._is_known(each) for each in self._classes.members(value)):
            return None
        return self._unknown(value)

    def _unknown(self, value: Any) -> Refusal | None:
        source = origin(value)
        self._classes.members(source)
        if source in self._found or self.is_foreign(source):
            return None
        if not isinstance(self._evidence.get(source), Evidence):
            self._evidence[source] = first_known(self._witness, value)
        found = self._evidence[source]
        return found if isinstance(found, Refusal) else None

    def coding(self, value: Any) -> Coding:
        """How a value is quantized that has a range: as it is already, or as its group is."""
        own = self._found.get(origin(value))
        if own is not None:
            return Coding(own, None, _FOUND)
        members = self._classes.members(value)
        if members[0] not in self._codings:
            self._codings[members[0]] = self._decide(members)
        return self._codings[members[0]]

    def number(self, value: Any) -> int:
        """The number of a value's group."""
        return self._classes.number(value)

    def coverage(self) -> tuple[int, int]:
        """Of how many values only statistics can tell the range, and of how many of these they do."""
        asked = [value for value in self._evidence if self._witness.needs_statistics(value)]
        refusals = (self._evidence[value] for value in asked)
        return len(asked), sum(not (isinstance(each, Refusal) and each.code in _UNKNOWN) for each in refusals)

    def _is_known(self, source: Any) -> bool:
        return source in self._found or isinstance(self._evidence.get(source), Evidence)

    def _decide(self, members: list[Any]) -> Coding:
        found = [self._found[each] for each in members if each in self._found]
        if found:
            return Coding(max(found, key=lambda scheme: float(scheme.scale * scheme.reach)), None, _FOUND)
        known = [each for each in map(self._evidence.get, members) if isinstance(each, Evidence)]
        return Coding(*self._scheme(known), ", ".join(dict.fromkeys(each.words for each in known)))

    def _scheme(self, known: list[Evidence]) -> tuple[Scheme, Range]:
        """The scheme for values that share one, and the range that it is for."""
        codes = self._codes(known)
        measured = self._union(known, codes)
        number = np.dtype(dtype_of(known[0].value).numpy)
        return scheme_for(measured, codes, self._witness.choices.dtype, number), measured

    def _codes(self, known: list[Evidence]) -> Codes:
        mode = self._witness.choices.mode_of(known[0].value)
        if mode == "unsigned-after-relu":
            return "unsigned" if all(each.is_never_negative for each in known) else "symmetric"
        return mode

    def _union(self, known: Iterable[Evidence], codes: Codes) -> Range:
        chosen = {"symmetric": codes != "affine", "unsigned": codes == "unsigned"}
        return reduce(Range.union, (self._witness.range_of(each, **chosen) for each in known))


def _structural(site: Site, witness: Witness) -> Refusal | None:
    """Why an op is left alone, whatever is known of its values."""
    if witness.choices.skips(site.op):
        return Refusal("analysis", "skipped", "an override skips it")
    if site.constant is None:
        return None
    if site.row.constants == "refuse":
        message = f"its operand {site.constant.name!r} is not computed: only ops on two activations are quantized"
        return Refusal("analysis", "constant-operand", message, source=site.row.source)
    message = f"its weight {site.constant.name!r} is computed"
    return Refusal("missed", "computed-weight", message, "write it as a matmul")

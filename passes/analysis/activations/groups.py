"""Groups of values that share a scale, which ops may be quantized by what is known of them, and with which codes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import numpy as np

from ....ir.pymil import dtype_of
from ...canonicalization.schemes import Scheme
from ..calibration.tensor_statistics import Range
from ..refusal import Refusal
from .classes import Classes, origin
from .decisions import Coding
from .evidence import FORCE, Evidence, Witness, first_known
from .existing import is_dequantized, schemes_in
from .routes import idle_joins, is_passed_on
from .scaling import Codes, scheme_for, unsigned
from .sharing import disagreement, is_symmetric, misfit, told_by_codes
from .sites import Site, structural_refusal
from .vanishing import Shares, has_histogram, is_power

_FOUND = "the program has this scale already"
_UNKNOWN = frozenset({"no-statistics", "other-type"})


class Groups:
    """The groups of a function's values.

    Args:
        function: a PyMIL function.
        sites: its sites.
        witness: knows the ranges.

    Attributes:
        idle: the ops that put values together for nothing.
    """

    def __init__(self, function: Any, sites: list[Site], witness: Witness) -> None:
        self._witness = witness
        self.idle = idle_joins(sites, is_output_quantized=witness.choices.outputs)
        self._classes = Classes()
        self._evidence: dict[Any, Evidence | Refusal] = {}
        self._codings: dict[Any, Coding] = {}
        self._shares = Shares()
        self._found: dict[Any, Scheme] = {}
        for value, scheme in schemes_in(function):
            self._found.setdefault(origin(value), scheme)

    def refusal(self, site: Site) -> Refusal | None:
        """Why an op is left alone; the values that it joins are one group from then on, if it is not."""
        if site.op in self.idle:
            return Refusal("analysis", "idle", "no op that computes with quantized activations takes its output")
        unknown = (self._unknown(value) for value in site.inputs)
        refusal = structural_refusal(site, self._witness.choices) or next(filter(None, unknown), None)
        if refusal is None and not self._witness.choices.forces(site.op):
            refusal = self._loss(site)
        if refusal is None and site.row.constants == "join":
            refusal = self._join(site)
        return refusal

    def _loss(self, site: Site) -> Refusal | None:
        """Why an op is left alone though all is known: 8 bits would take too much away."""
        if is_power(site.op):
            message = "it makes a power whose root or logarithm is taken, which asks for small numbers too"
            return Refusal("analysis", "power", message, FORCE)
        result = [site.fused.result] if is_passed_on(site.fused, self.idle) else []
        return next(filter(None, map(self._vanishing, [*site.inputs, *result])), None)

    def _vanishing(self, value: Any) -> Refusal | None:
        """Why a value is not quantized though its range is known."""
        found = self._evidence.get(origin(value)) if self._unknown(value) is None else None
        return self._too_coarse([found]) if isinstance(found, Evidence) else None

    def _too_coarse(self, known: list[Evidence], scheme: Scheme | None = None) -> Refusal | None:
        """Why values do not share a scale, or one has none: it would make too many of their numbers 0."""
        limit, is_alone = self._witness.choices.max_vanishing, scheme is None and len(known) == 1
        if limit >= 1 or (is_alone and not has_histogram(known[0])):
            return None
        if scheme is not None:
            return self._shares.refusal(known, scheme, limit, " under the scale that the program has already")
        others = "" if is_alone else " of all that it would share a scale with"
        why = f", being so small beside the greatest{others}"
        return self._shares.refusal(known, self._scheme(known)[0], limit, why)

    def _join(self, site: Site) -> Refusal | None:
        """Makes what an op puts together one group; tells why not."""
        for value in site.inputs:
            if self.is_foreign(value):
                message = f"{value.name!r} has a scale for each channel, which not all inputs can share"
                return Refusal("missed", "per-channel", message, "quantize it with one scale")
        refusal = self._unshared(site)
        for value in site.inputs if refusal is None else ():
            self._classes.unite(site.op.outputs[0], value)
        return refusal

    def _unshared(self, site: Site) -> Refusal | None:
        """Why the values that an op puts together do not share a scale."""
        members = dict.fromkeys(each for value in site.inputs for each in self._classes.members(value))
        known = [each for each in map(self._evidence.get, members) if isinstance(each, Evidence)]
        found = [self._found[each] for each in (*members, site.op.outputs[0]) if each in self._found]
        misfits = (self._misfit(found[0], each) for each in known if found)
        refusal = disagreement(found) or next(filter(None, misfits), None)
        if refusal is not None or not known or self._witness.choices.forces(site.op):
            return refusal
        return self._too_coarse(known, *found[:1])

    def _misfit(self, scheme: Scheme, known: Evidence) -> Refusal | None:
        """Why a value does not share a scheme of the program."""
        measured = self._witness.range_of(known, symmetric=is_symmetric(scheme), unsigned=False)
        return misfit(scheme, known.value.name, measured)

    def is_foreign(self, value: Any) -> bool:
        """Whether a value stands on codes that no scheme of ours describes: it is quantized, and stays as it is."""
        return is_dequantized(origin(value)) and origin(value) not in self._found

    def unknown(self, value: Any) -> Refusal | None:
        """Why a value has no range."""
        if self.is_foreign(value):
            return Refusal("analysis", "per-channel", f"{value.name!r} comes from codes with a scale for each channel")
        return self._unknown(value)

    def _unknown(self, value: Any) -> Refusal | None:
        source = origin(value)
        members = self._classes.members(source)
        if source in self._found or self.is_foreign(source):
            return None
        if not isinstance(self._evidence.get(source), Evidence):
            found = first_known(self._witness, value)
            is_lacking = isinstance(found, Refusal) and found.code in _UNKNOWN
            self._evidence[source] = (told_by_codes(source, self._found) if is_lacking else None) or found
        found = self._evidence[source]
        return found if isinstance(found, Refusal) and not any(map(self._is_known, members)) else None

    def coding(self, value: Any) -> Coding:
        """How a value is quantized that has a range: as it is already, or as its group is."""
        own = self._found.get(origin(value))
        if own is not None:
            return Coding(own, None, _FOUND, self._classes.number(value))
        members = self._classes.members(value)
        if members[0] not in self._codings:
            self._codings[members[0]] = self._decide(members)
        return self._codings[members[0]]

    def coding_behind_relu(self, value: Any, source: Any) -> Coding:
        """How a value is quantized that holds those of another's dequantized numbers that are above zero, and zero.

        By the other's scale it is rounded to where it is already. What the program quantizes, what shares a scale with
        others and what the user chose keeps its own.
        """
        root, own = origin(value), self.coding(value)
        if own.range is None or len(self._classes.members(root)) > 1 or self._witness.choices.decides_on(root):
            return own
        there = self.coding(source)
        is_unsigned = self._witness.choices.mode_of(root) == "unsigned-after-relu"
        scheme = unsigned(there.scheme) if is_unsigned else there.scheme
        return Coding(scheme, there.range, f"the scale of {source.name!r}", there.group)

    def coverage(self) -> tuple[int, int]:
        """Of how many values only statistics can tell the range, and of how many of these they do."""
        asked = [value for value in self._evidence if self._witness.needs_statistics(value)]
        refusals = (self._evidence[value] for value in asked)
        return len(asked), sum(not (isinstance(each, Refusal) and each.code in _UNKNOWN) for each in refusals)

    def _is_known(self, source: Any) -> bool:
        return source in self._found or isinstance(self._evidence.get(source), Evidence)

    def _decide(self, members: list[Any]) -> Coding:
        number = self._classes.number(members[0])
        found = next((self._found[each] for each in members if each in self._found), None)  # all agree
        if found is not None:
            return Coding(found, None, _FOUND, number)
        known = [each for each in map(self._evidence.get, members) if isinstance(each, Evidence)]
        return Coding(*self._scheme(known), ", ".join(dict.fromkeys(each.words for each in known)), number)

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

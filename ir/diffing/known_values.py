"""Constants of two programs by value, as far as it is known: of missing weights there are digests, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np

from ..equality import same_value
from ..pymil import dtype_of
from ..text.weight_placing import digest
from ..type_words import type_words
from ..weights.files import release_pages
from ..weights.missing import StandIns, stand_ins_of
from ..weights.references import DIGEST, BlobReference

ONE_DIGEST = "differs (one side has only its digest)"
TWO_DIGESTS = "differs (both sides have only digests)"


@attrs.frozen(eq=False)
class KnownValues:
    """Says of constants whether they are equal, and remembers those of which that is not known.

    Attributes:
        old: what stands in the old program for missing weights.
        new: the same of the new one.
        not_compared: the places of weights that were asked for and are missing.
    """

    old: StandIns | None = None
    new: StandIns | None = None
    not_compared: set[BlobReference] = attrs.field(factory=set)

    def same(self, old: Any, new: Any) -> bool:
        """Whether the values of two `const` ops are equal; those of missing files are taken to be, and remembered."""
        # Types are compared because numpy holds int4 and int8 in the same one.
        if type_words(old.sym_type) != type_words(new.sym_type):
            return False
        places = _place(self.old, old), _place(self.new, new)
        missing = [place for place in places if place is not None and not place.file.startswith(DIGEST)]
        if missing:
            self.not_compared.add(missing[0])
            return True
        if places == (None, None):
            return same_value(old.val, new.val)
        one, other = (place.file if place else _digest(var) for place, var in zip(places, (old, new), strict=True))
        return one == other

    def remark(self, old: Any, new: Any) -> str:
        """How it is known that two weights differ, if digests stand for a part of one; else nothing."""
        elided = [self._is_elided(stand_ins, var) for stand_ins, var in ((self.old, old), (self.new, new))]
        return ("", ONE_DIGEST, TWO_DIGESTS)[sum(elided)]

    def _is_elided(self, stand_ins: StandIns | None, var: Any) -> bool:
        places = (_place(stand_ins, leaf) for leaf in _leaves(var))
        return any(place is not None and place.file.startswith(DIGEST) for place in places)

    def are_known(self, old: Any, new: Any) -> bool:
        """Whether no part of two weights is missing."""
        sides = ((self.old, old), (self.new, new))
        return all(_place(stand_ins, leaf) is None for stand_ins, var in sides for leaf in _leaves(var))

    def digests(self, old: Any, new: Any) -> list[str | None]:
        """What stands for each of two constants if it is missing."""
        places = _place(self.old, old), _place(self.new, new)
        return [place.file if place else None for place in places]


def known_values(old: Any, new: Any) -> KnownValues:
    """What is known of the values of two PyMIL programs."""
    return KnownValues(stand_ins_of(old), stand_ins_of(new))


def _place(stand_ins: StandIns | None, var: Any) -> BlobReference | None:
    value = var.val
    return stand_ins.reference_of(value) if stand_ins is not None and isinstance(value, np.ndarray) else None


def _digest(var: Any) -> str:
    found = digest(var.val, dtype_of(var)) if isinstance(var.val, np.ndarray) else ""
    release_pages(var.val)
    return found


def _leaves(var: Any) -> Iterator[Any]:
    """The `const` values that a weight is made of."""
    if var.op.op_type == "const":
        yield var
        return
    for value in var.op.inputs.values():
        yield from _leaves(value)

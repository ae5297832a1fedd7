"""What counts when programs are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

# Gives the array that a constant or the output of a `constexpr_*` op stands for.
Decoder = Callable[[Any], Any]


@attrs.frozen(kw_only=True)
class DiffOptions:
    """What counts.

    Attributes:
        names: names of ops and values count, and say which op is which; without them both are decided by structure.
        weights: values and encodings of weights count; without them their types do.
        decode: gives the array that a constant or `constexpr_*` value stands for, so that compressed weights are
            compared with others; `runtime.decoding.constant_of` is one.
        function: the only function to compare.
    """

    names: bool = True
    weights: bool = True
    decode: Decoder | None = None
    function: str | None = None


DEFAULT = DiffOptions()

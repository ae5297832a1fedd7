"""The options that a scheme leaves open: those of its passes, each under one name for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..ir.errors import OptionError, did_you_mean
from ..passes.base import Pass
from ..passes.kinds.records import dashed
from ..passes.options import Option, options_of
from ..passes.transforms.insert_quantize_dequantize import InsertQuantizeDequantize
from ..passes.transforms.quantize_weights import QuantizeWeights

# The passes of each scheme that can be configured. An option that several have belongs to the first; that of a later
# pass has the pass's own word in front: `dtype` is of the weights, `activation-dtype` of the activations.
_CONFIGURED: dict[str, dict[str, type[Pass]]] = {
    "none": {},
    "w8": {"weight": QuantizeWeights},
    "w8a8": {"weight": QuantizeWeights, "activation": InsertQuantizeDequantize},
}


@attrs.frozen(kw_only=True)
class ConfiguredPasses:
    """The passes of a scheme that have options, as they were asked for.

    Attributes:
        weight: what quantizes weights.
        activation: what quantizes activations.
    """

    weight: QuantizeWeights = attrs.field(factory=QuantizeWeights)
    activation: InsertQuantizeDequantize = attrs.field(factory=InsertQuantizeDequantize)


def open_options(scheme: str) -> dict[str, Option]:
    """The options of a scheme by name, in dashes."""
    return {name: options_of(cls)[own] for name, (_, cls, own) in _owners(scheme).items()}


def configured_passes(scheme: str, given: Mapping[str, Any]) -> ConfiguredPasses:
    """The passes of a scheme with these options; names may be written with dashes or underscores.

    Raises:
        OptionError: the scheme has no such option, or it does not take the value.
    """
    owners = _owners(scheme)
    options: dict[str, dict[str, Any]] = {part: {} for part in _CONFIGURED[scheme]}
    for name, value in given.items():
        if dashed(name) not in owners:
            raise _unknown(scheme, dashed(name))
        part, _, own = owners[dashed(name)]
        options[part][own] = value
    made: dict[str, Any] = {part: _CONFIGURED[scheme][part].from_options(each) for part, each in options.items()}
    return ConfiguredPasses(**made)


def _unknown(scheme: str, name: str) -> OptionError:
    having = next((each for each in _CONFIGURED if name in _owners(each)), None)
    near = did_you_mean(name, _owners(scheme)) or f"it has {', '.join(_owners(scheme)) or 'none'}"
    hint = near if having is None else f"the scheme {having!r} has it: leave it out, or choose that"
    return OptionError(f"the scheme {scheme!r} has no option {name!r}", hint=hint)


def _owners(scheme: str) -> dict[str, tuple[str, type[Pass], str]]:
    """The part, its class, and the name there, of each option of a scheme."""
    found: dict[str, tuple[str, type[Pass], str]] = {}
    for part, cls in _CONFIGURED[scheme].items():
        for own in options_of(cls):
            found[f"{part}-{own}" if own in found else own] = (part, cls, own)
    return found

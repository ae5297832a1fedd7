"""The chips that run Core ML models, and what decides about quantization on each, as one table."""

from __future__ import annotations

import attrs

from ....ir.errors import OptionError, did_you_mean, quoted

# Source of the generations: freedomtan/coreml_to_ane_hwx GUIDE; the names H13, H14, ... are those of Apple's compiler.
# Source of the arithmetic: coremltools docs-guides/source/opt-overview.md ("newer chips, A17 Pro, M4").
# Source of the GPUs: erwinzhang7/coreml-compute-placement PAPER.md; Apple's announcements of A19 and M5.
FIRST_WITH_INT8 = 16
OLDEST_GENERATION = 13  # that of the first Macs with a Neural Engine


@attrs.frozen
class Chip:
    """One chip.

    Attributes:
        name: Apple's.
        generation: of its Neural Engine: 13 for H13.
        gpu_multiplies: its GPU has matrix units of its own ("Neural Accelerators").
    """

    name: str
    generation: int
    gpu_multiplies: bool = False

    @property
    def is_mac(self) -> bool:
        """It is made for Macs and iPads."""
        return self.name.startswith("M")

    @property
    def has_int8_arithmetic(self) -> bool:
        """Its Neural Engine multiplies int8 by int8, twice as fast as fp16."""
        return self.generation >= FIRST_WITH_INT8

    def __str__(self) -> str:
        """Its name."""
        return self.name


_VARIANTS = ("", " Pro", " Max", " Ultra")
CHIPS = (
    Chip("A12", 11),
    Chip("A13", 12),
    Chip("A14", 13),
    Chip("A15", 14),
    Chip("A16", 15),
    Chip("A17 Pro", 16),
    Chip("A18", 17),
    Chip("A18 Pro", 17),
    Chip("A19", 18, gpu_multiplies=True),
    Chip("A19 Pro", 18, gpu_multiplies=True),
    *(Chip(f"M1{variant}", 13) for variant in _VARIANTS),
    *(Chip(f"M2{variant}", 14) for variant in _VARIANTS),
    *(Chip(f"M3{variant}", 15) for variant in _VARIANTS),
    *(Chip(f"M4{variant}", 16) for variant in _VARIANTS[:3]),
    *(Chip(f"M5{variant}", 17, gpu_multiplies=True) for variant in _VARIANTS[:3]),
)


def parse_chip(name: str) -> Chip:
    """The chip of a name, whatever its case, with or without the space: `A17Pro`.

    Raises:
        OptionError: there is none of this name.
    """
    known = {_spelled(chip.name): chip for chip in CHIPS}
    if _spelled(name) in known:
        return known[_spelled(name)]
    names = [chip.name for chip in CHIPS]
    hint = did_you_mean(name, names) or f"one of {', '.join(names)}"
    raise OptionError(f"unknown chip {quoted(name)}", hint=hint)


def _spelled(name: str) -> str:
    return "".join(name.lower().split())

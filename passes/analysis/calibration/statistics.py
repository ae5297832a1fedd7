"""What calibration found in a model: everything that quantization of activations is decided by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Self

import attrs

from .fitting import check_fit, hashes_of
from .function_statistics import FunctionStatistics
from .merging import merge_functions, only
from .observers import Observer, parse_observer
from .storage import read, write
from .tensor_statistics import Range, TensorStatistics


@attrs.frozen(kw_only=True)
class CalibrationStatistics:
    """The statistics of a model's values.

    Attributes:
        model_hash: which model; `ir.structure.structural_hash`, weights included.
        structure_hash: the same without the values of weights.
        collected: `ranges`, or `histograms` for every observer but moving averages.
        observer: the observer to use unless another is asked for, as text.
        functions: what was found in each function.
    """

    model_hash: str
    structure_hash: str = ""
    collected: str
    observer: str = "min-max"
    functions: Mapping[str, FunctionStatistics]

    @classmethod
    def of(
        cls,
        program: Any,
        functions: Mapping[str, FunctionStatistics],
        *,
        collected: str,
        observer: str = "min-max",
    ) -> Self:
        """Statistics that know which model they are of; reads all its weights."""
        model, structure = hashes_of(program)
        return cls(
            model_hash=model, structure_hash=structure, collected=collected, observer=observer, functions=functions
        )

    def tensor(self, function: str, name: str) -> TensorStatistics | None:
        """The statistics of one value; None if there are none."""
        found = self.functions.get(function)
        return None if found is None else found.tensors.get(name)

    def range(  # noqa: PLR0913 - each is a choice of its own
        self,
        function: str,
        name: str,
        observer: str | Observer | None = None,
        *,
        symmetric: bool = True,
        unsigned: bool = False,
        bits: int = 8,
    ) -> Range | None:
        """The range of one value that is worth codes.

        Args:
            function: the function's name.
            name: the value's name.
            observer: what decides; by default the one that the samples were run for.
            symmetric: see `Observer.range`.
            unsigned: see `Observer.range`.
            bits: of a code.

        Returns:
            None if there are no statistics of the value, or it never had a finite element.

        Raises:
            OptionError: there is no such observer.
            StatisticsError: what the observer needs was not collected.
        """
        found = self.tensor(function, name)
        if found is None or not found.has_range:
            return None
        chosen = parse_observer(self.observer if observer is None else observer)
        return chosen.range(found, symmetric=symmetric, unsigned=unsigned, bits=bits)

    def merge(self, *others: CalibrationStatistics) -> CalibrationStatistics:
        """The statistics of one run over the samples of all.

        A function that only some ran has the statistics of those.

        Raises:
            StatisticsError: they are of different models, kinds or values, or depend on the order of samples.
        """
        return reduce(_merged, others, self)

    def with_observer(self, observer: str | Observer) -> CalibrationStatistics:
        """The same statistics, with another observer to use unless one is asked for.

        Raises:
            OptionError: there is no such observer.
            StatisticsError: what it needs was not collected.
        """
        chosen = parse_observer(observer)
        tensors = [tensor for function in self.functions.values() for tensor in function.tensors.values()]
        for tensor in filter(lambda each: each.has_range, tensors):
            chosen.require_collected(tensor)
        return attrs.evolve(self, observer=str(chosen))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes `.json` or `.safetensors`, as a whole or not at all.

        Raises:
            SaveError: the path exists or can not be written.
            StatisticsError: it ends otherwise.
        """
        write(Path(path), attrs.asdict(self, recurse=False), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads what `save` wrote.

        Raises:
            StatisticsError: there is no such file, it is damaged, of another kind or of a later version.
        """
        return cls(**read(Path(path)))

    def require_fits(self, program: Any) -> None:
        """Does nothing if these are statistics of a program.

        Raises:
            StatisticsError: they are of another, and says how it differs.
        """
        check_fit(program, (self.model_hash, self.structure_hash), self.functions)


def merge(first: CalibrationStatistics, *others: CalibrationStatistics) -> CalibrationStatistics:
    """The statistics of one run over the samples of all; see `CalibrationStatistics.merge`."""
    return first.merge(*others)


def _merged(one: CalibrationStatistics, other: CalibrationStatistics) -> CalibrationStatistics:
    both = (one, other)
    hint = "calibrate the same file for all"
    only((each.model_hash for each in both), "models", hint)
    only((each.collected for each in both), "kinds", "calibrate both with the same observer")
    functions = dict(one.functions)
    for name, found in other.functions.items():
        functions[name] = merge_functions(name, functions[name], found) if name in functions else found
    return attrs.evolve(one, functions=functions)

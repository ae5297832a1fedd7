"""The data that a scheme needs: samples, or the statistics of samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from ..ir.errors import OptionError
from ..ir.model import Model
from ..passes.analysis.calibration.statistics import CalibrationStatistics
from ..passes.analysis.collecting.calibrate import calibrate
from ..passes.remarks import Remark
from .schemes import Scheme


@attrs.frozen(eq=False)
class Data:
    """What a scheme may have to see.

    Attributes:
        samples: what to calibrate on.
        statistics: in place of samples: those of a calibration, or the file that holds them.
        on_progress: called with the number of samples that are done.
        remarks: what there was to say about the samples.
    """

    samples: Iterable[Any] | None
    statistics: CalibrationStatistics | str | os.PathLike[str] | None
    on_progress: Callable[[int], None] | None = None
    remarks: list[Remark] = attrs.field(factory=list)

    def options_for(self, scheme: Scheme, model: Model, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a scheme that hold statistics; none if it needs none.

        Args:
            scheme: the scheme.
            model: the model as it came: raising its opset keeps the names of values.
            options: the other options of the scheme.

        Raises:
            OptionError: the scheme needs samples and there are none, or it needs none and there are.
            MiloptError: the samples or the statistics do not fit the model.
        """
        given = sum(each is not None for each in (self.samples, self.statistics))
        if not scheme.needs_samples:
            if given:
                raise OptionError(f"the scheme {scheme.name!r} uses no samples", hint="leave them out, or choose w8a8")
            return {}
        if given != 1:
            hint = "samples=... or --data; or what was calibrated before: statistics=... or --statistics"
            raise OptionError(f"the scheme {scheme.name!r} needs samples or statistics, one of them", hint=hint)
        if self.statistics is not None:
            return {"calibration": _fitting(self.statistics, model)}
        chosen = {"observer": options["observer"]} if "observer" in options else {}
        samples = () if self.samples is None else self.samples
        return {"calibration": calibrate(model, samples, on_progress=self.on_progress, remarks=self.remarks, **chosen)}


def _fitting(given: CalibrationStatistics | str | os.PathLike[str], model: Model) -> CalibrationStatistics:
    found = given if isinstance(given, CalibrationStatistics) else CalibrationStatistics.load(given)
    found.require_fits(model.program)
    return found

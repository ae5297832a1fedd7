"""Which functions run on which samples, and what is measured in each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ....ir.errors import OptionError, RunError, did_you_mean
from ....runtime.surface.opening import function_of
from ....runtime.types import Precision, check_precision
from ..calibration.fitting import operation_count
from ..calibration.observers import MovingAverage, Observer, parse_observer
from .batching import Sample
from .job import Job, Settings
from .selection import measured_values, named_values


def samples_by_function(program: Any, samples: Any, function: str | None) -> dict[str, Iterable[Sample]]:
    """The samples of each function that has some.

    Args:
        program: PyMIL.
        samples: of one function, or of several by their names.
        function: the only one, or None for those that `samples` names; else the default one.

    Raises:
        RunError: there is no such function.
        OptionError: what was given is neither samples nor samples by function.
    """
    if not isinstance(samples, Mapping):
        _check_iterable(samples)
        name = function or program.default_function_name
        function_of(program, name)
        return {name: samples}
    unknown = [name for name in samples if name not in program.functions]
    if unknown:
        known = ", ".join(program.functions)
        message = f"the samples are a mapping, and {unknown[0]!r} is no function of the model: they are {known}"
        hint = did_you_mean(str(unknown[0]), program.functions) or "give a list of samples: [{input: value}, ...]"
        raise OptionError(message, hint=hint)
    if function is not None and function not in samples:
        raise OptionError(f"there are no samples of function {function!r}", hint=f"there are of {', '.join(samples)}")
    chosen = [name for name in samples if function in (None, name)]
    for name in chosen:
        _check_iterable(samples[name])
    return {name: samples[name] for name in chosen}


def _check_iterable(samples: Any) -> None:
    if isinstance(samples, str | bytes) or not isinstance(samples, Iterable):
        raise OptionError(
            f"the samples are a {type(samples).__name__}", hint="give an iterable of mappings: [{input: value}, ...]"
        )


def settings_of(observer: str | Observer, *, channels: bool, precision: Precision, batch_size: int) -> Settings:
    """How to measure for an observer.

    Raises:
        OptionError: an unknown observer or precision, or batches of nothing or where order matters.
    """
    check_precision(precision)
    if batch_size < 1:
        raise OptionError(f"batches of {batch_size} samples are empty")
    chosen = parse_observer(observer)
    moving = chosen.constant if isinstance(chosen, MovingAverage) else None
    if moving is not None and batch_size > 1:
        message = f"{chosen.name} averages over single samples, and not over batches of {batch_size}"
        raise OptionError(message, hint="leave batch_size at 1, or use another observer")
    return Settings(
        str(chosen), chosen.needs == "histograms", moving, channels, precision=precision, batch_size=batch_size
    )


def jobs_of(functions: Mapping[str, Any], tensors: Iterable[str] | None, settings: Settings) -> dict[str, Job]:
    """What is measured in each function.

    Args:
        functions: PyMIL functions by name.
        tensors: the names of values; without them, those whose ranges quantization may ask for.
        settings: how.

    Raises:
        OptionError: there is no such value, or nothing at all to measure.
    """
    if tensors is None:
        measured = {name: measured_values(function) for name, function in functions.items()}
    else:
        measured = named_values(functions, [tensors] if isinstance(tensors, str) else tensors)
    if not any(measured.values()):
        raise OptionError(
            "there is nothing to measure: no op of the model takes quantized activations",
            hint="name the tensors to measure",
        )
    return {
        name: Job(name, measured[name], settings, operation_count(function)) for name, function in functions.items()
    }


def check_order_free(settings: Settings, *, executor: Any, checkpoint: Any) -> None:
    """Raises `OptionError` where what depends on the order of samples is to be merged from parts."""
    for what, given in (("shards", executor), ("a checkpoint", checkpoint)):
        if settings.moving is not None and given is not None:
            raise OptionError(
                f"a moving average depends on the order of samples, and can not be put together from {what}",
                hint="run it as a whole in this process, or use another observer",
            )


def require_samples(name: str, done: int) -> None:
    """Raises `RunError` if a function had no samples at all."""
    if not done:
        raise RunError("there are no samples", where=f"function {name!r}", hint="some 32 to 128 make good statistics")

"""The jobs of `python -m benchmarks.calibration`, each run in a process of its own: `run` starts one.

What a job gives is printed as JSON, in its last line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from .alternation import median_ratio, seconds
from .measuring import Usage, run_job

if TYPE_CHECKING:
    import milopt

ROOT = Path(__file__).resolve().parent.parent
_START = "import sys; from benchmarks.calibration_jobs import main; main(*sys.argv[1:])"

PLAIN, OPENED = "running the samples", "opening and running"
MIN_MAX, HISTOGRAMS, COREMLTOOLS = "min-max", "histograms", "coremltools"
# What `milopt.calibrate` is asked for: any other observer than min-max has it collect histograms.
_OBSERVERS = {MIN_MAX: "min-max", HISTOGRAMS: "mse"}

Sample = dict[str, np.ndarray]


def run(job: str, *arguments: object) -> tuple[Usage, Any]:
    """Runs a job of `JOBS` in a fresh process: what it took, and what it gives."""
    usage = run_job(job, _START, job, *map(str, arguments), folder=ROOT)
    return usage, json.loads(usage.stdout.splitlines()[-1])


def samples(model: str, count: int) -> Iterator[Sample]:
    """As many inputs for a model: pictures of noise, or the example's digits, again and again."""
    if model == "digits":
        with np.load(ROOT / "examples" / "digits" / "calibration.npz") as calibration:
            images = calibration["image"]
        yield from ({"image": images[index % len(images)]} for index in range(count))
        return
    random = np.random.default_rng(0)
    for _ in range(count):
        yield {"image": random.standard_normal((1, 3, 224, 224), dtype=np.float32)}


def times(model: str, package: str, count: str, rounds: str, coremltools: str) -> dict[str, Any]:
    """Seconds of each way to go through the samples, in turns, and ratios of those that stood side by side.

    Args:
        model: for `samples`.
        package: the model's.
        count: of samples.
        rounds: how often it is everyone's turn.
        coremltools: `yes` to have it take part.
    """
    import milopt

    opened, held = milopt.load(package), list(samples(model, int(count)))
    contestants: dict[str, Callable[[], object]] = {
        PLAIN: partial(_run, milopt.Session(opened), held),
        OPENED: lambda: _run(milopt.Session(opened), held),
        **{name: partial(milopt.calibrate, opened, held, observer=each) for name, each in _OBSERVERS.items()},
    }
    if coremltools == "yes":
        contestants[COREMLTOOLS] = partial(_coremltools, package, held)
    contestants[PLAIN]()  # whoever comes first would pay for cold caches
    series: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(int(rounds)):
        for name, call in contestants.items():
            series[name].append(seconds(call))
    return {
        "seconds": {name: median(found) for name, found in series.items()},
        "by_plain": {name: median_ratio(found, series[PLAIN]) for name, found in series.items()},
        "by_opened": {name: median_ratio(found, series[OPENED]) for name, found in series.items()},
        "coremltools_by": {
            name: median_ratio(series[COREMLTOOLS], series[name]) for name in _OBSERVERS if COREMLTOOLS in series
        },
    }


def calibration(tool: str, model: str, package: str, count: str, folder: str) -> dict[str, int]:
    """One calibration, its samples made as they are taken; the files that stand in its temporary folder afterwards.

    Args:
        tool: `MIN_MAX`, `HISTOGRAMS` or `COREMLTOOLS`.
        model: for `samples`.
        package: the model's.
        count: of samples.
        folder: for temporary files.
    """
    import tempfile

    tempfile.tempdir = folder
    stream = samples(model, int(count))
    if tool == COREMLTOOLS:
        _coremltools(package, list(stream))
    else:
        import milopt

        milopt.calibrate(package, stream, observer=_OBSERVERS[tool])
    return files_in(Path(folder))


def files_in(folder: Path) -> dict[str, int]:
    """The number and the size of all files in a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _run(session: milopt.Session, held: list[Sample]) -> None:
    for sample in held:
        session.run(sample)


def _coremltools(package: str, held: list[Sample]) -> None:
    """The part of its `linear_quantize_activations` that calibrates, on milopt's runtime."""
    import logging

    import coremltools as ct
    from coremltools.optimize.coreml import _post_training_quantization as quantization
    from milopt.runtime.coremltools_bridge import patch_coremltools

    from .w8a8.tools import hushed

    logging.disable(logging.WARNING)
    with patch_coremltools(force=True), hushed():
        model = ct.models.MLModel(package, skip_model_load=True)
        quantization._get_activation_calibration_stats(model, held)  # noqa: SLF001 - there is no public name for it


JOBS: dict[str, Callable[..., Any]] = {"times": times, "calibration": calibration}


def main(job: str, *arguments: str) -> None:
    """Does a job, and prints what it gives."""
    print(json.dumps(JOBS[job](*arguments)))
    sys.stdout.flush()

"""`python -m benchmarks.runtime_speed`: image classifiers on milopt's runtime, beside ONNX Runtime and PyTorch.

Needs torch, transformers and onnxscript, as in `pip install -e .[bench]`; nothing is downloaded.
"""

from __future__ import annotations

import os
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import click
import milopt
import numpy as np
import onnxruntime
import torch
from milopt.ir.pymil import dtype_of
from milopt.ir.walking import input_values, walk
from milopt.runtime.decoding import is_constant
from milopt.runtime.session import Session

from . import reporting, torch_models
from .alternation import Contestant, alternate, median_ratio
from .torch_models import INPUT, OUTPUT, SHAPE

EAGER = "torch eager"
# PyTorch's two exporters: whichever ONNX Runtime runs faster is what milopt is compared with.
EXPORTERS = {"onnxruntime, dynamo": True, "onnxruntime, torchscript": False}
PRECISIONS = {"milopt, fp32 package": "FLOAT32", "milopt, fp16 package": "FLOAT16"}
PLAIN, OBSERVED = "milopt, fp32 package", "milopt, fp32 package, observed"
# Ops whose inputs are quantized when activations are; the minimum and maximum of each is what calibration asks for.
QUANTIZED_OPS = {"add", "avg_pool", "conv", "conv_transpose", "linear", "matmul", "max_pool", "reduce_mean"}


def measure(name: str, folder: Path, *, threads: int, rounds: int, calls: int) -> dict[str, Any]:
    """Times of one model and of opening it, ratios, and how far outputs lie from PyTorch's, as plain values."""
    reporting.progress(f"building, exporting and converting {name}")
    module = torch_models.build(name)
    paths = write_files(module, folder / name)
    reporting.progress(f"measuring {name}")
    openers = {tool: partial(OPENERS[path.suffix], path, threads) for tool, path in paths.items()}
    image = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    runners = {EAGER: _eager(module, image), **{tool: _runner(each(), image) for tool, each in openers.items()}}
    runners[OBSERVED] = _observed(paths[PLAIN], threads, image)
    runs = alternate(runners, rounds=rounds, calls=calls)
    opening = alternate(openers, rounds=rounds, calls=1)
    reference = min(EXPORTERS, key=lambda tool: median(runs[tool]))
    return {
        "parameters": torch_models.parameter_count(module),
        "reference": reference,
        "run_seconds": {tool: median(series) for tool, series in runs.items()},
        "open_seconds": {tool: median(series) for tool, series in opening.items()},
        "ratios": {
            tool: {
                "run_by_onnxruntime": median_ratio(runs[tool], runs[reference]),
                "run_by_torch": median_ratio(runs[tool], runs[EAGER]),
                "open_by_onnxruntime": median_ratio(opening[tool], opening[reference]),
            }
            for tool in PRECISIONS
        },
        "observed_by_plain": median_ratio(runs[OBSERVED], runs[PLAIN]),
        "deviation": {tool: deviation(call(), runners[EAGER]()) for tool, call in runners.items()},
    }


def write_files(module: torch.nn.Module, folder: Path) -> dict[str, Path]:
    """Writes a module in all forms; the files by the tool that runs them."""
    folder.mkdir()
    paths: dict[str, Path] = {}
    for tool, dynamo in EXPORTERS.items():
        paths[tool] = folder / f"{'dynamo' if dynamo else 'torchscript'}.onnx"
        torch_models.export(module, paths[tool], dynamo=dynamo)
    for tool, precision in PRECISIONS.items():
        paths[tool] = folder / f"{precision}.mlpackage"
        torch_models.convert(module, paths[tool], precision)
    return paths


def open_onnx(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def open_package(path: Path, threads: int) -> Session:
    """A milopt session of a package."""
    return Session(milopt.load(path), threads=threads)


OPENERS = {".onnx": open_onnx, ".mlpackage": open_package}


def _runner(session: Any, image: np.ndarray) -> Contestant:
    if isinstance(session, Session):
        return lambda: session.run({INPUT: image})[OUTPUT]
    return lambda: session.run([OUTPUT], {INPUT: image})[0]


def _observed(path: Path, threads: int, image: np.ndarray) -> Contestant:
    """Runs that give the minimum and maximum of every value that quantized ops take."""
    model = milopt.load(path)
    names = {
        var.name
        for operation in walk(model.program)
        if operation.op_type in QUANTIZED_OPS
        for _, var in input_values(operation)
        if not is_constant(var) and dtype_of(var).is_float
    }
    session = Session(model, threads=threads, observe=dict.fromkeys(names, ("min", "max")))

    def run() -> np.ndarray:
        outputs, observed = session.run_observed({INPUT: image})
        assert len(observed) == len(names)  # noqa: S101 - a benchmark that observes nothing tells nothing
        return np.asarray(outputs[OUTPUT])

    return run


def _eager(module: torch.nn.Module, image: np.ndarray) -> Contestant:
    def run() -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(image)))

    return run


def deviation(found: Any, expected: Any) -> dict[str, float]:
    """The largest difference, and the signal to noise ratio in decibels; infinite where all is equal."""
    expected = np.asarray(expected, np.float64)
    noise = np.asarray(found, np.float64) - expected
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(np.sum(expected**2) / np.sum(noise**2))
    return {"largest": float(np.abs(noise).max()), "sqnr_db": float(decibels)}


def print_record(record: dict[str, Any]) -> None:
    """Prints the measurements of all models as text."""
    print(f"batch 1, {SHAPE[2]}x{SHAPE[3]}, {record['threads']} threads, medians of {record['rounds']} rounds")
    print(f"{reporting.in_words(record['environment'])}\n")
    for name, found in record["models"].items():
        print(f"{name}, {found['parameters']:,} parameters; the ratios' reference is {found['reference']}")
        headers = ("", "run", "/ onnxruntime", "/ torch", "open", "/ onnxruntime", "SQNR", "largest difference")
        reporting.print_table(headers, [_row(tool, found) for tool in found["run_seconds"]])
        print(f"with every quantizable value's minimum and maximum observed: {found['observed_by_plain']:.2f}\n")


def _row(tool: str, found: dict[str, Any]) -> tuple[str, ...]:
    opening, ratios, far = found["open_seconds"].get(tool), found["ratios"].get(tool), found["deviation"][tool]
    by = {key: f"{ratio:.2f}" for key, ratio in (ratios or {}).items()}
    return (
        tool,
        f"{1e3 * found['run_seconds'][tool]:.2f} ms",
        by.get("run_by_onnxruntime", ""),
        by.get("run_by_torch", ""),
        "" if opening is None else f"{1e3 * opening:.0f} ms",
        by.get("open_by_onnxruntime", ""),
        "" if tool == EAGER else f"{far['sqnr_db']:.0f} dB",
        "" if tool == EAGER else f"{far['largest']:.1e}",
    )


@click.command()
@click.option("--model", "names", type=click.Choice([*torch_models.BUILDERS]), multiple=True, help="All without it.")
@click.option("--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Turns of each tool.")
@click.option("--calls", type=click.IntRange(min=1), default=10, show_default=True, help="Calls counted in a turn.")
@click.option("--threads", type=click.IntRange(min=1), default=os.cpu_count() or 1, help="Every tool's threads.")
@reporting.json_option
def main(*, names: tuple[str, ...], rounds: int, calls: int, threads: int, as_json: bool) -> None:
    """Run image classifiers with milopt, ONNX Runtime and PyTorch, in turns, and compare times and outputs."""
    torch.set_num_threads(threads)
    versions = {name: version(name) for name in ("onnxruntime", "torch", "transformers")}
    with TemporaryDirectory(prefix="milopt-benchmark-") as folder:
        models = {
            name: measure(name, Path(folder), threads=threads, rounds=rounds, calls=calls)
            for name in names or torch_models.BUILDERS
        }
    record = {
        "environment": {**reporting.environment(), **versions},
        "threads": threads,
        "rounds": rounds,
        "models": models,
    }
    reporting.show(record, print_record, as_json=as_json)


if __name__ == "__main__":
    main()

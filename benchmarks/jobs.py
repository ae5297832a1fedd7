"""The jobs of the benchmarks, each in a process of its own: building a model, quantizing it, and running it.

The process that measures builds and imports nothing large itself: it has to stay small, see `run_job`.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from .measuring import Usage, run_job

if TYPE_CHECKING:
    from collections.abc import Sequence

# The model's name, the package's place, the target and the builder's options; prints the parameters it has.
_BUILD = """
import sys
from benchmarks.architectures import write_package
name, package, target, *options = sys.argv[1:]
options = {key: int(value) for key, value in (option.split("=") for option in options)}
print(write_package(name, package, target, **options))
"""

_IMPORT = "import coremltools"

# The package, the place of the result and the target: load, quantize to int8 per channel, save.
_QUANTIZE = {
    "milopt": """
import sys
import milopt
source, result, target = sys.argv[1:]
milopt.optimize(milopt.load(source), target=target).model.save(result)
""",
    "coremltools": """
import sys
import coremltools as ct
from coremltools.optimize.coreml import OpLinearQuantizerConfig, OptimizationConfig, linear_quantize_weights
source, result, _ = sys.argv[1:]
model = ct.models.MLModel(source, skip_model_load=True)
config = OptimizationConfig(global_config=OpLinearQuantizerConfig(mode="linear_symmetric"))
linear_quantize_weights(model, config).save(result)
""",
}

TOOLS = tuple(_QUANTIZE)

# A `dense` package: load, open and run; prints the seconds that opening and running took, as JSON.
_RUN = """
import json, sys, time
import numpy as np
import milopt
from milopt.runtime.session import Session
started = time.perf_counter()
session = Session(milopt.load(sys.argv[1]))
opened = time.perf_counter()
outputs = session.run({"tokens": np.zeros((1, 16), np.int32)})
ended = time.perf_counter()
assert all(np.isfinite(output).all() for output in outputs.values())
print(json.dumps({"open_seconds": opened - started, "run_seconds": ended - opened}))
"""
_IMPORT_RUNTIME = "import numpy, milopt, coremltools, onnxruntime"

# The numbers of ops and the rounds: prints and parses a program of each size; prints the best times, as JSON.
_TEXT = """
import json, sys, time
from benchmarks.programs import layered_program
from milopt.ir.text.parser import parse_proto
from milopt.ir.text.printer import print_program
from milopt.ir.text.reading import parse_program
from milopt.ir.walking import walk
*sizes, rounds = map(int, sys.argv[1:])
def best(job):
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        result = job()
        times.append(time.perf_counter() - started)
    return min(times), result
records = []
for size in sizes:
    program = layered_program(size)
    printing, text = best(lambda: print_program(program, weights="inline"))
    protobuf, _ = best(lambda: parse_proto(text))
    parsing, parsed = best(lambda: parse_program(text))
    ops = sum(1 for _ in walk(parsed))
    assert ops >= size
    records.append({"ops": ops, "characters": len(text), "print_seconds": printing, "parse_seconds": parsing,
                    "protobuf_seconds": protobuf})
print(json.dumps(records))
"""

# Megabytes of weights: writes a weight file of that size and a text that refers to it.
_WRITE_REFERENCES = """
import sys
import numpy as np
from pathlib import Path
from milopt.ir.dtypes import dtype_named
from milopt.ir.weights.files import WeightFileWriter
rows = int(sys.argv[1]) * 10**6 // 2 // 1024
with WeightFileWriter(Path("weight.bin")) as writer:
    offset = writer.write(np.zeros((rows, 1024), np.float16), dtype_named("fp16"))
kind = f"tensor<fp16, [{rows}, 1024]>"
place = f'BLOBFILE(path = string("@model_path/weight.bin"), offset = uint64({offset}))'
Path("references.mil").write_text(
    f"program(1.3)\\n{{ func main<ios17>(tensor<fp16, [1, 1024]> x) {{\\n"
    f"{kind} w = const()[val = {kind}({place})];\\n"
    f"tensor<fp16, [1, {rows}]> y = linear(x = x, weight = w);\\n}} -> (y); }}\\n"
)
"""
_PARSE_REFERENCES = "import milopt; milopt.load('references.mil').program"


def build(name: str, package: Path, target: str, **options: int) -> int:
    """Writes a model of `architectures.BUILDERS` and returns its number of parameters."""
    arguments = (name, str(package), target, *(f"{key}={value}" for key, value in options.items()))
    checkout = Path(__file__).resolve().parent.parent
    return int(run_job(f"building {name}", _BUILD, *arguments, folder=checkout).stdout.split()[-1])


def import_coremltools(folder: Path) -> Usage:
    """A process that does nothing but `import coremltools`, which every tool pays for."""
    return run_job("import coremltools", _IMPORT, folder=folder)


def quantize(tool: str, source: Path, target: str) -> Usage:
    """Quantizes a package with one of `TOOLS`; replaces `result_of(tool, source)`."""
    result = result_of(tool, source)
    shutil.rmtree(result, ignore_errors=True)
    return run_job(tool, _QUANTIZE[tool], str(source), str(result), target, folder=source.parent)


def run_dense(package: Path) -> tuple[Usage, dict[str, float]]:
    """Opens a `dense` package with milopt and runs it once; also gives the seconds that each took."""
    usage = run_job("running", _RUN, str(package), folder=package.parent)
    return usage, json.loads(usage.stdout.splitlines()[-1])


def import_runtime(folder: Path) -> Usage:
    """A process that only imports what running needs."""
    return run_job("importing", _IMPORT_RUNTIME, folder=folder)


def result_of(tool: str, source: Path) -> Path:
    """Where `quantize` saves."""
    return source.with_name(f"{source.stem}-{tool}.mlpackage")


def text_times(sizes: Sequence[int], rounds: int) -> list[dict[str, float]]:
    """The best times of printing and parsing programs of these sizes."""
    arguments = [*map(str, sizes), str(rounds)]
    checkout = Path(__file__).resolve().parent.parent
    found: list[dict[str, float]] = json.loads(
        run_job("text", _TEXT, *arguments, folder=checkout).stdout.splitlines()[-1]
    )
    return found


def parse_references(megabytes: int, folder: Path) -> Usage:
    """A process that parses a text whose weights lie in a file of this size."""
    run_job("writing weights", _WRITE_REFERENCES, str(megabytes), folder=folder)
    return run_job("parsing", _PARSE_REFERENCES, folder=folder)
